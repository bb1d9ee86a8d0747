#!/usr/bin/env python3
"""Puts what `archsim evaluate designs/quickstart.toml` prints before its table of layers into README.md."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- sample: make sample -->\n).*?(\n<!-- end -->)", re.DOTALL)


def sample() -> str:
    """The command's totals and components, as a fenced block."""
    command = [sys.executable, "-m", "archsim", "evaluate", "--no-files", "--quiet", "designs/quickstart.toml"]
    outcome = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    totals, components, *_ = outcome.stdout.split("\n\n")
    lines = [line.rstrip() for line in f"{totals}\n\n{components}".splitlines()]
    return "\n".join(("```text", *lines, "```"))


def main() -> None:
    """Rewrite README.md."""
    text = README.read_text(encoding="utf-8")
    replaced, count = MARKED.subn(lambda match: match[1] + sample() + match[2], text)
    if count != 1:
        sys.exit("error: README.md needs exactly one pair of sample markers")
    README.write_text(replaced, encoding="utf-8")


if __name__ == "__main__":
    main()
