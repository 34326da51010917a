"""The table of allowed imports in docs/architecture.md, held against the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

BASE = {"kpatch", "kpatch.errors", "kpatch.log", "kpatch.run", "kpatch.data", "kpatch.version"}
ALLOWED: dict[str, set[str]] = {
    "kpatch": set(),
    "kpatch.elf": {"kpatch.errors"},
    "kpatch.arch": {"kpatch.elf"},
    "kpatch.diff": {"kpatch.errors", "kpatch.elf", "kpatch.arch"},
    "kpatch.kernel": {"kpatch.elf", "kpatch.arch"} | BASE,
    "kpatch.build": {"kpatch.kernel", "kpatch.diff", "kpatch.elf", "kpatch.arch"} | BASE,
    "kpatch.host": BASE,
    "kpatch.cli": {"kpatch.elf", "kpatch.diff", "kpatch.kernel", "kpatch.build", "kpatch.host", "rpmbuild"} | BASE,
    "rpmbuild": BASE,
}


def room_of(module: str) -> str:
    """The room that a module lies in; the base modules are rooms of their own."""
    if module in BASE:
        return module
    return "rpmbuild" if module.split(".")[0] == "rpmbuild" else ".".join(module.split(".")[:2])


def imports(path: Path) -> Iterator[str]:
    """Names of the project's modules that ``path`` imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


SOURCES = sorted([*TOP.glob("kpatch/**/*.py"), *TOP.glob("rpmbuild/**/*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_imports_follow_the_table(path: Path) -> None:
    parts = path.relative_to(TOP).with_suffix("").parts
    room = parts[0] if len(parts) <= 2 else ".".join(parts[:2])
    allowed = ALLOWED[room] | {room} | (BASE if room == "kpatch" else set())
    for name in imports(path):
        if name.split(".")[0] not in {"kpatch", "rpmbuild"}:
            continue
        target = room_of(name) if name not in BASE else name
        if room_of(name) not in allowed:
            target = room_of(name.rsplit(".", 1)[0])
        assert target in allowed, f"{path.relative_to(TOP)} imports {name}: {room} may import {sorted(allowed)}"
