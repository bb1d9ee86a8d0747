#!/usr/bin/env python3
"""Puts designs/quickstart.toml, and what it prints before its table of layers, into README.md."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
QUICKSTART = ROOT / "designs" / "quickstart.toml"


def sample() -> str:
    """The command's totals and components, as a fenced block."""
    command = [sys.executable, "-m", "archsim", "evaluate", "--no-files", "--quiet", "designs/quickstart.toml"]
    outcome = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    totals, components, *_ = outcome.stdout.split("\n\n")
    lines = [line.rstrip() for line in f"{totals}\n\n{components}".splitlines()]
    return "\n".join(("```text", *lines, "```"))


def design() -> str:
    """The design file without the line for editors, as a fenced block."""
    lines = [line for line in QUICKSTART.read_text(encoding="utf-8").splitlines() if not line.startswith("#:schema")]
    return "\n".join(("```toml", *lines, "```"))


def put(text: str, name: str, block: str) -> str:
    """`text` with `block` between the markers that name it."""
    marked = re.compile(rf"(<!-- {name}: make sample -->\n).*?(\n<!-- end -->)", re.DOTALL)
    replaced, count = marked.subn(lambda match: match[1] + block + match[2], text)
    if count != 1:
        sys.exit(f"error: README.md needs one pair of markers {name!r}, has {count}")
    return replaced


def main() -> None:
    """Rewrite README.md."""
    text = put(README.read_text(encoding="utf-8"), "design", design())
    README.write_text(put(text, "output", sample()), encoding="utf-8")


if __name__ == "__main__":
    main()
