"""The differ on the golden corpus: each pair gives what its source promises, bit for bit the same twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.corpus import OBJECTS, TOP, Item, disagreements, items, summary, version_of

ITEMS = items()
each_item = pytest.mark.parametrize("item", ITEMS, ids=str)
STATUS = {"changed": 0, "refused": 2, "unchanged": 3}


@each_item
def test_result_is_what_the_source_promises(item: Item) -> None:
    found = summary(item.diff())
    assert not disagreements(item, found)
    assert found == json.loads(item.expected.read_text())


@each_item
def test_result_is_bit_identical_twice(item: Item) -> None:
    one, two = item.diff(), item.diff()
    assert one.to_json() == two.to_json()
    assert (one.out and one.out.to_bytes()) == (two.out and two.out.to_bytes())


@pytest.mark.parametrize("item", ITEMS[::9], ids=str)
def test_command_agrees_with_the_library(item: Item, tmp_path: Path) -> None:
    out, report = tmp_path / "out.o", tmp_path / "report.json"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "kpatch.cli.diff",
        item.object("original"),
        item.object("patched"),
    ]
    command += ["-o", out, "--object", item.says("object") or "vmlinux", "--json", report]
    done = subprocess.run(command, cwd=TOP.parents[1], capture_output=True, text=True)
    expected = json.loads(item.expected.read_text())
    assert done.returncode == STATUS[expected["status"]], done.stderr
    assert out.exists() == (done.returncode == 0)
    result = item.diff()
    if result.out is not None:
        assert out.read_bytes() == result.out.to_bytes()
    found = json.loads(report.read_text())
    assert {key: found[key] for key in result.to_json()} == result.to_json()
    for refusal in result.refusals:
        assert f"[{refusal.code}]" in done.stderr and refusal.remedy in done.stderr


@pytest.mark.parametrize("item", ITEMS[::5], ids=str)
def test_committed_objects_can_be_built_again(item: Item, tmp_path: Path) -> None:
    committed = (OBJECTS / item.compiler / "VERSION").read_text().strip()
    here = version_of(item.compiler)
    if here != committed:
        pytest.skip(f"the objects were made by {committed!r}, here is {here or 'none'!r}")
    if item.says("objtool") and "OBJTOOL" not in os.environ:
        pytest.skip("needs the kernel's objtool, named by OBJTOOL")
    for side in ("original", "patched"):
        item.compile(side, tmp_path / "object.o")
        assert (tmp_path / "object.o").read_bytes() == item.object(side).read_bytes(), side


def test_every_committed_object_belongs_to_a_source() -> None:
    known = {item.object(side) for item in ITEMS for side in ("original", "patched")}
    assert set(OBJECTS.glob("*/*.o")) == known
    assert set(TOP.glob("expected/*/*.json")) == {item.expected for item in ITEMS}
