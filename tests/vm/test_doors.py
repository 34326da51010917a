"""Other ways in and no way in: rpm alone, dnf as a library, the wrong kernel, a function in use, bad signatures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rpmbuild.names import parse_release
from tests.vm.chain import Chain, PatchRelease, make_key, tool
from tests.vm.guest import Guest
from tests.vm.site import ORIGINAL, V1, V2, Site, loaded_patches, patched_lines

pytestmark = pytest.mark.vm

# dnf as Ansible uses it: a library, plugins loaded, no cli object.
LIBRARY = """
import sys
import dnf
base = dnf.Base()
base.conf.assumeyes = True
base.init_plugins()
base.pre_configure_plugins()
base.read_all_repos()
base.configure_plugins()
base.fill_sack()
base.install(sys.argv[1])
base.resolve()
base.download_packages(base.transaction.install_set)
base.do_transaction()
print("packages:", len(base.transaction))
"""

# A task that sleeps in eventfd_read() until somebody writes.
SLEEPER = """
import os
fd = os.eventfd(0)
print("sleeping", flush=True)
os.eventfd_read(fd)
"""

# What the patched eventfd_read() changes.
PROBE = """
import errno, os
try:
    os.read(os.eventfd(1), 4)
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def write_repo(guest: Guest, site: Site, name: str, directory: str, **settings: object) -> None:
    """A further repository of the site's server, off unless it is asked for."""
    values = {"gpgcheck": 1, "repo_gpgcheck": 1, "gpgkey": f"{site.url}/repodata/repomd.xml.key", **settings}
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    base = site.url.removesuffix("/repo")
    guest.put(f"/etc/yum.repos.d/{name}.repo", f"[{name}]\nname={name}\nbaseurl={base}/{directory}\nenabled=0\n{text}")


def refused(guest: Guest, site: Site, repo: str) -> str:
    """``dnf install`` from ``repo`` and the site must fail and change nothing; returns what was said."""
    result = guest.run(f"dnf -y --enablerepo={repo} install {site.package}-1-9", check=False)
    assert result.status == 1, result
    assert guest.run(f"rpm -q {site.package}", check=False).status == 1, "nothing was installed"
    assert loaded_patches(guest) == []
    return result.output


def test_i_bad_signatures_are_refused(
    guest: Guest, site: Site, chain: Chain, v1: PatchRelease, tmp_path: Path
) -> None:
    served = site.repo.parent
    what: list[str | Path] = ["--module", chain.release_module(v1), "--kernel", chain.kernel.release]
    what += ["--patch-version", "1", "--patch-release", "9"]

    (unsigned,) = chain.rpm(*what)
    tool("repo", "publish", "--repo", served / "unsigned", unsigned)
    write_repo(guest, site, "unsigned", "unsigned", repo_gpgcheck=0)
    assert "is not signed" in refused(guest, site, "unsigned")

    stranger = make_key(tmp_path / "gpg", "A Stranger")
    (strange,) = chain.rpm(*what, key=stranger)
    signing: list[str | Path] = ["--gnupghome", stranger.home, "--key", stranger.fingerprint]
    tool("repo", "publish", "--repo", served / "stranger", *signing, strange)
    write_repo(guest, site, "stranger", "stranger", repo_gpgcheck=0)
    assert "key" in refused(guest, site, "stranger").lower()
    write_repo(guest, site, "stranger", "stranger")
    assert "signature" in refused(guest, site, "stranger").lower()

    shutil.copytree(site.repo, served / "changed")
    (good,) = chain.rpm(*what, key=chain.key)
    chain.publish(served / "changed", good)
    repomd = served / "changed/repodata/repomd.xml"
    repomd.write_text(repomd.read_text().replace("</repomd>", "<!-- changed after signing --></repomd>"))
    write_repo(guest, site, "changed", "changed")
    assert "signature" in refused(guest, site, "changed").lower()


