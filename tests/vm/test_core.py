"""The core module in a stock kernel: hand-written patch modules, one boot per scenario."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.vm import tiny
from tests.vm.late import readelf
from tests.vm.target import Target

pytestmark = [pytest.mark.vm, pytest.mark.slow]

PRELUDE = """
cd /m
S=/sys/kernel/kpatch
fail() { echo "FAILED: $*"; cat $S/last_refusal; exit 1; }
# The number of pages that si_meminfo() tells: a patch's mark, or more.
mark() { pages=$(($(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) / 4)); }
expect() { mark; [ $pages = $1 ] || fail "mark $pages, not $1"; }
original() { mark; [ $pages -gt 10000 ] || fail "mark $pages, not the kernel's own"; }
load() { insmod kpatch-$1.ko || fail "load $1"; }
unload() { rmmod kpatch_$1 || fail "unload $1"; }
enable() { echo 1 > $S/kpatch_$1/enabled || fail "enable $1"; }
disable() { echo 0 > $S/kpatch_$1/enabled || fail "disable $1"; }
state() { s=$(cat $S/kpatch_$1/state); [ $s = $2 ] || fail "$1 is $s, not $2"; }
refused() { insmod kpatch-$1.ko 2>/dev/null && fail "$1 was loaded"; echo "== $1"; cat $S/last_refusal; }
seen() { cat /sys/module/caller/parameters/$1; }
# Command $1 with its n-th step failing, for n from 1 until none does; $2 looks at what each failure leaves.
try() {
    n=0
    while n=$((n + 1)); do
        echo $n > /sys/module/kpatch/parameters/fail_step
        if $1 2>/dev/null; then break; fi
        echo 0 > /sys/module/kpatch/parameters/fail_step
        echo "$1 $n: $(sed -n 's/^errno: //p' $S/last_refusal)"; $2
        [ $n -lt 100 ] || fail "it never works"
    done
    echo 0 > /sys/module/kpatch/parameters/fail_step
}
insmod ${CORE:-kpatch}.ko || exit 1
"""


def boot(
    target: Target,
    script: str,
    *,
    core: str = "kpatch",
    files: Mapping[str, Path] | None = None,
    timeout: float = 200,
) -> tiny.Result:
    """Run ``script`` after the prelude; the kernel's log must be clean and the core module removable."""
    modules = {f"m/{name}.ko": path for name, path in target.modules.items()}
    epilogue = "\nrmmod caller 2>/dev/null\nrmmod kpatch || fail 'the core stays'\n"
    script = f"CORE={core}\n{PRELUDE}{script}{epilogue}"
    result = tiny.run(target.kernel.vmlinuz, script, {**modules, **(files or {})}, timeout=timeout)
    result.check()
    return result


@pytest.mark.parametrize("name", ["one", "ops"])
def test_life_of_a_patch(target: Target, name: str) -> None:
    method = target.best if name == "one" else "ops"
    script = f"""
        original
        load {name}; expect 1111; state {name} enabled
        rmmod kpatch_{name} 2>/dev/null && fail "an enabled patch was unloaded"
        rmmod kpatch 2>/dev/null && fail "the core was unloaded"
        for f in $(find $S -type f); do echo "$f: $(cat $f)"; done
        enable {name}; expect 1111
        disable {name}; original; state {name} disabled
        disable {name}
        enable {name}; expect 1111
        disable {name}; unload {name}; original
        load {name}; expect 1111; disable {name}; unload {name}
        [ -e $S/kpatch_{name} ] && fail "left in sysfs"
    """
    out = boot(target, script).out
    assert "/sys/kernel/kpatch/version: 1.0.0\n" in out
    assert f"/kpatch_{name}/checksum: sum-of-{name}\n" in out
    build_id = re.search(r"Build ID: (\w+)", readelf("-n", target.modules[f"kpatch-{name}"]))
    assert build_id and f"/kpatch_{name}/build_id: {build_id[1]}\n" in out
    assert f"/kpatch_{name}/replace: 0\n" in out
    assert f"/kpatch_{name}/vmlinux/si_meminfo,0/method: {method}\n" in out
    assert re.search(rf"/kpatch_{name}/vmlinux/get_max_files,0/old_addr: 0xffffffff[0-9a-f]{{8}}\n", out)
    assert re.search(rf"/kpatch_{name}/pause_us: [1-9][0-9]*\n", out)


