"""A virtual machine that runs a stock kernel: boot, run commands, read the kernel log, power off.

A verdict is a line that came back from the guest; a machine that died or hangs raises
:class:`GuestError` with the end of its console.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.vm import emulator, patience
from tests.vm.image import GuestImage

__all__ = ["HOST", "Guest", "GuestError", "Result"]

HOST = "10.0.2.2"  # how the guest reaches servers on the host's loopback
BOOT_TIMEOUT = patience.patient(180)
RUN_TIMEOUT = 180.0
POWER_OFF_TIMEOUT = patience.patient(90)
KERNEL_ARGUMENTS = f"root=/dev/vda rw console=ttyS0 loglevel=7 panic=-1 oops=panic {patience.KERNEL_ARGUMENTS}"
QUIET_SYSTEMD = "TERM=dumb systemd.show_status=false systemd.log_level=warning"

# What must never stand in the kernel log.
SPLAT = re.compile(
    r"WARNING:|BUG:|\bOops\b|cut here|general protection|Kernel panic|possible (recursive|circular) locking"
    r"|invalid opcode|stack guard|hung_task|blocked for more than|detected stalls|soft lockup|UBSAN|KASAN|Call Trace"
)


class GuestError(AssertionError):
    """The guest did not do what it was asked to."""


@dataclass(frozen=True)
class Result:
    """What came of one command in the guest."""

    command: str
    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, for a look at everything that was said."""
        return self.stdout + self.stderr

    def __str__(self) -> str:
        return f"guest$ {self.command}\nexit status {self.status}\n{self.stdout}{self.stderr}"


