"""The life of a patch on a machine that is updated with dnf: each test goes on where the one before it ended."""

from __future__ import annotations

import json

import pytest

from tests.vm.chain import Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.site import ORIGINAL, V1, V2, Site, loaded_patches, patched_lines

pytestmark = pytest.mark.vm

# Reads the patched file all the time and writes down each change that it sees, then how often it has read.
READER = """
import signal, sys
count, state = 0, None
def finish(*_):
    print("reads", count, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
while True:
    with open("/proc/meminfo") as stream:
        text = stream.read()
    now = "original" if "VmallocChunk:" in text else "v2" if "PERCPU:" in text else "v1"
    if now != state:
        state = now
        print(state, flush=True)
    count += 1
"""


def status(guest: Guest) -> dict[str, object]:
    """``kpatch status`` as facts."""
    facts: dict[str, object] = json.loads(guest.run("kpatch status --json").stdout)
    return facts


def listed_cves(guest: Guest, installed: bool) -> list[str]:
    """What ``dnf updateinfo list cves`` says is available, or installed."""
    out = guest.run(f"dnf -q updateinfo list cves {'--installed' if installed else ''}").stdout
    return sorted({word for word in out.split() if word.startswith("CVE-")})


def test_subscription_loads_nothing(guest: Guest, site: Site) -> None:
    guest.run(f"dnf -y install {site.package}")
    assert guest.run(f"rpm -q {site.package}").stdout.startswith(f"{site.package}-0-0")
    assert loaded_patches(guest) == []
    assert patched_lines(guest) == ORIGINAL


def test_i_download_test_and_assumeno_load_nothing(guest: Guest, site: Site, chain: Chain, v1: PatchRelease) -> None:
    site.publish(chain.patch_rpm(v1))
    assert listed_cves(guest, installed=False) == sorted(v1.cves), "offered"
    assert listed_cves(guest, installed=True) == []
    for command, expected in [
        ("dnf -y update --downloadonly", 0),
        ("dnf update --assumeno", 1),
        ("dnf -y update --setopt=tsflags=test", 0),
    ]:
        result = guest.run(command, check=False)
        assert result.status == expected, result
        assert site.package in result.stdout, f"the patch was on offer\n{result}"
        assert guest.run("lsmod | grep kpatch", check=False).stdout == "", result
        assert patched_lines(guest) == ORIGINAL


def test_a_yum_update_loads_the_patch(guest: Guest, site: Site, v1: PatchRelease) -> None:
    update = guest.run("yum -y update")
    (patch,) = loaded_patches(guest)
    assert patch == site.module_name(v1)
    assert patched_lines(guest) == V1
    told = [line for line in update.output.splitlines() if line.startswith("kpatch: ")]
    assert [line for line in told if f"{patch} loaded" in line and v1.cves[0] in line] == told, update
    facts = status(guest)
    assert facts["cves"] == sorted(v1.cves)
    assert facts["pending"] == []
    assert listed_cves(guest, installed=True) == sorted(v1.cves)
    assert listed_cves(guest, installed=False) == []


def test_a_transaction_without_patches_says_nothing_of_them(guest: Guest, site: Site) -> None:
    done = guest.run("dnf -y remove kpatch-dnf5 no-such-package; dnf -y install guest-base", check=False)
    assert "kpatch: " not in done.output
    assert patched_lines(guest) == V1


def test_c_a_cumulative_update_never_shows_the_original(
    guest: Guest, site: Site, chain: Chain, v2: PatchRelease
) -> None:
    guest.put("/root/reader.py", READER)
    guest.run("systemd-run --unit=reader -p StandardOutput=file:/root/seen python3 /root/reader.py")
    guest.run("until grep -q v1 /root/seen; do sleep 0.1; done", timeout=30)
    site.publish(chain.patch_rpm(v2))
    guest.run("dnf -y upgrade")
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2
    guest.run("systemctl stop reader")
    *seen, last = guest.read("/root/seen").splitlines()
    assert seen == ["v1", "v2"]
    assert int(last.split()[1]) > 100, "the reader did read"
    assert status(guest)["cves"] == sorted(v2.cves)
    assert listed_cves(guest, installed=True) == sorted(v2.cves)


def test_d_undo_of_the_update_brings_the_old_patch_back(
    guest: Guest, site: Site, v1: PatchRelease, v2: PatchRelease
) -> None:
    guest.run("dnf -y history undo last")
    assert loaded_patches(guest) == [site.module_name(v1)]
    assert patched_lines(guest) == V1
    guest.run("dnf -y upgrade")
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2


def test_d_remove_unloads_and_undo_is_consistent(guest: Guest, site: Site, v2: PatchRelease) -> None:
    guest.run(f"dnf -y remove {site.package}")
    assert loaded_patches(guest) == []
    assert patched_lines(guest) == ORIGINAL
    assert guest.run(f"rpm -q {site.package}", check=False).status == 1
    guest.run("dnf -y history undo last")
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2


def test_b_the_patch_is_loaded_at_boot_before_the_network(guest: Guest, site: Site, v2: PatchRelease) -> None:
    guest.reboot()
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2
    show = "systemctl show --value -p"
    loaded = int(guest.run(f"{show} ActiveEnterTimestampMonotonic kpatch.service").stdout)
    network = int(guest.run(f"{show} ExecMainStartTimestampMonotonic guest-network.service").stdout)
    assert 0 < loaded < network
    again = guest.run("kpatch apply")
    assert "already loaded" in again.stdout, "the engine has nothing left to do"


def test_b_the_kernel_command_line_switches_it_off(guest: Guest, site: Site) -> None:
    guest.reboot("kpatch.enable=0")
    assert loaded_patches(guest) == []
    assert patched_lines(guest) == ORIGINAL
    facts = status(guest)
    assert facts["cves"] == []
    assert "kpatch.enable=0" in str(facts["boot_disabled"])
    guest.power_off()