def test_last_enabled_wins_and_replace_replaces(target: Target) -> None:
    script = """
        load one; load top; expect 4444
        disable top; expect 1111; enable top; expect 4444
        disable one; expect 4444; enable one; expect 1111
        disable one; unload one; load one; expect 1111
        load two; expect 2222; state one replaced; state top replaced; state two enabled
        [ $(cat $S/kpatch_one/enabled) = 0 ] || fail "replaced, but enabled"
        unload one; unload top; expect 2222
        load three; expect 3333; state two replaced
        enable two; expect 2222; state three replaced
        load top; expect 4444
        disable two; expect 4444; disable top; original
        unload two; unload top; unload three
    """
    boot(target, script)


def test_in_use_is_refused_with_names(target: Target) -> None:
    script = """
        insmod caller.ko sleep=1; sleep 1
        refused sleeper
        [ -e $S/kpatch_sleeper ] && fail "left in sysfs"
        rmmod caller; load sleeper
        insmod caller.ko sleep=1; sleep 1
        echo 0 2>/dev/null > $S/kpatch_sleeper/enabled && fail "disabled under a sleeper"
        state sleeper enabled; echo "== disable"; cat $S/last_refusal
        rmmod caller
        disable sleeper; unload sleeper
    """
    result = boot(target, script)
    first, second = result.out.split("== ")[1:3]
    assert "errno: 16\nreason: in use by 1 task\n" in first
    assert re.search(
        r"^blocker: \d+\ttest sleeper\tmsleep_interruptible\tmsleep_interruptible\+0x\w+/0x\w+$", first, re.M
    )
    assert re.search(
        r"^blocker: \d+\ttest sleeper\tnew_msleep_interruptible\tnew_msleep\w+\+0x\w+/0x\w+ \[\w+\]$", second, re.M
    )
    assert re.search(
        r"kpatch: kpatch_sleeper: in use: pid \d+ \(test sleeper\) is in msleep_interruptible", result.log
    )


def test_functions_without_a_gap_are_both_looked_for(target: Target) -> None:
    """The second one begins where the first one ends; a task is asleep in the second."""
    script = """
        load pair-one; insmod caller.ko sleep=1; sleep 1
        cd $S/kpatch_pair_one/vmlinux
        gap=$(($(cat msleep_interruptible,0/new_addr) - $(cat si_meminfo,0/new_addr))); cd /m
        [ $gap = 128 ] || fail "$gap bytes from one function to the other"
        refused pair-two; expect 1111
        rmmod caller; load pair-two; expect 2222; disable pair_two; disable pair_one; original
        unload pair_one; unload pair_two
    """
    out = boot(target, script).out
    assert re.search(r"^blocker: \d+\ttest sleeper\tmsleep_interruptible\tnew_msleep_interruptible\+", out, re.M)


