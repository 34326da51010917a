"""Livepatch modules all the way: RPM, dnf, utility and boot service, on a machine without the core module."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.vm.chain import Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.site import ORIGINAL, V1, V2, Site, patched_lines

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def site(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A repository without any core module."""
    with Site(chain, tmp_path_factory.mktemp("site")) as one:
        one.publish(*chain.rpm("--runtime", key=chain.key))
        yield one


def publish(site: Site, release: PatchRelease) -> str:
    """Publish ``release`` as a livepatch module; the module's name."""
    chain = site.chain
    name = f"{chain.name_part}-2-{release.number}"
    cves = [f"--cve={cve}" for cve in release.cves]
    module = chain.patch_module(name, release.diffs, ["--interface", "livepatch", *cves])
    options = ["--kernel", chain.kernel.release, "--patch-version", "2", "--patch-release", str(release.number)]
    site.publish(*chain.rpm("--module", module, *options, key=chain.key))
    return f"kpatch_{name.replace('-', '_')}"


def loaded(guest: Guest) -> list[tuple[str, str, str]]:
    """Name, interface and state of each patch as the utility tells it."""
    told = json.loads(guest.run("kpatch list --json").stdout)["loaded"]
    return [(patch["name"], patch["interface"], patch["state"]) for patch in told]


def test_an_installed_patch_is_loaded_without_a_core_module(guest: Guest, site: Site, v1: PatchRelease) -> None:
    name = publish(site, v1)
    done = guest.run(f"dnf -y install {site.package}")
    assert f"{name} loaded" in done.output
    assert patched_lines(guest) == V1
    assert loaded(guest) == [(name, "livepatch", "enabled")]
    assert guest.run("rpm -qa 'kmod-kpatch*'").stdout == ""
    assert guest.run("ls -d /sys/kernel/kpatch", check=False).status != 0
    assert json.loads(guest.run("kpatch status --json").stdout)["cves"] == sorted(v1.cves)


def test_an_update_replaces_it(guest: Guest, site: Site, v2: PatchRelease) -> None:
    name = publish(site, v2)
    guest.run("dnf -y upgrade")
    assert patched_lines(guest) == V2
    assert loaded(guest) == [(name, "livepatch", "enabled")]
    assert [line.split()[0] for line in guest.run("lsmod").stdout.splitlines() if line.startswith("kpatch")] == [name]


def test_the_utility_unloads_and_loads_it(guest: Guest) -> None:
    ((name, *_),) = loaded(guest)
    guest.run(f"kpatch unload {name}")
    assert patched_lines(guest) == ORIGINAL
    assert loaded(guest) == []
    guest.run("kpatch apply")
    assert patched_lines(guest) == V2
    assert loaded(guest) == [(name, "livepatch", "enabled")]


def test_it_is_loaded_at_boot(guest: Guest) -> None:
    before = loaded(guest)
    guest.reboot()
    assert patched_lines(guest) == V2
    assert loaded(guest) == before


def test_removing_the_package_unloads_it(guest: Guest, site: Site) -> None:
    guest.run(f"dnf -y remove {site.package}")
    assert patched_lines(guest) == ORIGINAL
    assert "kpatch" not in guest.run("lsmod").stdout  # the utility went with its last user
