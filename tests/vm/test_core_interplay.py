"""The core module and others with an interest in a function: BPF, livepatch, NMIs, tasks that never leave."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.vm.target import Target
from tests.vm.test_core import boot

pytestmark = [pytest.mark.vm, pytest.mark.slow]

SHARES = "FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_PEER"
"""Of linux/ftrace.h since 6.0: a direct call and IPMODIFY may be on one function."""


@pytest.fixture(scope="module")
def fentry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program for the guest that attaches BPF to a function's entry."""
    program = tmp_path_factory.mktemp("fentry") / "fentry"
    source = Path(__file__).with_name("kmod") / "fentry.c"
    subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", program, source], check=True)
    return program


def _needs(target: Target, option: str) -> None:
    if not target.configured(option):
        pytest.skip(f"a kernel without {option}")


BPF = """
        echo 1 > /proc/sys/kernel/bpf_stats_enabled
        mkfifo /tmp/ask
        attach() { ./fentry si_meminfo </tmp/ask >/tmp/told & exec 3>/tmp/ask; await 1; }
        await() { for n in $(seq 300); do [ $(wc -l < /tmp/told) -ge $1 ] && return; usleep 100000; done; fail "BPF"; }
        ran() { lines=$(wc -l < /tmp/told); echo >&3; await $((lines + 1)); tail -n 1 /tmp/told; }
        more() { was=$(ran); $1; now=$(ran); [ $now -gt $was ] || fail "BPF ran $was times, then $now"; }
        detach() { exec 3>&-; wait; }
        is_attached() { grep -q attached /tmp/told || fail "BPF: $(cat /tmp/told)"; }
        patched() { expect 1111; }
"""


def test_bpf_on_a_patched_function(target: Target, fentry: Path) -> None:
    """BPF first: the patch goes by ops, both work. Patch first: BPF is refused (direct) or works beside it (ops)."""
    _needs(target, "CONFIG_DEBUG_INFO_BTF")
    if not target.offers(SHARES):
        pytest.skip("a kernel before 6.0, where BPF shares a function with nobody")
    script = """
        attach; is_attached; more original
        load one; more patched
        cd $S/kpatch_one/vmlinux; echo "first: $(cat si_meminfo,0/method), $(cat get_max_files,0/method)"; cd /m
        disable one; more original; enable one; more patched
        detach; expect 1111; disable one; unload one; original

        load one; attach; echo "direct: $(cat /tmp/told)"; patched; detach; disable one; unload one; original

        load ops; attach; is_attached; more patched; disable ops; more original; enable ops; more patched
        detach; expect 1111; disable ops; unload ops; original
    """
    out = boot(target, BPF + script, files={"m/fentry": fentry}).out
    assert "first: ops, direct\n" in out
    # EBUSY; EINVAL where BPF asks update_ftrace_direct_add()
    errno = 22 if target.offers(r"update_ftrace_direct_add\(") else 16
    assert f"direct: refused {errno}\n" in out


def test_bpf_that_shares_with_nobody(target: Target, fentry: Path) -> None:
    """Who comes second is refused, and says so."""
    _needs(target, "CONFIG_DEBUG_INFO_BTF")
    if target.offers(SHARES):
        pytest.skip("a kernel since 6.0, where BPF shares a function with whoever redirects it")
    script = """
        attach; is_attached; refused one; more original; detach
        load one; attach; echo "second: $(cat /tmp/told)"; patched; detach; disable one; unload one; original
    """
    out = boot(target, BPF + script, files={"m/fentry": fentry}).out
    assert "reason: function si_meminfo is redirected by somebody else (livepatch? BPF before 6.0?)" in out
    assert "second: refused 16\n" in out


def test_livepatch_beside(target: Target) -> None:
    """On another function it does not matter; on the same one whoever comes second is refused, and says so."""
    _needs(target, "CONFIG_LIVEPATCH")
    script = """
        L=/sys/kernel/livepatch/neighbour
        settled() { while [ "$(cat $L/transition 2>/dev/null)" = 1 ]; do usleep 100000; done; }
        load top; insmod neighbour.ko || fail "on another function"; settled; expect 4444
        refused one; expect 4444
        disable top; original; enable top; expect 4444
        echo 0 > $L/enabled; settled; rmmod neighbour || fail "livepatch stays"
        expect 4444; load one; expect 1111
        insmod neighbour.ko 2>/dev/null && fail "livepatch on the same function"
        expect 1111; disable one; disable top; unload one; unload top; original
    """
    out = boot(target, script).out
    assert "reason: function get_max_files is redirected by somebody else (livepatch?" in out


def test_calls_in_nmis(target: Target) -> None:
    """NMIs on all CPUs call the patched functions, also while the switch is made."""
    script = """
        insmod nmicaller.ko || fail nmicaller
        for name in one ops; do
            for n in 1 2 3 4 5 6 7 8; do
                load $name; expect 1111; disable $name; unload $name; original
            done
        done
        echo "nmis $(seen_by nmis) marked $(seen_by marked) wrong $(seen_by wrong)"
        [ $(seen_by nmis) -gt 1000 ] || fail "hardly any NMIs"
        [ $(seen_by marked) -gt 100 ] || fail "hardly any in a patched function"
        [ $(seen_by wrong) = 0 ] || fail "neither version's answer"
        rmmod nmicaller
    """
    boot(target, "seen_by() { cat /sys/module/nmicaller/parameters/$1; }\n" + script, timeout=400)


def test_force_takes_what_is_in_use(target: Target) -> None:
    """A named function may be replaced under a task that never leaves it; its next call is the new one's.

    The task does not keep the patch from going, either: it is in the old function.
    """
    script = """
        insmod caller.ko sleep=1; sleep 1
        refused sleeper
        load force; state force enabled
        disable force; enable force; state force enabled
        rmmod caller
        insmod caller.ko sleep=1; sleep 1
        echo 0 2>/dev/null > $S/kpatch_force/enabled && fail "its text goes while a task is asleep in it"
        echo "== disable"; cat $S/last_refusal
        rmmod caller; disable force; unload force
    """
    out = boot(target, script).out
    assert re.search(r"== sleeper\n.*errno: 16\nreason: in use by 1 task\n", out, re.S)
    assert re.search(r"== disable\n.*blocker: \d+\ttest sleeper\tnew_msleep_interruptible\t", out, re.S)


def test_nobody_is_named_twice(target: Target) -> None:
    """A task that slept in the function, ran, and sleeps in it again on another CPU is one task.

    The patch comes before the callers and goes after them: on 7.2 all of them are in it nearly all the time.
    """
    script = """
        load chain-one; insmod chaincaller.ko
        for n in $(seq 60); do
            if echo $((n % 2)) > $S/kpatch_chain_one/enabled; then continue; fi
            grep '^blocker' $S/last_refusal | cut -f1 | sort | uniq -d | grep . && fail "named twice"
            echo refused
        done 2>/dev/null
        rmmod chaincaller; disable chain_one; unload chain_one
    """
    out = boot(target, script, timeout=400).out
    assert "refused\n" in out, "nobody was ever in the way"