def test_who_is_in_the_way_himself(target: Target) -> None:
    """The functions are on the way of insmod and of the write to "enabled": a worker does it, a moment later."""
    script = """
        becomes() { for n in $(seq 100); do [ $(cat $S/kpatch_path/state) = $1 ] && return; usleep 100000; done
                    fail "still $(cat $S/kpatch_path/state), not $1"; }
        load path; cat $S/kpatch_path/state; becomes enabled
        load one; expect 1111
        disable path; cat $S/kpatch_path/state; becomes disabled
        enable path; cat $S/kpatch_path/state; becomes enabled
        disable path; enable path; becomes enabled; sleep 1; state path enabled
        rmmod kpatch_path 2>/dev/null && fail "an enabled patch was unloaded"
        disable path; becomes disabled
        enable path; rmmod kpatch_path || becomes enabled
        [ -e $S/kpatch_path ] && disable path && becomes disabled && unload path
        load path; becomes enabled; disable path; becomes disabled; unload path
        expect 1111; disable one; unload one; original
    """
    result = boot(target, script)
    # on a slow kernel the worker may be faster than cat; that it was a worker's work stands in the log
    assert re.match(r"enabl(ing|ed)\ndisabl(ing|ed)\nenabl(ing|ed)\n", result.out), result.out
    told = re.findall(r"kpatch_path: (\w+) \(pid \d+\), who asks for it, is in the way", result.log)
    assert told.count("insmod") == 2 and len(told) >= 8, told
    # a removal races with the worker, which may find the module going; nothing else is refused
    refused = re.findall(r"refused \(error -\d+\): .*", result.log)
    assert refused in ([], ["refused (error -19): module kpatch_path is being unloaded"]), refused


def test_what_is_asked_for_last_is_on_top(target: Target) -> None:
    """Also when what was asked for first has to wait until its caller has left: then the second one is refused."""
    script = """
        becomes() { for n in $(seq 100); do [ $(cat $S/kpatch_$1/state) = $2 ] && return; usleep 100000; done
                    fail "$1 is still $(cat $S/kpatch_$1/state), not $2"; }
        load path; becomes path enabled; disable path; becomes path disabled
        for turn in 1 2 3 4 5; do
            enable path
            until insmod kpatch-two.ko 2>/dev/null; do
                echo "not yet"; grep -q 'kpatch_path, asked for earlier, is still' $S/last_refusal || fail two
            done
            becomes two enabled; sleep 1; state path replaced; expect 2222
            disable two; unload two
        done
        unload path; original
    """
    boot(target, script)


def test_forced_removal_waits_and_names_the_patch(target: Target) -> None:
    script = """
        load sleeper; refused veto >/dev/null
        insmod caller.ko sleep=1; sleep 1
        (rmmod -f kpatch_sleeper; touch /removed) &
        sleep 3; [ -e /removed ] && fail "removed under a sleeper"
        echo "== refused"; cat $S/last_refusal
        rmmod caller; wait; [ -e $S/kpatch_sleeper ] && fail "left in sysfs"; true
    """
    result = boot(target, script)
    assert re.search(r"== refused\npatch: kpatch_sleeper\nerrno: 16\nreason: in use by 1 task\nblocker: ", result.out)
    assert re.search(r"kpatch: kpatch_sleeper: in use: pid \d+ \(test sleeper\)", result.log)


def test_a_thread_that_never_sleeps_stops_nobody_but_rmmod(target: Target) -> None:
    """It lets no grace period of tasks end. Patches are enabled, replaced and disabled all the same.

    A kernel whose own code is never preempted (Debian 5.10) knows no such grace periods: there nothing waits.
    """
    waits = 1 if target.configured("CONFIG_TASKS_RCU") else 0
    script = f"""
        insmod caller.ko stubborn=1
        for n in 1 2 3; do load one; expect 1111; enable one; load two; expect 2222; state one replaced
            disable two; original; enable one; expect 1111; disable one; original
            [ $n = 3 ] && break
            (rmmod kpatch_one; rmmod kpatch_two; touch /removed) &
            sleep 2; [ {waits} = 1 ] && [ -e /removed ] && fail "its trampolines may be in use"
            rmmod caller; wait; rm /removed; insmod caller.ko stubborn=1
        done
        rmmod caller; unload one; unload two
    """
    boot(target, script, timeout=400)


