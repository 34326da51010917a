"""Signed modules: kernels that insist on signatures, and modules that bear one.

A stock kernel trusts keys of its vendor, and what UEFI firmware and shim hand over, so here it can only refuse. That
it takes a module whose signer it knows is seen with a kernel built by hand ($KPATCH_TEST_TREE, docs/debug-kernel.md).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.build.signature import MARKER
from tests.vm import tiny
from tests.vm.chain import PatchRelease
from tests.vm.guest import Guest
from tests.vm.kernels import StockKernel
from tests.vm.site import ORIGINAL, Site, patched_lines
from tests.vm.target import Target
from tests.vm.test_build import TOP, kpatch_build

pytestmark = [pytest.mark.vm, pytest.mark.slow]

ENFORCE = "module.sig_enforce=1"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A publisher's private key and certificate."""
    place = tmp_path_factory.mktemp("key")
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=publisher", "-days", "30"]
    output = ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run(["openssl", "req", *options, *output], check=True, capture_output=True)
    return place / "key.pem", place / "cert.pem"


def test_a_stock_kernel_refuses_what_nobody_it_knows_has_signed(
    kernel: StockKernel, key: tuple[Path, Path], tmp_path: Path
) -> None:
    for name in ("unsigned", "signed"):
        (tmp_path / name).mkdir()
    signing: list[str | Path] = ["--sign-key", key[0], "--sign-cert", key[1]]
    core = kpatch_build(kernel, tmp_path / "signed", "--core", *signing)
    patch = kpatch_build(kernel, tmp_path / "signed", *signing, TOP / "examples/meminfo-string.patch")
    unsigned = kpatch_build(kernel, tmp_path / "unsigned", TOP / "examples/meminfo-string.patch")
    assert patch.read_bytes().startswith(unsigned.read_bytes())
    assert patch.read_bytes().endswith(MARKER)
    assert not unsigned.read_bytes().endswith(MARKER)
    files = {"kpatch.ko": core, "patch.ko": patch, "unsigned.ko": unsigned}

    # Without enforcement the signature changes nothing.
    script = "insmod /kpatch.ko && insmod /patch.ko && grep VMALLOCCHUNK /proc/meminfo"
    tiny.run(kernel.vmlinuz, script, files).check()
    # With it, both are refused, for different reasons.
    script = "insmod /kpatch.ko; insmod /unsigned.ko; lsmod | grep kpatch && exit 1; exit 0"
    result = tiny.run(kernel.vmlinuz, script, files, append=ENFORCE)
    result.check()
    assert result.out.count("Key was rejected by service") == 2
    assert "Loading of module with unavailable key is rejected" in result.log
    assert "Loading of unsigned module is rejected" in result.log


def test_a_kernel_that_knows_the_signer_takes_the_patch(target: Target) -> None:
    certificates = target.kernel.root / "certs"
    if not (certificates / "signing_key.pem").exists():
        pytest.skip("needs a kernel whose signing key is at hand")
    files = {}
    for name in ("kpatch", "kpatch-one"):
        signed = target.modules[name].with_suffix(".signed")
        key, certificate = certificates / "signing_key.pem", certificates / "signing_key.x509"
        tool = target.kernel.root / "scripts/sign-file"
        subprocess.run([tool, "sha256", key, certificate, target.modules[name], signed], check=True)
        files[f"{name}.ko"] = signed
    files["two.ko"] = target.modules["kpatch-two"]
    script = """
        insmod /kpatch.ko && insmod /kpatch-one.ko || exit 1
        insmod /two.ko && exit 1
        cat /sys/kernel/kpatch/kpatch_one/state
    """
    for append in (ENFORCE, "lockdown=integrity"):
        assert "enabled" in tiny.run(target.kernel.vmlinuz, script, files, append=append).check()


def test_the_utility_says_what_to_do(guest: Guest, site: Site, v1: PatchRelease) -> None:
    """On a stock kernel that insists on signatures."""
    site.publish(site.chain.patch_rpm(v1))
    guest.run(f"dnf -y install {site.package}")
    guest.reboot(ENFORCE)
    result = guest.run("kpatch load --all", check=False)
    assert result.status == 11, result
    assert "is not signed" in result.output
    assert "kpatch-build --sign-key" in result.output
    assert patched_lines(guest) == ORIGINAL
