"""Damage that coverage leads: objects for the differ, and what ``kpatch-diff`` reads symbols and exports from.

``python -m tests.fuzz.guided --seconds 600`` needs atheris; the input of a finding is written to ``--output``, and
``--input FILE`` tries it again.  An input is one byte that chooses a reader, and whether the objects are of a module,
then what that one reads; of a pair, the length of the original (4 bytes) before both objects.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import lzma
import random
import resource
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["kpatch"]):
    from kpatch.elf.object import ElfObject
    from kpatch.kernel.ksymtab import Exports
    from kpatch.kernel.listing import read_listing
    from kpatch.kernel.lookup import find_all
    from tests.fuzz.damage import damage, ending_of, try_pair
from tests.golden.corpus import items
from tests.unit import fake_kernel as fake

MEMORY = 1 << 30
_PAIR, _SYMBOLS, _EXPORTS = range(3)
_OF_MODULE = 0x80
_LONGEST = 1 << 17
_PAIR_HEAD = struct.Struct("<BI")
_MAP = b"".join(b"%016x %s %s\n" % (at, kind.encode(), name.encode()) for kind, name, at in fake.many_symbols()[:40])
_READELF = b"""
Symbol table '.symtab' contains 4 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 0000000000000000     0 FILE    LOCAL  DEFAULT  ABS main.c
     2: ffffffff81000010    16 FUNC    LOCAL  DEFAULT    1 function_1
     3: ffffffff81000020    16 FUNC    GLOBAL DEFAULT    1 f
"""
_SYMVERS = b"0x12345678\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\tntfs\tfs/ntfs\tEXPORT_SYMBOL_GPL\tNS\n"
#: the object whose references the symbols are for
_ASKING = ElfObject.read(items()[0].object("original"))


def seeds() -> Iterator[bytes]:
    """Sound inputs of every kind."""
    for item in items():
        original, patched = (item.object(side).read_bytes() for side in ("original", "patched"))
        kind = _PAIR if item.says("object") in ("", "vmlinux") else _PAIR | _OF_MODULE
        yield _PAIR_HEAD.pack(kind, len(original)) + original + patched
    for listing in _listings():
        yield bytes([_SYMBOLS]) + listing
        yield bytes([_SYMBOLS | _OF_MODULE]) + listing
    yield bytes([_EXPORTS]) + _SYMVERS


def _listings() -> Iterator[bytes]:
    yield items()[0].object("patched").read_bytes()
    for layout in ("5.10", "6.2", "6.4", "percpu", "7.2"):
        kernel = fake.vmlinux(fake.kallsyms_tables(fake.many_symbols(520), layout, fake.RODATA))
        yield kernel
    yield fake.with_symbols(fake.vmlinux(b""), b"\0f\0function_1\0", (1, 3))
    size = struct.pack("<I", len(kernel))
    for packed in (lzma.compress(kernel), lzma.compress(kernel, lzma.FORMAT_ALONE), bz2.compress(kernel)):
        yield fake.bzimage(b"", packed + size)
    yield fake.bzimage(b"", gzip.compress(kernel))
    yield from (_MAP, _MAP + b"ffffffffc0000000 t init\t[driver]\n", _READELF)


def try_input(data: bytes, scratch: Path) -> str:
    """Read one input; returns how it ended. Raises :class:`Finding`."""
    kind = data[0] & ~_OF_MODULE if data else _EXPORTS
    objname = "driver" if data[:1] >= bytes([_OF_MODULE]) else "vmlinux"
    if kind % 3 == _PAIR and len(data) >= _PAIR_HEAD.size:
        return try_pair(*_pair(data), objname)
    scratch.write_bytes(data[1:])
    if kind % 3 == _EXPORTS:
        return ending_of(lambda: f"{len(Exports.read(scratch))} exports")
    return ending_of(lambda: f"{len(find_all(['function_1', 'f'], _ASKING, read_listing(scratch, objname))[0])} found")


def _pair(data: bytes) -> tuple[bytes, bytes]:
    _, size = _PAIR_HEAD.unpack_from(data)
    return data[_PAIR_HEAD.size : _PAIR_HEAD.size + size], data[_PAIR_HEAD.size + size :]


def mutate(data: bytes, longest: int, seed: int) -> bytes:
    """``data`` with a field of an object damaged, or as libFuzzer likes; the kind of input stays."""
    rng = random.Random(seed)
    if len(data) < _PAIR_HEAD.size or (data[0] & ~_OF_MODULE) % 3 != _PAIR:
        return data[:1] + _damaged(data[1:], longest - 1, rng)
    sides = list(_pair(data))
    which = rng.randrange(2)
    sides[which] = _damaged(sides[which], longest - len(data) + len(sides[which]), rng)
    return _PAIR_HEAD.pack(data[0], len(sides[0])) + sides[0] + sides[1]


def _damaged(data: bytes, longest: int, rng: random.Random) -> bytes:
    if data[:4] == b"\x7fELF" and rng.random() < 0.7:
        try:
            return damage(data, rng)
        except (struct.error, ValueError, IndexError, OverflowError):
            pass  # the damage of an earlier round left no headers
    return bytes(atheris.Mutate(data, max(longest, 1)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--output", type=Path, default=Path("."), help="directory for the input of a finding")
    parser.add_argument("--input", type=Path, help="try this input only")
    return parser.parse_args()


def main() -> int:
    """Look for findings until the first one, or for ``--seconds``; exits 0 when there is none."""
    args = _arguments()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory(prefix="kpatch-fuzz-") as directory:
        scratch = Path(directory, "input")
        if args.input:
            print(try_input(args.input.read_bytes(), scratch))
            return 0
        corpus = Path(directory, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / f"{number:04}").write_bytes(seed)
        options = [f"-max_total_time={args.seconds}", f"-seed={args.seed}", "-timeout=10", "-verbosity=0"]
        options += [f"-rss_limit_mb={MEMORY >> 20}", f"-max_len={_LONGEST}", "-len_control=0", "-print_final_stats=1"]
        options += [f"-artifact_prefix={args.output}/", str(corpus)]
        atheris.Setup([sys.argv[0], *options], lambda data: try_input(data, scratch), custom_mutator=mutate)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