def test_e_rpm_without_dnf_loads_by_the_file_trigger(
    guest: Guest, site: Site, chain: Chain, v1: PatchRelease, v2: PatchRelease
) -> None:
    first, second = chain.patch_rpm(v1), chain.patch_rpm(v2)
    site.publish(first, second)
    wanted = ["kpatch-1*.noarch.rpm", "kpatch-dnf-1*.noarch.rpm", "kmod-kpatch-*.rpm"]
    packages = [next(site.repo.glob(f"Packages/{pattern}")) for pattern in wanted] + [first, second]
    for package in packages:
        guest.put(f"/root/{package.name}", package.read_bytes())
    *runtime, first_name, second_name = (package.name for package in packages)
    guest.run(f"rpm -U {' '.join(runtime)} {first_name}")
    assert loaded_patches(guest) == [site.module_name(v1)]
    assert patched_lines(guest) == V1
    guest.run(f"rpm -U {second_name}")
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2
    guest.run(f"rpm -e {site.package}")
    assert loaded_patches(guest) == []
    assert patched_lines(guest) == ORIGINAL


def test_f_a_patch_for_another_kernel_is_refused(guest: Guest, site: Site, chain: Chain, v1: PatchRelease) -> None:
    other, module = chain.foreign_module(v1)
    here = chain.kernel.release
    (rpm,) = chain.rpm("--module", module, "--kernel", other, key=chain.key)
    guest.put(f"/root/{rpm.name}", rpm.read_bytes())
    guest.put(f"/root/{module.name}", module.read_bytes())

    by_dnf = guest.run(f"dnf -y install /root/{rpm.name}", check=False)
    assert by_dnf.status == 1
    assert f"kernel-uname-r = {parse_release(other).uname_r}" in by_dnf.output, by_dnf
    by_rpm = guest.run(f"rpm -U /root/{rpm.name}", check=False)
    assert by_rpm.status != 0
    assert "kernel-uname-r" in by_rpm.output, by_rpm

    by_kpatch = guest.run(f"kpatch load /root/{module.name}", check=False)
    assert by_kpatch.status == 11, by_kpatch
    assert other in by_kpatch.stderr, by_kpatch
    assert here in by_kpatch.stderr, by_kpatch
    guest.run("modprobe kpatch")
    by_insmod = guest.run(f"insmod /root/{module.name}", check=False)
    assert by_insmod.status != 0
    said = "\n".join(guest.kernel_log().splitlines()[-5:])
    assert other in said
    assert here in said
    assert loaded_patches(guest) == []
    assert patched_lines(guest) == ORIGINAL


def test_j_dnf_as_a_library_loads_the_patch(guest: Guest, site: Site, v2: PatchRelease) -> None:
    guest.put("/root/library.py", LIBRARY)
    done = guest.run(f"python3 /root/library.py {site.package}")
    assert "packages: 1" in done.stdout, done
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2


def test_h_a_function_in_use_is_left_alone_and_retried(
    guest: Guest, site: Site, chain: Chain, v2: PatchRelease, v3: PatchRelease
) -> None:
    guest.put("/root/sleeper.py", SLEEPER)
    guest.put("/root/probe.py", PROBE)
    guest.run("systemd-run --unit=sleeper -p StandardOutput=file:/root/asleep python3 /root/sleeper.py")
    guest.run("until grep -q sleeping /root/asleep; do sleep 0.1; done; sleep 0.5", timeout=30)
    pid = guest.run("systemctl show --value -p MainPID sleeper").stdout.strip()
    site.publish(chain.patch_rpm(v3))

    update = guest.run("dnf -y update", check=False)
    assert update.status == 10, update
    for word in (pid, "python3", "eventfd_read"):
        assert any(word in line for line in update.output.splitlines() if "kpatch" in line), (word, update)
    assert guest.run(f"rpm -q {site.package}").stdout.startswith(f"{site.package}-1-3"), "the RPM stays"
    assert loaded_patches(guest) == [site.module_name(v2)], "the patch before stays active"
    assert guest.run("python3 /root/probe.py").stdout == "EINVAL\n"
    assert guest.run("systemctl is-active kpatch-retry.timer").stdout == "active\n"
    shown = guest.run("kpatch status").stdout
    assert site.module_name(v3) in shown

    guest.run("systemctl stop sleeper")
    idle = "systemctl show -p ActiveState kpatch-retry.timer | grep -q inactive"
    guest.run(f"until {idle}; do sleep 1; done", timeout=150)
    assert loaded_patches(guest) == [site.module_name(v3)]
    assert patched_lines(guest) == V2
    assert guest.run("python3 /root/probe.py").stdout == "EMSGSIZE\n"
    guest.power_off()
