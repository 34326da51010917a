"""Patches to modules: there before the patch, or later, or gone and back; hand-written, one boot per scenario."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.vm import late, tiny
from tests.vm.late import DAMAGED, SUM, UNFIT
from tests.vm.target import Target
from tests.vm.test_core import PRELUDE

pytestmark = [pytest.mark.vm, pytest.mark.slow]

HELPERS = f"""
P=/sys/module/late_target/parameters
sum() {{ v=$(cat $P/value); [ $v = $(($1 * 100000 + {SUM})) ] || fail "value $v, not that of $1"; }}
plain() {{ v=$(cat $P/value); [ $v = 101 ] || fail "value $v, not the module's own"; }}
other() {{ v=$(cat $P/other); [ $v = $1 ] || fail "other $v, not $1"; }}
come() {{ insmod late_target.ko || fail "the target does not load"; }}
go() {{ rmmod late_target || fail "the target stays"; }}
patch() {{ load late-$1; }}
# Names of modules have _ where files have -.
m() {{ echo late-$1 | tr - _; }}
unload() {{ rmmod kpatch_$(m $1) || fail "unload $1"; }}
enable() {{ echo 1 > $S/kpatch_$(m $1)/enabled || fail "enable $1"; }}
disable() {{ echo 0 > $S/kpatch_$(m $1)/enabled || fail "disable $1"; }}
state() {{ s=$(cat $S/kpatch_$(m $1)/state); [ $s = $2 ] || fail "$1 is $s, not $2"; }}
patched() {{ s=$(cat $S/kpatch_$(m $1)/late_target/patched); [ $s = $2 ] || fail "$1: patched is $s"; }}
refused() {{ insmod kpatch-late-$1.ko 2>/dev/null && fail "$1 was loaded"; echo "== $1"; cat $S/last_refusal; }}
off() {{ disable $1; unload $1; }}
told() {{ dmesg | grep -oE 'callback.*|(init|exit) sees.*|patch kpatch_late.*' >/dev/ttyS1; }}
insmod late_depot.ko || exit 1
"""


@pytest.fixture(scope="module")
def modules(target: Target) -> Mapping[str, Path]:
    """The target's modules and the patches for them, beside the core module."""
    return {**target.modules, **late.build(target.kernel, target.modules["kpatch"].parent)}


def boot(target: Target, modules: Mapping[str, Path], script: str, *, core: str = "kpatch") -> tiny.Result:
    """Run ``script`` after the prelude; the kernel's log must be clean and the core module removable."""
    wanted = {
        name: path for name, path in modules.items() if "late" in name or name in ("kpatch", "faults", "kpatch-one")
    }
    files = {f"m/{name}.ko": path for name, path in wanted.items()}
    epilogue = "\nrmmod late_target 2>/dev/null\nrmmod late_depot\nrmmod kpatch || fail 'the core stays'\n"
    text = f"CORE={core}\n" + PRELUDE + HELPERS + script + epilogue
    result = tiny.run(target.kernel.vmlinuz, text, files)
    result.check()
    return result


@pytest.mark.parametrize(("name", "mark"), [("one", 1), ("ops", 3)])
def test_before_later_gone_and_back(target: Target, modules: Mapping[str, Path], name: str, mark: int) -> None:
    method = target.best if name == "one" else "ops"
    script = f"""
        come; plain
        patch {name}; sum {mark}; expect {mark}; patched {name} 1
        cat $S/kpatch_late_{name}/late_target/target_value,0/method
        cat $S/kpatch_late_{name}/late_target/target_value,0/old_addr
        disable {name}; plain; original; patched {name} 0
        enable {name}; sum {mark}
        go; patched {name} 0; expect {mark}; state {name} enabled
        cat $S/kpatch_late_{name}/late_target/target_value,0/method
        cat $S/kpatch_late_{name}/late_target/target_value,0/old_addr
        come; sum {mark}; patched {name} 1
        go; off {name}; original
        patch {name}; expect {mark}; come; sum {mark}; off {name}; plain
        dmesg | grep -o 'init sees.*' >/dev/ttyS1
    """
    out = boot(target, modules, script).out
    method_before, addr_before, method_gone, addr_gone = re.findall(r"^(direct|ops|none|0x\w+)$", out, re.M)
    assert (method_before, method_gone, addr_gone) == (method, "none", "0x0")
    assert int(addr_before, 16) > 0xFFFFFFFF80000000
    # Nothing of the module ran before it was patched.
    value = mark * 100000 + SUM
    assert re.findall(r"init sees (\d+)", out) == ["101", str(value), str(value)]


def test_two_patches_on_one_late_module(target: Target, modules: Mapping[str, Path]) -> None:
    script = """
        patch one; patch two; come; sum 2; other 2
        disable two; sum 1; other 3202; enable two; sum 2
        go; disable one; enable one; come; sum 1; other 2
        off one; sum 2; other 2
        patch replace; sum 4; other 3202; state two replaced; expect 4
        go; come; sum 4; other 3202; patched two 0; patched replace 1
        go; enable two; come; sum 2; off two; sum 4; off replace; plain
    """
    boot(target, modules, script)


