"""What no module of the package may do, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("archsim", "arch", "workloads", "sim", "mappers", "reports")
KERNELS = ROOT / "archsim" / "core" / "kernels.py"
BORDER = ROOT / "archsim" / "cli" / "main.py"
"""Where whatever escapes becomes a message and an exit code: the one place that catches everything."""

FORBIDDEN_CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "runs text as code",
    "__import__": "imports by a name that may come from input",
    "pickle.load": "runs code from a file",
    "pickle.loads": "runs code from a file",
    "pandas.read_pickle": "runs code from a file",
    "marshal.loads": "runs code from a file",
    "yaml.load": "builds any object: yaml.safe_load",
    "yaml.unsafe_load": "builds any object: yaml.safe_load",
    "os.system": "goes through a shell",
    "os.popen": "goes through a shell",
    "numpy.random.seed": "sets global state: pass a Generator",
    "tempfile.mktemp": "is a race",
}
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
JIT = {"numba.njit", "numba.jit", "numba.vectorize", "numba.guvectorize"}


def modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of an expression with import aliases resolved; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attribute):
            owner = dotted(value, names)
            return f"{owner}.{attribute}" if owner else ""
        case _:
            return ""


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each name that an import binds stands for: {"np": "numpy", "njit": "numba.njit"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dangerous_calls(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func, names)
        if name in FORBIDDEN_CALLS:
            yield node.lineno, f"{name} {FORBIDDEN_CALLS[name]}"
        for keyword in node.keywords:
            is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if keyword.arg in ("allow_pickle", "shell") and is_true:
                yield node.lineno, f"{name}({keyword.arg}=True)"


def dangerous_imports(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                imported = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module)):
                imported = [module]
            case _:
                continue
        for name in imported:
            if name.split(".")[0] in FORBIDDEN_IMPORTS:
                yield node.lineno, f"imports {name}"


def relative_imports(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "a relative import does not cross the mapped rooms: write archsim.<room>"


def bare_jit(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and dotted(node, names) in JIT:
            yield node.lineno, "numba's own cache is blind to callees: use archsim.core.kernels.kernel"


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends with a bare `raise`: it cleans up and swallows nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def swallowed_errors(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = "everything" if node.type is None else dotted(node.type, names)
            if caught in ("everything", "Exception", "BaseException") and not passes_on(node):
                yield node.lineno, f"catches {caught}"


Rule = Callable[[ast.Module, dict[str, str]], Iterator[tuple[int, str]]]
RULES: list[Rule] = [dangerous_calls, dangerous_imports, relative_imports, bare_jit, swallowed_errors]
EXEMPT = {(bare_jit, KERNELS), (swallowed_errors, BORDER)}


def found(rule: Rule, source: str) -> list[tuple[int, str]]:
    tree = ast.parse(source)
    return list(rule(tree, imported_names(tree)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_breaks_the_rule(rule: Rule) -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in modules()
        if (rule, path) not in EXEMPT
        for line, what in found(rule, path.read_text(encoding="utf-8"))
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (dangerous_calls, "eval('1')"),
        (dangerous_calls, "import numpy as np\nnp.load('x', allow_pickle=True)"),
        (dangerous_calls, "from yaml import load\nload(text)"),
        (dangerous_calls, "import subprocess\nsubprocess.run('ls', shell=True)"),
        (dangerous_imports, "import pickle"),
        (dangerous_imports, "from pickle import loads"),
        (relative_imports, "from . import memory"),
        (bare_jit, "from numba import njit\n@njit\ndef f(): ..."),
        (bare_jit, "import numba as nb\nf = nb.njit(cache=True)(f)"),
        (swallowed_errors, "try:\n    f()\nexcept Exception:\n    pass"),
        (swallowed_errors, "try:\n    f()\nexcept:\n    pass"),
    ],
)
def test_each_rule_sees_what_it_forbids(rule: Rule, source: str) -> None:
    assert found(rule, source)


def test_there_are_modules_to_read() -> None:
    assert len(modules()) > 20
