"""Runs inside the guest: takes commands from a virtio-serial port and returns what came of them.

One JSON object per line each way.  Request: ``id``, ``shell`` (a bash command line), ``timeout``
in seconds.  Reply: ``id``, ``status`` (-1: out of time), ``stdout``, ``stderr``.  After each start
of the agent comes one line of its own accord, ``{"ready": BOOT-ID}``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import BinaryIO

PORT_NAME = "agent"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def find_port() -> Path:
    """The device of the port that the host named; it appears when its driver has probed."""
    while True:
        for entry in Path("/sys/class/virtio-ports").glob("*"):
            if (entry / "name").read_text().strip() == PORT_NAME:
                return Path("/dev") / entry.name
        time.sleep(0.05)


def execute(shell: str, timeout: float) -> dict[str, object]:
    """Run ``shell`` in a session of its own, so that at the end of its time all of it can be killed."""
    process = subprocess.Popen(
        ["/bin/bash", "-c", shell],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/root",
        env=ENVIRONMENT,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        status = -1
    return {"status": status, "stdout": stdout.decode(errors="replace"), "stderr": stderr.decode(errors="replace")}


def send(port: BinaryIO, message: dict[str, object]) -> None:
    """One object, one line; the port takes what it likes at a time."""
    data = memoryview(json.dumps(message).encode() + b"\n")
    while data:
        data = data[port.write(data) :]


def main() -> None:
    """Serve until the machine goes down."""
    with open(find_port(), "r+b", buffering=0) as port:
        send(port, {"ready": Path("/proc/sys/kernel/random/boot_id").read_text().strip()})
        pending = b""
        while True:
            data = port.read(65536)
            if not data:  # the host has not connected yet
                time.sleep(0.05)
                continue
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                send(port, {"id": request["id"], **execute(request["shell"], request["timeout"])})


if __name__ == "__main__":
    main()
