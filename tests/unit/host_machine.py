"""A machine on disk: a file tree with /proc, /sys and the store, and insmod, rmmod, modprobe that change it.

The tools stand in for a kernel that nobody may change in a unit test; they are called as the real ones are, through
the one door for processes.  What a real kernel does with the same modules is what tests/vm shows.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from kpatch.host.paths import Paths

RELEASE = "6.1.0-56-amd64"
TOP = Path(__file__).resolve().parents[2]

# argv[0] names the tool.  `fail` in the root holds what the next calls of insmod answer, one line each.
TOOL = """#!{python}
import os, shutil, sys
sys.path.insert(0, {top!r})
from kpatch.host.modinfo import read_modinfo
root, core, log = {root!r}, {root!r} + "/sys/kernel/kpatch", {root!r} + "/calls"
def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
def get(path):
    return open(path).read() if os.path.exists(path) else ""
tool, what = os.path.basename(sys.argv[0]), sys.argv[1]
put(log, get(log) + tool + " " + os.path.basename(what) + "\\n")
modules = [line for line in get(root + "/proc/modules").splitlines() if line]
answers = get(root + "/fail").splitlines()
if tool == "insmod" and answers and not what.endswith("/kpatch.ko"):
    put(root + "/fail", "\\n".join(answers[1:]))
    if answers[0] != "ok":
        sys.exit("insmod: ERROR: could not insert module " + what + ": " + answers[0])
if tool == "rmmod":
    name = what
    if name not in [line.split()[0] for line in modules]:
        sys.exit("rmmod: ERROR: Module " + name + " is not currently loaded")
    if get(core + "/" + name + "/enabled").strip() == "1":
        sys.exit("rmmod: ERROR: Module " + name + " is in use")
    shutil.rmtree(core + "/" + name, ignore_errors=True)
    put(root + "/proc/modules", "".join(line + "\\n" for line in modules if line.split()[0] != name))
    sys.exit()
if tool == "modprobe":
    sys.exit("modprobe: FATAL: Module kpatch not found in directory /lib/modules/x")
info = read_modinfo(what)
if info.module in [line.split()[0] for line in modules]:
    sys.exit("insmod: ERROR: could not insert module " + what + ": File exists")
put(root + "/proc/modules", "".join(line + "\\n" for line in modules) + info.module + " 1 0 - Live 0x0\\n")
if info.module == "kpatch":
    put(core + "/version", "1.0.0\\n")
    put(core + "/last_refusal", "")
    sys.exit()
for name in os.listdir(core):
    if info.replaces and get(core + "/" + name + "/enabled").strip() == "1":
        put(core + "/" + name + "/enabled", "0\\n")
        put(core + "/" + name + "/state", "replaced\\n")
put(core + "/" + info.module + "/enabled", "1\\n")
put(core + "/" + info.module + "/state", "enabled\\n")
put(core + "/" + info.module + "/checksum", info.checksum + "\\n")
put(core + "/" + info.module + "/vmlinux/meminfo_proc_show,0/method", "direct\\n")
"""


def module_bytes(fields: list[str]) -> bytes:
    """The smallest relocatable ELF object with a ``.modinfo`` of ``fields``."""
    modinfo = b"".join(field.encode() + b"\0" for field in fields)
    names = b"\0.modinfo\0.shstrtab\0"
    body = modinfo + names
    offset = 64 + len(body)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, offset, 0, 64, 0, 0, 64, 3, 2)
    table = bytes(64)
    table += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, 64, len(modinfo), 0, 0, 1, 0)
    table += struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, 64 + len(modinfo), len(names), 0, 0, 1, 0)
    return header + body + table


def patch_bytes(
    name: str, release: str = RELEASE, checksum: str = "aa", cves: str = "", replace: bool = True, version: str = ""
) -> bytes:
    """A hot patch module's modinfo as the build side writes it."""
    fields = ["license=GPL", "depends=kpatch", "kpatch=1", f"kpatch_name={name}", f"kpatch_kernel={release}"]
    fields += [f"kpatch_checksum={checksum}", f"kpatch_cves={cves}", f"kpatch_replace={int(replace)}"]
    fields += ["kpatch_interface=core", f"vermagic={release} SMP preempt mod_unload modversions "]
    fields += [f"kpatch_version={version}"] if version else []
    return module_bytes([*fields, "name=kpatch_" + name.replace("-", "_")])


class Machine:
    """The tree below ``root`` and what a test wants to do to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(str(root))
        for name in ("run", "sys/kernel", "sys/module", "proc/1", "proc/self", "var/lib/kpatch", "usr/lib/kpatch"):
            (root / name).mkdir(parents=True)
        self.write("proc/sys/kernel/osrelease", RELEASE + "\n")
        self.write("proc/self/status", "Name:\tpython3\nCapEff:\t000001ffffffffff\n")
        self.write("proc/cmdline", "root=/dev/vda ro quiet\n")
        self.write("proc/modules", "")
        (root / "proc/1/root").symlink_to(root)
        self.write(f"usr/lib/modules/{RELEASE}/extra/kpatch/kpatch.ko", module_bytes(["name=kpatch", "license=GPL"]))

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def package(self, name: str, **facts: str | bool) -> Path:
        """Install the patch ``name`` as its RPM would."""
        return self.write(f"usr/lib/kpatch/{RELEASE}/kpatch-{name}.ko", patch_bytes(name, **facts))  # type: ignore[arg-type]

    def answers(self, *lines: str) -> None:
        """What the next calls of insmod fail with (``ok``: they work)."""
        self.write("fail", "\n".join(lines))

    def refusal(self, text: str) -> None:
        self.write("sys/kernel/kpatch/last_refusal", text)

    @property
    def calls(self) -> list[str]:
        """The tools that were called since the last look."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def state(self, name: str) -> str:
        """State of a patch in the core module's sysfs, empty when it is not there."""
        path = self.root / "sys/kernel/kpatch" / name / "state"
        return path.read_text().strip() if path.exists() else ""

    @property
    def modules(self) -> list[str]:
        return [line.split()[0] for line in self.read("proc/modules").splitlines()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose tools come first on PATH and whose waits take no time."""
    from kpatch.host import wait

    root = tmp_path / "root"
    root.mkdir()
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("insmod", "rmmod", "modprobe"):
        tool = tools / name
        tool.write_text(TOOL.format(python=sys.executable, top=str(TOP), root=str(root)))
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(wait, "sleep", lambda seconds: None)
    return Machine(root)