class Guest:
    """One virtual machine with a disk of its own above a shared image; a context manager.

    ``boot_seconds``: how long the last boot took until everything was up; ``work``: its directory of disks and logs.
    """

    def __init__(self, image: GuestImage, name: str = "guest", disks: tuple[Path, ...] = ()) -> None:
        self.image = image
        self.boot_seconds = 0.0
        self.work = Path(tempfile.mkdtemp(prefix=f"kpatch-{name}-"))
        self._disks = [self._overlay(disk, index) for index, disk in enumerate([image.disk, *disks])]
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._received = b""
        self._boots = 0
        self._ids = itertools.count(1)

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.work, ignore_errors=True)

    # -- life ------------------------------------------------------------------------------------

    def boot(self, arguments: str = "", root: str = "/dev/vda") -> None:
        """Start the machine and wait until systemd has brought up everything."""
        assert self._process is None, "the guest runs already"
        self._boots += 1
        started = time.monotonic()
        argv = self._argv(f"{KERNEL_ARGUMENTS.replace('/dev/vda', root)} {QUIET_SYSTEMD} {arguments}".strip())
        with open(self.work / "qemu.log", "ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._connect(started + 10)
        ready = self._receive(started + BOOT_TIMEOUT, "booting")
        if "ready" not in ready:
            raise GuestError(f"the agent greeted with {ready}")
        self.boot_seconds = time.monotonic() - started

    def reboot(self, arguments: str = "") -> None:
        """Shut the system down as an administrator would, and boot it again."""
        self._shut_down("systemctl --no-block reboot")
        self.boot(arguments)

    def power_off(self) -> None:
        """Shut the system down; the kernel's own last line must be in the log."""
        self._shut_down("systemctl --no-block poweroff")
        if "reboot: Power down" not in self.console():
            raise GuestError(f"no clean power off\n{self._tail()}")

    def kill(self) -> None:
        """End the machine at once, as a power failure would."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._received = b""

    # -- work ------------------------------------------------------------------------------------

    def run(self, command: str, check: bool = True, timeout: float = RUN_TIMEOUT) -> Result:
        """Run ``command`` with bash as root; with ``check``, a status other than 0 raises :class:`GuestError`."""
        if self._socket is None:
            raise GuestError(f"the guest is not running: {command}")
        number = next(self._ids)
        timeout = patience.patient(timeout)
        request = {"id": number, "shell": command, "timeout": timeout}
        self._socket.settimeout(30)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        reply = self._receive(time.monotonic() + timeout + 30, command)
        if reply.get("id") != number:
            raise GuestError(f"answer to something else than {command!r}: {reply}\n{self._tail()}")
        result = Result(command, int(str(reply["status"])), str(reply["stdout"]), str(reply["stderr"]))
        if result.status == -1:
            raise GuestError(f"no end after {timeout:g} s\n{result}\n{self._tail()}")
        if check and result.status != 0:
            raise GuestError(f"{result}\n{self._tail()}")
        return result

    def put(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Write the file ``path`` in the guest."""
        raw = data.encode() if isinstance(data, str) else data
        text = base64.b64encode(raw).decode()
        step = 90_000  # a command line's argument may be 128 KiB long
        self.run(f"mkdir -p $(dirname {path}) && : >{path} && chmod {mode:o} {path}")
        for start in range(0, len(text), step):
            self.run(f"base64 -d >>{path} <<<'{text[start : start + step]}'")

    def read(self, path: str) -> str:
        """The text of the file ``path`` in the guest."""
        return self.run(f"cat {path}").stdout

    # -- logs ------------------------------------------------------------------------------------

    def console(self) -> str:
        """What the kernel wrote to the serial console since the last boot."""
        path = self._console_path
        return path.read_text(errors="replace").replace("\r", "") if path.exists() else ""

    def kernel_log(self) -> str:
        """The kernel's own log of the running system."""
        return self.run("dmesg").stdout

    def assert_clean_log(self) -> None:
        """No warning, bug, oops, stall or lockdep splat since the guest was created, over all boots."""
        for log in sorted(self.work.glob("console-*.log")):
            lines = log.read_text(errors="replace").splitlines()
            bad = [index for index, line in enumerate(lines) if SPLAT.search(line)]
            if bad:
                excerpt = "\n".join(lines[max(0, bad[0] - 5) : bad[0] + 40])
                raise GuestError(f"the kernel log of {log.name} is not clean:\n{excerpt}")

    # -- below -----------------------------------------------------------------------------------

    @property
    def _console_path(self) -> Path:
        return self.work / f"console-{self._boots:02}.log"

    def _tail(self) -> str:
        return "-- the console's end:\n" + "\n".join(self.console().splitlines()[-60:])

    def _overlay(self, disk: Path, index: int) -> Path:
        path = self.work / f"disk{index}.qcow2"
        argv: list[str | Path] = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", path]
        subprocess.run(argv, check=True, timeout=60)
        return path

    def _argv(self, arguments: str) -> list[str]:
        drives: list[str] = []
        for disk in self._disks:
            drives += ["-drive", f"file={disk},format=qcow2,if=virtio,cache=unsafe"]
        return [
            *["setpriv", "--pdeathsig", "KILL"],  # however the test run ends, no machine is left behind
            *emulator.machine(),
            *["-kernel", str(self.image.kernel.vmlinuz), "-initrd", str(self.image.initramfs), "-append", arguments],
            *drives,
            *["-serial", f"file:{self._console_path}"],
            *["-chardev", f"socket,id=agent,path={self.work / 'agent'},server=on,wait=off"],
            *["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"],
            *["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
            *["-device", "virtio-rng-pci"],
        ]

    def _connect(self, deadline: float) -> None:
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.work / "agent"))
            except OSError as error:
                connection.close()
                if time.monotonic() > deadline or self._ended():
                    log = (self.work / "qemu.log").read_text(errors="replace")
                    raise GuestError(f"qemu does not answer: {error}\n{log}") from error
                time.sleep(0.02)
            else:
                self._socket = connection
                return

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _receive(self, deadline: float, doing: str) -> dict[str, object]:
        assert self._socket is not None
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise GuestError(f"the guest does not answer: {doing}\n{self._tail()}")
            self._socket.settimeout(min(left, 1))
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError as error:
                raise GuestError(f"the guest died: {doing}: {error}\n{self._tail()}") from error
            if not data:
                raise GuestError(f"the guest died: {doing}\n{self._tail()}")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        reply: dict[str, object] = json.loads(line)
        return reply

    def _shut_down(self, command: str) -> None:
        if self._socket is None or self._process is None:
            raise GuestError(f"the guest is not running: {command}")
        # No answer is awaited: the agent goes down with the rest.
        self._socket.sendall(json.dumps({"id": 0, "shell": command, "timeout": 30}).encode() + b"\n")
        try:
            self._process.wait(POWER_OFF_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise GuestError(f"still running {POWER_OFF_TIMEOUT} s after {command}\n{self._tail()}") from error
        finally:
            self.kill()
