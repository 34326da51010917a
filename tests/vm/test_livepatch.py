"""Patches built with ``--interface livepatch`` in a stock kernel: life, neighbours, refusals."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.vm import tiny
from tests.vm.kernels import StockKernel
from tests.vm.test_build import TOP, kpatch_build

pytestmark = [pytest.mark.vm, pytest.mark.slow]

V1, V2 = "kpatch_meminfo_string", "kpatch_meminfo_string_v2"
CALLBACKS = "kpatch_meminfo_callbacks"

PRELUDE = """
L=/sys/kernel/livepatch K=/sys/kernel/kpatch
fail() { echo "FAILED: $*"; exit 1; }
# What /proc/meminfo says tells which version answers.
version() {
    if grep -q PERCPU: /proc/meminfo; then echo v2
    elif grep -q VMALLOCCHUNK: /proc/meminfo; then echo v1
    else echo original; fi
}
expect() { v=$(version); [ $v = $1 ] || fail "$v, not $1"; }
settled() {
    for n in $(seq 600); do
        [ "$(cat $L/$1/transition 2>/dev/null)" = 1 ] || return 0
        usleep 100000
    done
    fail "the transition of $1 does not end"
}
load() { insmod /$1.ko || fail "load $1"; settled $2; }
disable() { echo 0 > $L/$1/enabled || fail "disable $1"; settled $1; }
refused() { insmod /$1.ko 2>&1 && fail "$1 was loaded"; expect original; }
"""

# struct kpatch_patch_func (kmod/patch/kpatch-patch.h): where its numbers stand
OLD_ADDR, NEW_SIZE, OLD_SIZE, SYMPOS, FLAGS = 8, 32, 36, 40, 44


@pytest.fixture(scope="module")
def modules(kernel: StockKernel, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Patches for both interfaces; those for the core module are called core-NAME."""
    place = tmp_path_factory.mktemp("livepatch")
    examples, patches = TOP / "examples", TOP / "tests/vm/patches"
    for interface in ("core", "livepatch"):
        (place / interface).mkdir()
    diffs = {
        "livepatch": (
            examples / "meminfo-string.patch",
            examples / "meminfo-string-v2.patch",
            patches / "meminfo-callbacks.patch",
        ),
        "core": (examples / "meminfo-string.patch", patches / "eventfd-read.patch"),
    }
    built = {"kpatch": kpatch_build(kernel, place, "--core")}
    for interface, names in diffs.items():
        for diff in names:
            module = kpatch_build(kernel, place / interface, "--interface", interface, diff)
            name = diff.stem.replace("meminfo-string", "meminfo")
            built[name if interface == "livepatch" else f"core-{name}"] = module
    return built


def boot(kernel: StockKernel, modules: Mapping[str, Path | bytes], script: str) -> tiny.Result:
    """Run ``script`` after the prelude; it passes and the kernel's log is clean."""
    result = tiny.run(kernel.vmlinuz, PRELUDE + script, {f"{name}.ko": module for name, module in modules.items()})
    result.check()
    return result


def test_life_of_a_livepatch(kernel: StockKernel, modules: Mapping[str, Path]) -> None:
    script = f"""
        expect original
        load meminfo {V1}; expect v1
        f=$L/{V1}/vmlinux/patched; [ ! -e $f ] || [ $(cat $f) = 1 ] || fail "not patched in sysfs"  # since 6.1
        [ -d $L/{V1}/vmlinux/meminfo_proc_show,1 ] || fail "no function in sysfs"
        rmmod {V1} 2>/dev/null && fail "an enabled patch was unloaded"
        disable {V1}; expect original; rmmod {V1} || fail "it stays"
        load meminfo {V1}; expect v1
        # Either version answers at any time, never the original.
        (while [ -e /reading ]; do version; done | sort | uniq >/seen) & touch /reading
        load meminfo-v2 {V2}; rm /reading; wait; expect v2
        grep original /seen && fail "the original was seen between the versions"
        [ -e $L/{V1} ] && fail "v1 is still there"
        rmmod {V1} || fail "the replaced one stays"
        expect v2; disable {V2}; expect original; rmmod {V2} || fail "v2 stays"
        [ -z "$(ls $L)" ] || fail "left in sysfs"
        [ -z "$(lsmod | tail -n +2)" ] || fail "a module stays"
    """
    boot(kernel, modules, script)


def test_callbacks(kernel: StockKernel, modules: Mapping[str, Path]) -> None:
    script = f"""
        load meminfo-callbacks {CALLBACKS}; expect v1
        disable {CALLBACKS}; expect original; rmmod {CALLBACKS} || fail "it stays"
    """
    log = boot(kernel, modules, script).log
    told = re.findall(r"meminfo: (\w+) of vmlinux", log)
    assert told == ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"]