def test_callbacks_and_veto(target: Target) -> None:
    script = """
        refused veto
        load sleeper; disable sleeper; enable sleeper; disable sleeper; unload sleeper
        dmesg | grep -E 'callback|patch kpatch_sleeper' > /dev/ttyS1
    """
    out = boot(target, script).out
    assert "reason: pre_patch callback for vmlinux returned -33\n" in out
    events = re.findall(r"callback (\w+) vmlinux|patch kpatch_sleeper (\w+)", out[out.index("callback post_patch") :])
    assert ["".join(event) for event in events] == [
        *("post_patch", "pre_unpatch", "disabled", "post_unpatch", "pre_patch", "enabled", "post_patch"),
        *("pre_unpatch", "disabled", "post_unpatch"),
    ]


REFUSALS = {
    "release": r"errno: 8\nreason: built for kernel 6\.1\.0-0-elsewhere, this is {release}\n",
    "version": r"errno: 8\nreason: built for kernel {release} #1 SMP someday, this is {release} #\d+ SMP .*\n",
    "build_id": r"errno: 8\nreason: built for the kernel with build-id 01020304\w+14, this one has \w{{40}}\n",
    "notes": r"errno: 8\nreason: no notes where the kernel of the patch has them",
    "name": r"errno: 22\nreason: function si_meminfa is not at its address: si_meminfo\+0x0/0x\w+ is there\n",
    "offset": r"errno: 22\nreason: function si_meminfo is not at its address: si_meminfo\+0x10/0x\w+ is there\n",
    "size": r"errno: 22\nreason: function si_meminfo has \d+ bytes here, the patch is for one of \d+\n",
    "zero": r"errno: 22\nreason: corrupt metadata: function si_meminfo has sizes 0 and \d+\n",
    "string": r"errno: 22\nreason: corrupt metadata: a function's name is no string of the module\n",
    "new": r"errno: 22\nreason: corrupt metadata: new function si_meminfo is not in the patch module's text\n",
    "new_data": r"errno: 22\nreason: corrupt metadata: new function si_meminfo is not in the patch module's text\n",
    "callback": r"errno: 22\nreason: corrupt metadata: a callback is not in the patch module's text\n",
    "callbacks": r"errno: 22\nreason: corrupt metadata: two callbacks of a kind for vmlinux\n",
    "flags": r"errno: 22\nreason: function si_meminfo wants something that is not known here\n",
    "twice": r"errno: 22\nreason: function si_meminfo,0 of vmlinux stands twice in the patch\n",
    "notrace": r"errno: 95\nreason: function memcpy cannot be redirected: it has no fentry call\n",
}


def test_wrong_kernel_and_damage_are_refused(target: Target) -> None:
    script = "".join(f"refused bad-{name.replace('_', '-')}; original\n" for name in REFUSALS)
    out = boot(target, script + "load one; expect 1111; disable one; unload one").out
    for name, reason in REFUSALS.items():
        expected = rf"patch: kpatch_bad_{name}\n" + reason.format(release=re.escape(target.kernel.release))
        assert re.search(expected, out), f"{expected}\n{out}"


def test_every_step_that_fails_leaves_the_kernel_as_it_was(target: Target) -> None:
    """The n-th step that can fail does so, and all after it, for n from 1 until nothing fails; disabling alike."""
    script = """
        load top; expect 4444
        insmod_two() { insmod kpatch-two.ko; }
        as_before() { expect 4444; state top enabled; [ -e $S/kpatch_two ] && fail "left in sysfs"; true; }
        try insmod_two as_before; expect 2222; state top replaced; enable top
        disable_top() { echo 0 > $S/kpatch_top/enabled; }
        still_top() { expect 4444; state top enabled; }
        enable_top() { echo 1 > $S/kpatch_top/enabled; }
        state top enabled; state two enabled; expect 4444
        try disable_top still_top; expect 2222
        still_two() { expect 2222; state top disabled; }
        try enable_top still_two; expect 4444
        disable top; disable two; original; unload top; unload two
    """
    out = boot(target, script, core="faults").out
    assert len(re.findall(r"^insmod_two \d+: 12$", out, re.M)) >= 10, out
    assert len(re.findall(r"^disable_top \d+: 12$", out, re.M)) >= 2, out
    assert len(re.findall(r"^enable_top \d+: 12$", out, re.M)) >= 2, out
    assert set(re.findall(r"_t\w+ \d+: (\d+)$", out, re.M)) == {"12"}, out


