"""Damage that coverage leads: objects for the differ, and what ``kpatch-diff`` reads symbols and exports from.

``python -m tests.fuzz.guided --seconds 600`` needs atheris; the input of a finding is written to ``--output``, and
``--input FILE`` tries it again.  An input is one byte that chooses a reader, then what that one reads; of a pair,
the length of the original (4 bytes) before both objects.
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
    from kpatch.kernel.ksymtab import Exports
    from kpatch.kernel.lookup import find_all, read_symbols
    from tests.fuzz.damage import damage, ending_of, try_pair
from tests.golden.corpus import items
from tests.unit import fake_kernel as fake

MEMORY = 1 << 30
_PAIR, _SYMBOLS, _EXPORTS = range(3)
_LONGEST = 1 << 17
_PAIR_HEAD = struct.Struct("<BI")
_MAP = b"".join(b"%016x %s %s\n" % (at, kind.encode(), name.encode()) for kind, name, at in fake.many_symbols()[:40])
_SYMVERS = b"0x12345678\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\tntfs\tfs/ntfs\tEXPORT_SYMBOL_GPL\tNS\n"


def seeds() -> Iterator[bytes]:
    """Sound inputs of every kind."""
    for item in items():
        original, patched = (item.object(side).read_bytes() for side in ("original", "patched"))
        yield _PAIR_HEAD.pack(_PAIR, len(original)) + original + patched
        if item.name.startswith("correlate"):
            yield bytes([_SYMBOLS]) + patched
    for layout in ("5.10", "6.2", "6.4", "percpu", "7.2"):
        kernel = fake.vmlinux(fake.kallsyms_tables(fake.many_symbols(520), layout, fake.RODATA))
        yield bytes([_SYMBOLS]) + kernel
    size = struct.pack("<I", len(kernel))
    packed = [lzma.compress(kernel), lzma.compress(kernel, lzma.FORMAT_ALONE), bz2.compress(kernel)]
    for payload in (*(data + size for data in packed), gzip.compress(kernel)):
        yield bytes([_SYMBOLS]) + fake.bzimage(b"", payload)
    yield bytes([_SYMBOLS]) + _MAP
    yield bytes([_SYMBOLS]) + _MAP + b"ffffffffc0000000 t init\t[driver]\n"
    yield bytes([_EXPORTS]) + _SYMVERS


def try_input(data: bytes, scratch: Path) -> str:
    """Read one input; returns how it ended. Raises :class:`Finding`."""
    if len(data) >= _PAIR_HEAD.size and data[0] % 3 == _PAIR:
        return try_pair(*_pair(data))
    scratch.write_bytes(data[1:])
    if data[:1] and data[0] % 3 == _EXPORTS:
        return ending_of(lambda: f"{len(Exports.read(scratch))} exports")
    return ending_of(lambda: f"{len(find_all(['function_1', 'f'], read_symbols(scratch))[0])} found")


def _pair(data: bytes) -> tuple[bytes, bytes]:
    _, size = _PAIR_HEAD.unpack_from(data)
    return data[_PAIR_HEAD.size : _PAIR_HEAD.size + size], data[_PAIR_HEAD.size + size :]


def mutate(data: bytes, longest: int, seed: int) -> bytes:
    """``data`` with a field of an object damaged, or as libFuzzer likes; the kind of input stays."""
    rng = random.Random(seed)
    if len(data) < _PAIR_HEAD.size or data[0] % 3 != _PAIR:
        return data[:1] + _damaged(data[1:], longest - 1, rng)
    sides = list(_pair(data))
    which = rng.randrange(2)
    sides[which] = _damaged(sides[which], longest - len(data) + len(sides[which]), rng)
    return _PAIR_HEAD.pack(_PAIR, len(sides[0])) + sides[0] + sides[1]


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
        options = [f"-max_total_time={args.seconds}", "-timeout=10", f"-rss_limit_mb={MEMORY >> 20}", "-print_final_stats=1"]
        options += [f"-max_len={_LONGEST}", "-len_control=0", f"-artifact_prefix={args.output}/", f"-seed={args.seed}"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: try_input(data, scratch), custom_mutator=mutate)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
