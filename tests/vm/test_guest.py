"""The harness itself: what it says about a guest must be so."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vm.guest import Guest, GuestError
from tests.vm.httpd import Server
from tests.vm.image import GuestImage
from tests.vm.patience import patient
from tests.vm.rpms import version_release

pytestmark = pytest.mark.vm


def test_a_guest_runs_the_stock_kernel_and_answers(image: GuestImage, tmp_path: Path) -> None:
    uname = image.kernel.release
    version, release = version_release(uname)
    (tmp_path / "file").write_text("over http\n")
    with Server(tmp_path) as server, Guest(image, "harness") as guest:
        guest.boot("kpatch.enable=0")
        assert guest.run("uname -r").stdout == f"{uname}\n"
        assert "kpatch.enable=0" in guest.read("/proc/cmdline")
        assert guest.run("systemctl --failed --no-legend").stdout == ""

        failed = guest.run("echo out; echo err >&2; exit 7", check=False)
        assert (failed.status, failed.stdout, failed.stderr) == (7, "out\n", "err\n")
        with pytest.raises(GuestError, match=f"no end after {patient(1):g} s"):
            guest.run("sleep 60", timeout=1)
        assert guest.run("pgrep -x sleep", check=False).status == 1, "what ran out of time was killed"

        data = bytes(range(256)) * 800
        guest.put("/tmp/sub/data", data, 0o600)
        assert guest.run("stat -c '%a %s' /tmp/sub/data").stdout == f"600 {len(data)}\n"

        fetch = f"import urllib.request as r; print(r.urlopen('{server.url}/file').read().decode(), end='')"
        assert guest.run(f'python3 -c "{fetch}"').stdout == "over http\n"
        assert any("/file" in line for line in server.requests)

        assert f"kernel-core-{version}-{release}.x86_64" in guest.run("rpm -qa").stdout.split()
        assert guest.run("rpm -V kernel-core && rpm -q --whatprovides python3 systemd /bin/sh").status == 0
        assert guest.run("readlink -f $(command -v yum)").stdout == guest.run("readlink -f $(command -v dnf)").stdout

        first_boot = guest.read("/proc/sys/kernel/random/boot_id")
        guest.reboot()
        assert guest.read("/proc/sys/kernel/random/boot_id") != first_boot
        assert "kpatch.enable=0" not in guest.read("/proc/cmdline")
        assert guest.run("test -d /tmp").status == 0
        guest.assert_clean_log()
        guest.power_off()


def test_a_warning_in_the_kernel_log_and_a_panic_are_seen(image: GuestImage) -> None:
    with Guest(image, "splat") as guest:
        guest.boot()
        guest.assert_clean_log()
        guest.run("echo 'WARNING: CPU: 0 PID: 1 at nowhere' >/dev/kmsg")
        with pytest.raises(GuestError, match="not clean"):
            guest.assert_clean_log()
        with pytest.raises(GuestError, match=r"(?s)the guest died.*sysrq: Trigger a crash"):
            guest.run("echo c >/proc/sysrq-trigger", timeout=60)


def test_no_machine_outlives_a_run_that_is_killed(image: GuestImage) -> None:
    script = (
        "import sys, time\n"
        "from tests.vm.guest import Guest\n"
        "from tests.vm.image import guest_image\n"
        "from tests.vm.kernels import stock_kernel\n"
        "machine = Guest(guest_image(stock_kernel()), 'orphan')\n"
        "print(machine.work, flush=True)\n"
        "machine.boot()\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    work = run.stdout.readline().strip()
    try:
        deadline = time.monotonic() + 60
        while not machines(work):
            assert time.monotonic() < deadline, "the machine was started"
            time.sleep(0.1)
        run.kill()
        run.wait()
        while machines(work):
            assert time.monotonic() < deadline, "the machine ended with the run"
            time.sleep(0.1)
    finally:
        run.stdout.close()
        shutil.rmtree(work)


def machines(work: str) -> list[str]:
    """Process ids of the QEMUs that use the directory ``work``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"qemu-system" in (line := path.read_bytes()) and work.encode() in line:
                found.append(path.parent.name)
        except OSError:
            continue
    return found