def test_ftrace_can_be_neither_off_nor_switched_off(target: Target) -> None:
    script = """
        echo 0 > /proc/sys/kernel/ftrace_enabled
        refused one; refused ops; original
        echo 1 > /proc/sys/kernel/ftrace_enabled
        for name in one ops; do
            load $name; expect 1111
            echo 0 2>/dev/null > /proc/sys/kernel/ftrace_enabled
            [ $(cat /proc/sys/kernel/ftrace_enabled) = 1 ] || fail "ftrace was switched off"
            expect 1111; disable $name; unload $name
        done
    """
    out = boot(target, script).out
    assert len(re.findall(r"errno: 16\nreason: function si_meminfo .*ftrace_enabled", out)) == 2, out


def test_tracers_on_a_patched_function(target: Target) -> None:
    """The function tracers and kprobes, on old and new function, before and after the patch.

    Before ftrace_graph_func() the graph tracer of x86 asks its filter about the function that a handler sent the
    call to, so it does not see a patched one (docs/kernels.md).
    """
    blind = "none" if target.offers("ftrace_graph_func") else "function_graph"
    script = f"""
        T=/sys/kernel/tracing
        for name in one ops; do
            for tracer in function function_graph; do
                echo si_meminfo > $T/set_ftrace_filter; echo $tracer > $T/current_tracer
                load $name; expect 1111
                [ $tracer = {blind} ] || grep -q si_meminfo $T/trace || fail "not traced by $tracer"
                echo nop > $T/current_tracer; expect 1111
                echo $tracer > $T/current_tracer; expect 1111
                disable $name; original; enable $name; expect 1111
                echo nop > $T/current_tracer; expect 1111
                disable $name; unload $name; original; echo > $T/set_ftrace_filter
            done
            echo 'p:old si_meminfo' > $T/kprobe_events; echo 1 > $T/events/kprobes/old/enable
            load $name; expect 1111
            echo 'p:new new_si_meminfo' >> $T/kprobe_events; echo 1 > $T/events/kprobes/new/enable
            expect 1111
            grep -q 'new: (new_si_meminfo' $T/trace || fail "no kprobe in the new function"
            echo 0 > $T/events/kprobes/new/enable; echo 0 > $T/events/kprobes/old/enable
            echo > $T/kprobe_events
            expect 1111; disable $name; unload $name; original
        done
    """
    boot(target, script)


def test_shadow_variables(target: Target) -> None:
    boot(target, "insmod shadow.ko || fail 'see the log'; rmmod shadow")


@pytest.mark.parametrize("names", [("one", "two", "three", "top"), ("ops",)], ids=["direct", "ops"])
def test_half_a_patch_is_never_seen(target: Target, names: tuple[str, ...]) -> None:
    """Callers on all CPUs and in a timer interrupt, while patches come, go and replace each other."""
    turns = "\n".join(f"until_on {name}" for name in names) + "\n" + "\n".join(f"off {name}" for name in names)
    script = f"""
        insmod caller.ko hammer=4 irq=1
        busy() {{ grep -q '^errno: 16$' $S/last_refusal || fail "not in use, but refused"; busy=$((busy + 1)); }}
        until_on() {{ while ! insmod kpatch-$1.ko 2>/dev/null; do busy; done; }}
        off() {{ while ! echo 0 2>/dev/null > $S/kpatch_$1/enabled; do busy; done; unload $1; }}
        round=0; busy=0
        while [ $round -lt 15 ]; do
            {turns}
            original
            round=$((round + 1))
        done
        echo "calls $(seen calls) mixed $(seen mixed) busy $busy"
        [ $(seen calls) -gt 100000 ] || fail "hardly any calls"
        [ $(seen mixed) = 0 ] || fail "half a patch was seen"
    """
    print(boot(target, script, timeout=500).out)
