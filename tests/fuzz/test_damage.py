"""The differ on damaged objects: a message and an exit status, never a traceback, within time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput
from tests.fuzz.damage import tries, truncations, try_pair
from tests.golden.corpus import TOP, Item, items

SECONDS = float(os.environ.get("KPATCH_FUZZ_SECONDS", "15"))
SEED = int(os.environ.get("KPATCH_FUZZ_SEED", "20240229"))
GIB = 1 << 30
ITEMS = items()


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB))


@pytest.mark.parametrize("item", ITEMS[::8], ids=str)
def test_truncated_object_is_bad_input(item: Item) -> None:
    whole = item.object("patched").read_bytes()
    for cut in truncations(whole):
        with pytest.raises(BadInput):
            ElfObject.parse(cut)
        assert try_pair(whole, cut) == try_pair(cut, whole) == "BadInput"


@pytest.mark.slow
def test_random_damage_has_a_message(tmp_path: Path) -> None:
    """As a process with 1 GiB of memory, which gives each pair 10 seconds."""
    command = [sys.executable, "-m", "tests.fuzz.damage", "--seconds", str(SECONDS), "--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--output", tmp_path], cwd=TOP.parents[1], stdout=subprocess.PIPE, text=True, timeout=SECONDS + 60
    )
    print(done.stdout)
    assert done.returncode == 0, f"the objects are kept in {tmp_path}"
    assert all(f"'{ended}'" in done.stdout for ended in ("changed", "unchanged", "refused", "BadInput"))


def test_command_ends_with_a_message(tmp_path: Path) -> None:
    """As a process with 1 GiB of memory: status 0 to 3, no output file unless 0, never an internal error."""
    out = tmp_path / "out.o"
    for number, (_, original, patched) in enumerate(tries(SEED + 1, 600)):
        if number == 6:
            break
        (tmp_path / "original.o").write_bytes(original)
        (tmp_path / "patched.o").write_bytes(patched)
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "kpatch.cli.diff", tmp_path / "original.o", tmp_path / "patched.o", "-o", out],
            cwd=TOP.parents[1],
            capture_output=True,
            text=True,
            timeout=10,
            preexec_fn=_limit_memory,
        )
        assert done.returncode in (0, 1, 2, 3), done.stderr
        assert "internal error" not in done.stderr and "Traceback" not in done.stderr
        assert out.exists() == (done.returncode == 0)
        assert done.returncode in (0, 3) or "error:" in done.stderr