def test_beside_the_core_module(kernel: StockKernel, modules: Mapping[str, Path]) -> None:
    script = f"""
        insmod /kpatch.ko || fail core
        insmod /core-meminfo.ko || fail "core patch"
        expect v1
        insmod /meminfo-v2.ko 2>&1 && fail "two on one function"
        expect v1
        insmod /core-eventfd-read.ko || fail "core patch of another function"
        echo 0 > $K/{V1}/enabled; rmmod {V1} || fail "core patch stays"
        load meminfo-v2 {V2}; expect v2
        [ $(cat $K/kpatch_eventfd_read/enabled) = 1 ] || fail "the core patch is gone"
        insmod /core-meminfo.ko 2>&1 && fail "two on one function"
        grep reason: $K/last_refusal
        expect v2
        disable {V2}; rmmod {V2}; expect original
        echo 0 > $K/kpatch_eventfd_read/enabled; rmmod kpatch_eventfd_read || fail "core patch stays"
        rmmod kpatch || fail "the core stays"
    """
    result = boot(kernel, modules, script)
    assert "reason: function meminfo_proc_show is redirected by somebody else (livepatch?" in result.out
    assert f"{V2}: livepatch refuses the patch: somebody else redirects a function (kpatch?)" in result.log


def _section(data: bytes, name: str) -> int:
    """Where the bytes of a section stand in the file (gABI, chapter 4; 64 bit)."""
    start, count, names = (struct.unpack_from(form, data, at)[0] for form, at in (("<Q", 40), ("<H", 60), ("<H", 62)))
    headers = [struct.unpack_from("<IIQQQQ", data, start + 64 * index) for index in range(count)]
    strings = headers[names][4]
    wanted = name.encode() + b"\0"
    return int(next(head[4] for head in headers if data[strings + head[0] :].startswith(wanted)))


def _with_number(module: bytes, at: int, value: int) -> bytes:
    """The module with another number in its only function's entry."""
    data = bytearray(module)
    struct.pack_into("<I", data, _section(module, ".kpatch.funcs") + at, value)
    return bytes(data)


def _with_old_addr(module: bytes, delta: int) -> bytes:
    """The module with another place of its old function: Elf64_Rela is offset, info, addend."""
    data, start = bytearray(module), _section(module, ".rela.kpatch.funcs")
    at = next(at for at in range(start, start + 4 * 24, 24) if struct.unpack_from("<Q", data, at)[0] == OLD_ADDR)
    struct.pack_into("<q", data, at + 16, struct.unpack_from("<q", data, at + 16)[0] + delta)
    return bytes(data)


def _with_text(module: bytes, old: bytes, new: bytes) -> bytes:
    assert module.count(old) == 1, old
    return module.replace(old, new)


def test_damaged_and_foreign_modules_are_refused_by_name(kernel: StockKernel, modules: Mapping[str, Path]) -> None:
    good = modules["meminfo"].read_bytes()
    release, other = kernel.release, re.sub(r"\d", "9", kernel.release)
    identity = good[good.index(f"{release}\0#".encode()) :]
    version = identity[len(release) + 1 :].split(b"\0")[0]
    build_id_at = good.index(version + b"\0") + len(version) + 1
    build_id = good[build_id_at : build_id_at + 20]
    here, there = re.escape(release), re.escape(other)
    damage = {
        "release": (
            _with_text(good, f"{release}\0#".encode(), f"{other}\0#".encode()),
            f"built for kernel {there}, this is {here}",
        ),
        "version": (
            _with_text(good, version, version.replace(b"SMP", b"UMP")),
            rf"built for kernel {here} #1 UMP .*, this is {here} #1 SMP ",
        ),
        "build-id": (
            _with_text(good, build_id, bytes(20)),
            f"built for the kernel with build-id {'00' * 20}, this one has {build_id.hex()}",
        ),
        "no-size": (_with_number(good, OLD_SIZE, 0), "corrupt metadata: function meminfo_proc_show has sizes"),
        "huge": (_with_number(good, NEW_SIZE, 1 << 19), "corrupt metadata: new function meminfo_proc_show is not in"),
        "size": (_with_number(good, OLD_SIZE, 16), "bytes here, the patch is for one of 16"),
        "twin": (_with_number(good, SYMPOS, 7), "livepatch refuses the patch: its own message tells why"),
        "flags": (_with_number(good, FLAGS, 0x80), "meminfo_proc_show wants something that is not known here"),
        "part": (_with_number(good, FLAGS, 2), "corrupt metadata: the patch has only parts of functions"),
        "place": (_with_old_addr(good, 16), r"function meminfo_proc_show is not at its address: \w+\+0x10/"),
        "nowhere": (_with_old_addr(good, 1 << 30), "function meminfo_proc_show is not at its address: 0x"),
    }
    script = "".join(f"echo '== {name}' >/dev/kmsg; refused {name}\n" for name in damage)
    script += f"load meminfo {V1}; expect v1; disable {V1}; rmmod {V1} || fail 'it stays'\n"
    result = boot(
        kernel, {**{name: module for name, (module, _) in damage.items()}, "meminfo": modules["meminfo"]}, script
    )
    parts = dict(re.findall(r"== (\S+)\n(.*?)(?=== |\Z)", result.log, re.DOTALL))
    for name, (_, reason) in damage.items():
        assert re.search(f"{V1}: .*{reason}", parts[name]), (name, reason, parts[name])
