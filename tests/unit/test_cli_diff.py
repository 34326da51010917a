"""kpatch-diff as a command: exit status, files, messages."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from kpatch.cli import diff
from kpatch.elf.const import STB_GLOBAL, STT_OBJECT
from kpatch.elf.object import ElfObject, Symbol
from tests.golden.corpus import Item

CHANGED = Item("include-new-data", "gcc")
REFUSED = Item("data-changed", "gcc")
UNCHANGED = Item("compare-alignment", "gcc")


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["kpatch-diff", *map(str, arguments)])
    try:
        return diff.main()
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def _pair(item: Item) -> tuple[Path, Path]:
    return item.object("original"), item.object("patched")


def test_changed_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "out.o"
    assert _run(monkeypatch, *_pair(CHANGED), "-o", out) == 0
    obj = ElfObject.read(out)
    assert {symbol.name for symbol in obj.symbols if symbol.section and symbol.name} == {"f", "hits", "limit", "total"}
    assert {symbol.name for symbol in obj.symbols if symbol.is_undefined} == {"sink", "__fentry__"}
    assert list(tmp_path.iterdir()) == [out]


def test_unchanged_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert _run(monkeypatch, *_pair(UNCHANGED), "-o", tmp_path / "out.o") == 3
    assert list(tmp_path.iterdir()) == []


def test_old_output_goes_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "out.o"
    for item, status in ((UNCHANGED, 3), (REFUSED, 2)):
        out.write_bytes(b"of an earlier run")
        assert _run(monkeypatch, *_pair(item), "-o", out) == status
        assert not out.exists()


def test_input_is_never_overwritten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original, patched = tmp_path / "a.o", tmp_path / "b.o"
    original.write_bytes(CHANGED.object("original").read_bytes())
    patched.write_bytes(CHANGED.object("patched").read_bytes())
    assert _run(monkeypatch, original, patched, "-o", patched) == 1
    assert patched.read_bytes() == CHANGED.object("patched").read_bytes()


def test_what_is_no_file_is_written_to_and_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert _run(monkeypatch, *_pair(CHANGED), "-o", pipe) == 0
        assert os.read(reader, 4) == b"\x7fELF"
    finally:
        os.close(reader)
    assert pipe.is_fifo(), "root would replace /dev/null"


def test_a_link_stays_and_leads_to_the_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target, link = tmp_path / "target.o", tmp_path / "link.o"
    link.symlink_to("target.o")
    assert _run(monkeypatch, *_pair(CHANGED), "-o", link) == 0
    assert link.is_symlink() and target.read_bytes()[:4] == b"\x7fELF"
    assert _run(monkeypatch, *_pair(UNCHANGED), "-o", link) == 3
    assert not target.exists()


def test_no_file_is_read_and_written_or_written_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = tmp_path / "System.map"
    names.write_text("ffffffff81000000 T _text\n")
    again = tmp_path / "." / "out.o"
    for options in (("-o", names), ("-o", tmp_path / "out.o", "--json", names), ("-o", again, "--json", again)):
        assert _run(monkeypatch, *_pair(CHANGED), "--symbols", names, *options) == 1
    assert list(tmp_path.iterdir()) == [names] and names.read_text().startswith("ffffffff81000000")


@pytest.mark.parametrize(
    "options", [("-o", ""), ("-o", "."), ("-o", "x.o", "--json", ""), ("-o", "x.o", "--object", "")]
)
def test_empty_names_are_bad_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [path.resolve() for path in _pair(CHANGED)]
    monkeypatch.chdir(tmp_path)
    assert _run(monkeypatch, *pair, *options) == 1
    assert "internal error" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_refusal_names_code_and_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, *_pair(REFUSED), "-o", tmp_path / "out.o") == 2
    assert list(tmp_path.iterdir()) == []
    error = capsys.readouterr().err
    assert "kpatch-diff: error: data limit: its initial value changes [changed-data]" in error
    assert "kpatch-diff: hint: initial values do not reach a running kernel" in error


def test_json_goes_to_a_file_or_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    _run(monkeypatch, *_pair(CHANGED), "-o", tmp_path / "out.o", "--json", report)
    _run(monkeypatch, *_pair(CHANGED), "-o", tmp_path / "out.o", "--json", "-")
    found = json.loads(report.read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert found["changed_functions"] == ["f"] and found["new_data"] == ["limit", "hits", "total"]
    _run(monkeypatch, *_pair(REFUSED), "-o", tmp_path / "out.o", "--json", report)
    [refusal] = json.loads(report.read_text())["refusals"]
    assert set(refusal) == {"code", "symbol", "section", "message", "remedy"}


@pytest.mark.parametrize(
    "arguments",
    [(), ("one.o",), ("one.o", "two.o"), ("--what",), ("one.o", "two.o", "-o", "out.o", "--object")],
    ids=str,
)
def test_usage_error_is_1(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, *arguments) == 1
    assert "kpatch-diff: error:" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "directory", "cut"])
def test_bad_input_is_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.o"
    if damage == "directory":
        bad.mkdir()
    elif damage != "missing":
        whole = CHANGED.object("original").read_bytes()
        bad.write_bytes({"empty": b"", "text": b"hello\n", "cut": whole[:900]}[damage])
    out = tmp_path / "out.o"
    for pair in ((bad, CHANGED.object("patched")), (CHANGED.object("original"), bad)):
        assert _run(monkeypatch, *pair, "-o", out) == 1
        error = capsys.readouterr().err
        assert error.startswith("kpatch-diff: error: ") and "internal error" not in error and str(bad) in error
        assert not out.exists()


def test_intermediate_code_is_no_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``gcc -flto`` leaves an object without functions: it differs in nothing that could be compared."""
    slim = ElfObject.read(CHANGED.object("patched"))
    slim.add_symbol(Symbol("__gnu_lto_slim", slim.sections[0], bind=STB_GLOBAL, type=STT_OBJECT))
    (tmp_path / "slim.o").write_bytes(slim.to_bytes())
    assert _run(monkeypatch, CHANGED.object("original"), tmp_path / "slim.o", "-o", tmp_path / "out.o") == 1


