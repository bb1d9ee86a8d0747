"""README and docs keep up with the code: links lead somewhere, design keys are all explained, examples evaluate."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from archsim.core.options import Options

ROOT = Path(__file__).resolve().parent.parent
DESIGN_FILE = ROOT / "docs" / "design-file.md"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
TOML_BLOCK = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def links(text: str) -> list[str]:
    """Targets of the links in a page that stay in the repository, without fragments."""
    targets = (match[1] or match[2] for match in LINK.finditer(text))
    return [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    broken = [target for target in links(page.read_text(encoding="utf-8")) if not (page.parent / target).exists()]
    assert broken == []


def test_a_link_is_recognised() -> None:
    assert links("see [a](x.md#part), ![b](y.png) and [c](https://example.org)") == ["x.md", "y.png"]


def test_every_page_is_on_the_map() -> None:
    mapped = {ROOT / "docs" / target for target in links((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))}
    assert set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs" / "index.md"} - mapped == set()


def test_readme_opens_with_the_two_commands() -> None:
    opening = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:15])
    assert "make run" in opening
    assert "make test" in opening


def test_readme_walks_through_the_quickstart_as_it_is() -> None:
    """After a change of the design: make sample."""
    shown = TOML_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    quickstart = (ROOT / "designs" / "quickstart.toml").read_text(encoding="utf-8")
    assert shown == [quickstart.removeprefix("#:schema design.schema.json\n")]


def test_readme_shows_what_the_quickstart_prints() -> None:
    """After a change of the numbers: make sample."""
    command = [sys.executable, "-m", "archsim", "evaluate", "--no-files", "--quiet", "designs/quickstart.toml"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert [line.rstrip() for line in printed.splitlines()[: shown[1].count("\n")]] == shown[1].splitlines()


@pytest.mark.parametrize("path", sorted((ROOT / "designs").glob("*.toml")), ids=lambda path: path.stem)
def test_examples_name_the_schema_first(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("#:schema design.schema.json\n")


def test_the_schema_beside_the_examples_is_the_one_archsim_prints() -> None:
    """After a change of the design file: make schema."""
    from archsim.api.schema import SCHEMA_FILE, design_schema

    assert json.loads((ROOT / "designs" / SCHEMA_FILE).read_text(encoding="utf-8")) == design_schema()


def tables() -> dict[str, type[Options]]:
    """Each table of a design file with the model that reads it."""
    from archsim.arch.options import HardwareOptions
    from archsim.mappers.options import MapperOptions
    from archsim.sim.options import SimulationOptions
    from archsim.workloads.options import QuantizationOptions, SparsityOptions, WorkloadOptions

    return {
        "hardware": HardwareOptions,
        "workload": WorkloadOptions,
        "quantization": QuantizationOptions,
        "sparsity": SparsityOptions,
        "mapper": MapperOptions,
        "simulation": SimulationOptions,
    }


def nested(annotation: Any) -> Iterator[type[Options]]:
    """The options models inside an annotation such as ``tuple[MemoryOptions, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Options):
        yield annotation
    for inner in get_args(annotation):
        yield from nested(inner)


def keys(model: type[Options], seen: frozenset[type[Options]] = frozenset()) -> Iterator[str]:
    """Every key that a table, and any table inside it, takes or reserves."""
    if model in seen:
        return
    yield from model.reserved
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in nested(field.annotation):
            yield from keys(inner, seen | {model})


def sections() -> dict[str, str]:
    """Text of the design-file page below each heading ``## `[table]` ``."""
    parts = re.split(r"^## `\[(\w+)\]`$", DESIGN_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("table", tables())
def test_every_key_of_a_design_file_is_explained(table: str) -> None:
    section = sections()[table]
    assert [key for key in keys(tables()[table]) if f"`{key}`" not in section] == []


@pytest.mark.parametrize("table", tables())
def test_every_key_that_is_explained_exists(table: str) -> None:
    known = set(keys(tables()[table]))
    explained = {
        key
        for row in re.findall(r"^\| (`[^|]*`) \|", sections()[table], flags=re.MULTILINE)
        for key in re.findall(r"`(\w+)`", row)
    }
    assert explained - known == set()


def examples() -> list[Any]:
    """The TOML blocks of README and docs that are whole designs."""
    blocks = [(page, block) for page in pages() for block in TOML_BLOCK.findall(page.read_text(encoding="utf-8"))]
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for number, (page, block) in enumerate(blocks)
        if "[hardware]" in block and "[workload]" in block
    ]


def test_there_are_examples() -> None:
    assert len(examples()) >= 2


@pytest.mark.parametrize("text", examples())
def test_designs_shown_in_the_docs_evaluate(text: str, tmp_path: Path) -> None:
    import archsim

    path = tmp_path / "design.toml"
    path.write_text(text, encoding="utf-8")
    assert archsim.evaluate(path).to_dict()["totals"]["latency_s"] > 0