def test_disabled_while_the_target_is_away(target: Target, modules: Mapping[str, Path]) -> None:
    script = """
        come; patch one; sum 1; go
        disable one; come; plain; original; patched one 0
        enable one; sum 1; go; unload one 2>/dev/null && fail "an enabled patch was unloaded"
        patch replace; state one replaced; unload one; come; sum 4
        go; off replace
    """
    boot(target, modules, script.replace("unload one 2>/dev/null", "rmmod kpatch_late_one 2>/dev/null"))


def test_callbacks_hear_of_coming_and_going(target: Target, modules: Mapping[str, Path]) -> None:
    out = boot(target, modules, "patch one; come; go; come; disable one; go; unload one; told").out
    before, after = ["pre_patch", "post_patch"], ["pre_unpatch", "post_unpatch"]
    kernel, module = "vmlinux", "late_target"
    events = re.findall(r"^callback (\w+) (\w+)$|^(init|exit) sees (\d+)$", out, re.M)
    told = [" ".join(part for part in event if part) for event in events]
    patched, plain = f"{100000 + SUM}", "101"
    assert told[:2] == [f"{event} {kernel}" for event in before]
    assert told[2:8] == [
        *(f"{event} {module}" for event in before),
        f"init {patched}",
        f"exit {patched}",
        *(f"{event} {module}" for event in after),
    ]
    assert told[8:11] == [*(f"{event} {module}" for event in before), f"init {patched}"]
    assert sorted(told[11:15]) == sorted(f"{event} {where}" for event in after for where in (kernel, module))
    assert told[15:] == [f"exit {plain}"]


REASONS = {
    "address": "22\nreason: corrupt metadata: function target_value of module late_target has an address",
    "bounds": "22\nreason: corrupt metadata: .kpatch.objects has a size of 40 bytes",
    "object": "22\nreason: corrupt metadata: function target_value is in module late_target, which .kpatch.obj",
    "place": "22\nreason: corrupt metadata: a relocation's place is not in the patch module",
    "string": "22\nreason: corrupt metadata: a relocation's symbol is no string of the module",
    "symobj": "22\nreason: corrupt metadata: .kpatch.objects lacks late_target or elsewhere",
    "table": "22\nreason: corrupt metadata: a relocation's place is not in the patch module",
    "type": "22\nreason: a relocation of type 42 is not known here",
    "ambiguous": "22\nreason: module late_target has 2 symbols secret, the patch does not say which",
    "build": "8\nreason: module late_target is another build: the patch is for the one with build-id 0102030400",
    "depot": "8\nreason: module late_depot is another build: the patch is for the one with build-id 0102030400",
    "function": "2\nreason: module late_target has no symbol target_valve",
    "rank": "2\nreason: module late_target has 2 symbols secret, the patch wants number 3",
    "reach": "8\nreason: a reference to secret of module late_target does not reach it",
    "size": r"22\nreason: function target_value has \d+ bytes in module late_target, the patch is for one of \d+",
    "symbol": "2\nreason: module late_target has no symbol secrets",
}


def test_what_does_not_fit_is_refused_in_either_order(target: Target, modules: Mapping[str, Path]) -> None:
    script = "come\n" + "".join(f"refused bad-{name}; plain; original\n" for name in (*DAMAGED, *UNFIT))
    script += "go\n" + "".join(f"refused bad-{name}; original\n" for name in DAMAGED)
    for name in UNFIT:
        script += f"""
            load late-bad-{name}; expect 7
            insmod late_target.ko 2>/dev/null && fail "the target came under bad-{name}"
            lsmod | grep -q late_target && fail "the target is there"
            echo "== late bad-{name}"; cat $S/last_refusal; expect 7; off bad-{name}; original
        """
    result = boot(target, modules, script + "patch one; come; sum 1; off one; plain")
    for name, reason in REASONS.items():
        refusal = rf"patch: kpatch_late_bad_{name}\nerrno: {reason}"
        order = "late bad" if name in UNFIT else "bad"
        for start in {"bad", order}:
            assert re.search(rf"== {start}-{name}\n{refusal}", result.out), f"{start}-{name}: {refusal}\n{result.out}"
    assert "kpatch: module late_target is refused: patch kpatch_late_bad_symbol cannot be applied to it" in result.log


def test_a_refused_coming_takes_back_what_other_patches_did(target: Target, modules: Mapping[str, Path]) -> None:
    script = """
        patch one; load late-bad-symbol; patch alone
        insmod late_target.ko 2>/dev/null && fail "the target came"
        patched one 0; patched alone 0; off bad-symbol
        come; v=$(cat $P/value); [ $v = 500000 ] || fail "value $v"; go
        insmod late_target.ko fail=1 2>/dev/null && fail "the target came"
        patched one 0; patched alone 0; come; off alone; sum 1; go
        patch veto; insmod late_target.ko 2>/dev/null && fail "the target came"
        cat $S/last_refusal; patched one 0; off veto; come; sum 1; go; off one
    """
    out = boot(target, modules, script).out
    assert "patch: kpatch_late_veto\nerrno: 33\nreason: pre_patch callback for late_target returned -33\n" in out