def test_output_that_cannot_be_written_is_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, *_pair(CHANGED), "-o", tmp_path / "none" / "out.o") == 1
    assert "internal error" not in capsys.readouterr().err
    assert _run(monkeypatch, *_pair(CHANGED), "-o", tmp_path / "out.o", "--json", tmp_path / "none" / "x.json") == 1
    assert "internal error" not in capsys.readouterr().err
    assert not (tmp_path / "out.o").exists(), "no OUT.o unless 0"


def test_symbols_resolve_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = tmp_path / "System.map"
    names.write_text("ffffffff81000000 T _text\nffffffff81000100 T __fentry__\n")
    report = tmp_path / "report.json"
    assert _run(monkeypatch, *_pair(CHANGED), "-o", tmp_path / "out.o", "--symbols", names, "--json", report) == 0
    found = json.loads(report.read_text())
    rows = {row["symbol"]: row for row in found["references"]}
    assert rows["__fentry__"]["address"] == "0xffffffff81000100"
    assert found["unresolved"] == ["sink"]


def test_symvers_tell_who_exports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    symvers = tmp_path / "Module.symvers"
    symvers.write_text(
        "0x1\tcopy\tvmlinux\tEXPORT_SYMBOL\t\n0x12345678\tsink\tdrivers/plumbing\tEXPORT_SYMBOL_GPL\t\n"
    )
    report = tmp_path / "report.json"
    assert _run(monkeypatch, *_pair(CHANGED), "-o", tmp_path / "out.o", "--symvers", symvers, "--json", report) == 0
    rows = {row["symbol"]: row for row in json.loads(report.read_text())["references"]}
    assert rows["sink"]["exported_by"] == "drivers/plumbing"
