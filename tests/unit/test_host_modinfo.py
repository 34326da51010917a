"""Reading a module file: what is in it, and one clear error for whatever is wrong with it."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import pytest

from kpatch.errors import BadInput
from kpatch.host.modinfo import read_modinfo
from tests.unit.host_machine import RELEASE, module_bytes, patch_bytes


def test_facts_of_a_patch(tmp_path: Path) -> None:
    path = tmp_path / "kpatch-x.ko"
    path.write_bytes(patch_bytes("x-1", cves="CVE-2024-1,CVE-2024-2", replace=False))
    info = read_modinfo(str(path))
    assert (info.module, info.release, info.interface, info.replaces) == ("kpatch_x_1", RELEASE, "core", False)
    assert info.cves == ["CVE-2024-1", "CVE-2024-2"]
    assert info.is_patch


def test_module_of_another_livepatch_tool(tmp_path: Path) -> None:
    path = tmp_path / "livepatch-a-b.ko"
    path.write_bytes(module_bytes(["livepatch=Y", "vermagic=6.1.0 SMP"]))
    info = read_modinfo(str(path))
    assert (info.module, info.release, info.interface) == ("livepatch_a_b", "6.1.0", "livepatch")
    assert info.is_patch and info.replaces and info.cves == []


def test_xz_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kpatch-x.ko.xz"
    path.write_bytes(lzma.compress(patch_bytes("x"), check=lzma.CHECK_CRC32))
    assert read_modinfo(str(path)).module == "kpatch_x"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(BadInput):
        read_modinfo(str(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no ELF file"),
        (b"#!/bin/sh\n", "no ELF file"),
        (b"\x7fELF", "cut off"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (b"\x1f\x8b" + bytes(20), "gzip"),
        (module_bytes(["name=../../etc/passwd"]), "no name for a kernel module"),
        (module_bytes(["name=" + "x" * 56]), "no name for a kernel module"),
    ],
)
def test_what_is_no_module_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "kpatch-x.ko"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_modinfo(str(path))


def test_missing_file_directory_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_modinfo(str(tmp_path / "none.ko"))
    with pytest.raises(BadInput):
        read_modinfo(str(tmp_path))
    os.mkfifo(tmp_path / "pipe.ko")
    with pytest.raises(BadInput, match="not a regular file"):
        read_modinfo(str(tmp_path / "pipe.ko"))


def test_every_truncation_is_an_error_and_no_byte_can_crash_the_reader(tmp_path: Path) -> None:
    data = patch_bytes("x")
    path = tmp_path / "kpatch-x.ko"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput):
            read_modinfo(str(path))
    for index in range(len(data)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 0xFF]) + data[index + 1 :])
        try:
            read_modinfo(str(path))
        except BadInput:
            continue
