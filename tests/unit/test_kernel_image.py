"""Reading a kernel image: every compression, every kind of damage."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kpatch.errors import BadInput
from kpatch.kernel import payload
from kpatch.kernel.image import KernelImage
from kpatch.kernel.notes import build_id
from kpatch.kernel.packed import unpack
from kpatch.kernel.symbols import load_symbols
from tests.unit import fake_kernel as fake

KERNEL = fake.vmlinux(fake.kallsyms_tables(fake.many_symbols(), "6.2", fake.RODATA))


def _file(directory: Path, data: bytes) -> Path:
    path = directory / "vmlinuz"
    path.write_bytes(data)
    return path


def _by_program(name: str, *options: str) -> bytes:
    if not shutil.which(name):
        pytest.skip(f"needs the program {name}")
    packed = subprocess.run([name, *options], input=KERNEL, stdout=subprocess.PIPE, check=True).stdout
    return packed + struct.pack("<I", len(KERNEL))


PACKERS = {
    "xz": lambda: lzma.compress(KERNEL) + struct.pack("<I", len(KERNEL)),
    "lzma": lambda: lzma.compress(KERNEL, lzma.FORMAT_ALONE) + struct.pack("<I", len(KERNEL)),
    "bzip2": lambda: bz2.compress(KERNEL) + struct.pack("<I", len(KERNEL)),
    "gzip": lambda: gzip.compress(KERNEL),
    "zstd": lambda: _by_program("zstd", "-q", "-c"),
    "lz4": lambda: _by_program("lz4", "-q", "-l", "-c"),
    "lzo": lambda: _by_program("lzop", "-q", "-c"),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_every_compression_gives_the_kernel(packer: str, tmp_path: Path) -> None:
    image = KernelImage.read(_file(tmp_path, fake.bzimage(b"", PACKERS[packer]())))
    assert bytes(image.data) == KERNEL
    assert image.uts_release == fake.RELEASE
    assert image.uts_version == fake.VERSION
    assert image.version_banner == f"Linux version {fake.RELEASE} (someone@somewhere) (gcc) {fake.VERSION}"
    assert image.build_id == fake.BUILD_ID
    assert build_id(bytes(image.read_at(image.notes_address, len(image.notes)))) == fake.BUILD_ID


@pytest.mark.parametrize("packer", PACKERS)
def test_a_damaged_payload_is_told(packer: str, tmp_path: Path) -> None:
    payload = bytearray(PACKERS[packer]())
    payload[len(payload) // 2 : len(payload) // 2 + 64] = bytes(64)
    with pytest.raises(BadInput) as caught:
        load_symbols(KernelImage.read(_file(tmp_path, fake.bzimage(b"", bytes(payload)))))
    assert caught.value.hint


@pytest.mark.parametrize("kernel", [KERNEL, fake.bzimage(KERNEL)], ids=["vmlinux", "vmlinuz"])
def test_a_truncated_image_is_told_at_any_length(kernel: bytes, tmp_path: Path) -> None:
    for length in [*range(0, 700, 7), *range(700, len(kernel) - 1, len(kernel) // 100 + 1), len(kernel) - 1]:
        with pytest.raises(BadInput) as caught:
            KernelImage.read(_file(tmp_path, kernel[:length]))
        assert caught.value.hint, length


def test_a_size_field_beyond_reason_is_refused(tmp_path: Path) -> None:
    payload = b"\x28\xb5\x2f\xfd" + bytes(64) + struct.pack("<I", 0xFFFFFFF0)
    with pytest.raises(BadInput, match="claims to unpack to"):
        KernelImage.read(_file(tmp_path, fake.bzimage(b"", payload)))


def test_a_dictionary_beyond_reason_is_refused(tmp_path: Path) -> None:
    packed = bytearray(lzma.compress(KERNEL, lzma.FORMAT_ALONE))
    struct.pack_into("<I", packed, 1, 0xFFFF0000)
    with pytest.raises(BadInput, match=r"(?i)memory"):
        KernelImage.read(_file(tmp_path, fake.bzimage(b"", bytes(packed))))


def test_a_payload_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "LARGEST_KERNEL", len(KERNEL) - 1)
    for packer in ("xz", "lzma", "bzip2", "gzip"):
        with pytest.raises(BadInput, match="unpacks to more than"):
            KernelImage.read(_file(tmp_path, fake.bzimage(b"", PACKERS[packer]())))


@pytest.mark.parametrize("packer", PACKERS)
def test_what_unpacks_to_more_than_it_may_is_cut_off(packer: str) -> None:
    packed = PACKERS[packer]()
    packed = packed[:-4] if packer in ("zstd", "lz4", "lzo") else packed
    assert unpack(packed, len(KERNEL), "x", "y") == KERNEL
    with pytest.raises(BadInput, match="x: it unpacks to more than 4096 bytes"):
        unpack(packed, 4096, "x", "y")


@pytest.mark.parametrize("pack", [lzma.compress, bz2.compress, gzip.compress])
def test_several_streams_are_all_unpacked(pack: Callable[[bytes], bytes]) -> None:
    two = pack(b"one ") + pack(b"two")
    assert unpack(two, 7, "x", "y") == b"one two"
    with pytest.raises(BadInput, match="more than 6 bytes"):
        unpack(two, 6, "x", "y")
    with pytest.raises(BadInput, match="damaged"):
        unpack(two[:-5], 7, "x", "y")


def test_a_missing_program_is_named_and_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadInput, match="it takes the program prlimit to unpack zstd data") as caught:
        unpack(b"\x28\xb5\x2f\xfd" + bytes(64), 64, "x", "y")
    assert caught.value.hint == "install prlimit"


def test_other_machines_and_other_files_are_told(tmp_path: Path) -> None:
    arm = bytearray(KERNEL)
    struct.pack_into("<H", arm, 18, 183)
    with pytest.raises(BadInput, match="machine 183"):
        KernelImage.read(_file(tmp_path, bytes(arm)))
    with pytest.raises(BadInput, match="neither"):
        KernelImage.read(_file(tmp_path, b"#!/bin/sh\n" * 1000))
    with pytest.raises(BadInput, match="cannot read"):
        KernelImage.read(tmp_path / "none")


def test_reading_by_address(tmp_path: Path) -> None:
    image = KernelImage.read(_file(tmp_path, KERNEL))
    assert bytes(image.read_at(fake.BASE, 4)) == b"\xcc" * 4
    last = image.segments[1]
    end = last.address + last.file_size
    assert bytes(image.read_at(end - 4, 8)) == KERNEL[-4:] + bytes(4), "zeros behind the file's bytes"
    assert image.address_of(last.offset + 5) == last.address + 5
    for address, size in ((0, 1), (fake.BASE - 1, 4), (end, 65)):
        with pytest.raises(BadInput):
            image.read_at(address, size)


def test_the_unpacked_image_is_kept_and_a_damaged_copy_replaced_in_use(tmp_path: Path) -> None:
    path, cache = _file(tmp_path, fake.bzimage(KERNEL)), tmp_path / "cache"
    KernelImage.read(path, cache)
    (kept,) = cache.iterdir()
    assert kept.read_bytes() == KERNEL
    kept.write_bytes(KERNEL[:100])
    assert bytes(KernelImage.read(path, cache).data) == KERNEL
    assert [entry.name for entry in cache.iterdir()] == [kept.name]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="No space left"):
        KernelImage.read(_file(tmp_path, fake.bzimage(KERNEL)), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