def test_a_callback_that_waits_for_a_target_gets_none(target: Target, modules: Mapping[str, Path]) -> None:
    """request_module() in pre_patch, of a module that needs what the callback holds: refused after a while."""
    script = """
        printf '#!/bin/sh\ncd /m; insmod late_target.ko; echo $? >/status' >/tool; chmod 755 /tool
        echo /tool >/proc/sys/kernel/modprobe
        patch asks; expect 8; echo "tool: $(cat /status)"; patched asks 0
        come; sum 8; off asks; plain
    """
    result = boot(target, modules, script)
    assert re.search(r"^tool: [1-9]", result.out, re.M)
    refused = "module late_target is refused (error -35): a callback of kpatch_late_asks does not end"
    assert f"kpatch: {refused}" in result.log


def test_livepatch_compares_the_build_of_a_module(target: Target, modules: Mapping[str, Path]) -> None:
    """The glue for the kernel's own livepatch."""
    if "kpatch-late-klp" not in modules:
        pytest.skip("a kernel without livepatch")
    script = """
        L=/sys/kernel/livepatch
        settled() { while [ "$(cat $L/$1/transition 2>/dev/null)" = 1 ]; do usleep 100000; done; }
        gone() { echo 0 > $L/$1/enabled; settled $1
                 for n in $(seq 100); do rmmod $1 2>/dev/null && return; usleep 100000; done; fail "$1 stays"; }
        come; insmod kpatch-late-klp-build.ko 2>/dev/null && fail "another build, but patched"; plain
        insmod kpatch-late-klp.ko || fail klp; settled kpatch_late_klp
        v=$(cat $P/value); [ $v = 900000 ] || fail "value $v"; gone kpatch_late_klp; plain; go
        insmod kpatch-late-klp-build.ko || fail klp-build; settled kpatch_late_klp_build
        insmod late_target.ko 2>/dev/null && fail "another build came"
        gone kpatch_late_klp_build; come; plain
    """
    log = boot(target, modules, script).log
    assert "kpatch_late_klp_build: module late_target is another build: the patch is for the one with" in log
    assert "refusing to load module 'late_target'" in log


def test_every_step_that_fails_leaves_module_and_patch_as_they_were(
    target: Target, modules: Mapping[str, Path]
) -> None:
    script = """
        insmod_target() { insmod late_target.ko; }
        patch one; patch two
        no_target() { lsmod | grep -q late_target && fail "it is there"; patched one 0; patched two 0; true; }
        try insmod_target no_target; sum 2; other 2
        insmod_replace() { insmod kpatch-late-replace.ko; }
        as_before() { sum 2; other 2; state two enabled; [ -e $S/kpatch_late_replace ] && fail "left"; true; }
        try insmod_replace as_before; sum 4; other 3202; off replace; unload one; unload two; plain
    """
    out = boot(target, modules, script, core="faults").out
    assert len(re.findall(r"^insmod_target \d+: 12$", out, re.M)) >= 12, out
    assert len(re.findall(r"^insmod_replace \d+: 12$", out, re.M)) >= 12, out
    assert set(re.findall(r"^insmod_\w+ \d+: (\d+)$", out, re.M)) == {"12"}, out


def test_modules_come_and_go_while_patches_do(target: Target, modules: Mapping[str, Path]) -> None:
    script = """
        patch one; disable one; patch two; disable two
        end=$(($(date +%s) + 30)); n=0
        (while [ ! -e /stop ]; do
            insmod late_target.ko; rmmod late_target
        done; touch /stopped) 2>/dev/null &
        (while [ ! -e /stop ]; do echo 1 > $S/kpatch_late_two/enabled; echo 0 > $S/kpatch_late_two/enabled
        done; touch /stopped2) 2>/dev/null &
        while [ $(date +%s) -lt $end ]; do
            echo 1 > $S/kpatch_late_one/enabled && n=$((n + 1))
            cat $P/value; cat $P/other
            echo 0 > $S/kpatch_late_one/enabled
        done >/values 2>/dev/null
        touch /stop; while [ ! -e /stopped ] || [ ! -e /stopped2 ]; do usleep 100000; done
        echo "enabled $n times"; sort /values | uniq -c | sort -n | tail -8
        echo "came $(dmesg | grep -c 'init sees') times"
        rmmod late_target 2>/dev/null
        for n in one two; do
            until echo 0 > $S/kpatch_late_$n/enabled; do usleep 10000; done 2>/dev/null
            unload $n
        done
        come; plain; go
    """
    out = boot(target, modules, script).out
    found = re.search(r"enabled (\d+) times\n(.*)came (\d+) times", out, re.S)
    assert found and int(found[1]) > 2 and int(found[3]) > 2, out
    values = set(re.findall(r"^ *\d+ (\d+)$", found[2], re.M))
    assert values <= {"101", "3202", "2", str(100000 + SUM), str(200000 + SUM)}, out
