"""The patched machine's side runs on Python 3.6 with nothing but its standard library (EL8's platform-python)."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TARGET_SIDE = sorted(
    [
        *(TOP / "kpatch").glob("*.py"),
        *(TOP / "kpatch/host").glob("*.py"),
        *(TOP / "dnf-plugin").glob("*.py"),
        TOP / "kpatch/cli/__init__.py",
        TOP / "kpatch/cli/kpatch.py",
        TOP / "kpatch/cli/main.py",
    ]
)
OURS = {"kpatch", "dnf"}


def test_vermin_finds_nothing_newer_than_3_6() -> None:
    vermin = shutil.which("vermin", path=str(Path(sys.executable).parent)) or shutil.which("vermin")
    assert vermin is not None, "vermin is not installed: it is in the dev requirements"
    done = subprocess.run([vermin, "-t=3.6-", "--no-tips", *map(str, TARGET_SIDE)], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", TARGET_SIDE, ids=lambda path: str(path.relative_to(TOP)))
def test_imports_are_of_the_standard_library_of_3_6(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            top = name.split(".")[0]
            assert top in OURS or top in sys.stdlib_module_names, f"{path.name} imports {name}"
            assert top != "dataclasses", "dataclasses came with 3.7"
            assert (node.module if isinstance(node, ast.ImportFrom) else "") != "__future__"
