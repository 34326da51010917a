"""The compiler that built the kernel: found by name and version text, never guessed silently."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kpatch.errors import BadInput
from kpatch.kernel.buildroot import HOST, Toolchain
from kpatch.kernel.config import KernelConfig
from kpatch.log import logger

__all__ = ["Compiler", "find_compiler"]


@dataclass(frozen=True)
class Compiler:
    """``command``: what runs; ``version``: its first line of ``--version``; ``tools``: where it is installed."""

    command: str
    version: str
    tools: Toolchain = HOST

    def writes_btf(self) -> bool:
        """Whether it knows ``-gbtf``; asked of it, since vendors' version texts and patches differ."""
        argv = [self.command, "-gbtf", "-S", "-x", "c", "-o", "/dev/null", "/dev/null"]
        return self.tools.run(argv, check=False).returncode == 0


def _identity(version: str) -> str:
    """``gcc-12 (Debian 12.2.0-14) 12.2.0`` without the name that it was called by."""
    return version.partition(" ")[2].strip() or version


def _candidates(wanted: str) -> list[str]:
    name = wanted.partition(" ")[0].rpartition("/")[2]
    major = re.search(r"\) (\d+)\.", wanted)
    names = [name]
    if major:
        names.append(f"gcc-{major[1]}")
    return list(dict.fromkeys([*names, "gcc"]))


def find_compiler(config: KernelConfig, skip_check: bool = False, tools: Toolchain = HOST) -> Compiler:
    """The compiler of ``tools`` that ``CONFIG_CC_VERSION_TEXT`` names. Raises :class:`BadInput` when none fits.

    With ``skip_check`` another version is taken, with a warning: vendor match still judges its code.
    """
    wanted = config.get("CC_VERSION_TEXT")
    seen: list[Compiler] = []
    for name in _candidates(wanted):
        if not tools.has(name):
            continue
        lines = tools.run([name, "--version"]).stdout.splitlines()
        compiler = Compiler(name, lines[0].strip() if lines else "", tools)
        if _identity(compiler.version) == _identity(wanted):
            return compiler
        seen.append(compiler)
    found = ", ".join(compiler.version for compiler in seen)
    have = f"{tools.where}: {found}" if found else f"no compiler is installed {tools.where}"
    message = f"the kernel was built by {wanted or 'an unknown compiler'}; {have}"
    if skip_check and seen:
        logger.warning("warning: %s: going on, vendor match will tell", message)
        return seen[0]
    raise BadInput(message, _remedy(_candidates(wanted)[0], tools))


def _remedy(name: str, tools: Toolchain) -> str:
    if tools is HOST:
        how = f"install {name} of the distribution release that the kernel comes from, or name a chroot of that "
        how += "release with --buildroot DIR"
    else:
        how = f"install {name} in {tools.root}, which must be of the distribution release that the kernel comes from"
    return how + "; or try --skip-compiler-check: vendor match still judges the code"
