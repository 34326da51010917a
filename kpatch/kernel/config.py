"""A kernel's configuration: what it says, and which settings make a hot patch impossible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kpatch.errors import BadInput, Unpatchable

__all__ = ["KernelConfig", "check_config"]

_LINE = re.compile(r'^(CONFIG_\w+)=(?:"(.*)"|(.*))$')
_TITLE = re.compile(r"^# Linux/(\S+) (\d+\.\d+\.\d+)\S* Kernel Configuration$", re.MULTILINE)


@dataclass(frozen=True)
class KernelConfig:
    """``settings`` maps ``CONFIG_X`` to its value; what is not set is not in it."""

    path: Path
    settings: Mapping[str, str]
    arch: str
    version: str

    @classmethod
    def read(cls, path: Path) -> KernelConfig:
        """Read a ``.config``. Raises :class:`BadInput` when it is missing or is none."""
        try:
            text = path.read_text("utf-8", "replace")
        except OSError as error:
            raise BadInput(f"cannot read the kernel configuration {path}: {error.strerror}") from error
        settings = {}
        for line in text.splitlines():
            match = _LINE.match(line)
            if match:
                settings[match[1]] = match[2] if match[2] is not None else match[3]
        if not settings:
            raise BadInput(
                f"{path} is no kernel configuration: it sets nothing",
                "give the file that the kernel package installs as /boot/config-RELEASE (-c FILE)",
            )
        title = _TITLE.search(text[:4096])
        return cls(path, settings, title[1] if title else "", title[2] if title else "")

    def get(self, name: str) -> str:
        """The value of ``CONFIG_<name>``, "" when it is not set."""
        return self.settings.get(f"CONFIG_{name}", "")

    def enabled(self, name: str) -> bool:
        """Whether ``CONFIG_<name>`` is built in."""
        return self.get(name) == "y"


@dataclass(frozen=True)
class _Rule:
    """A setting that must (``wanted``) or must not be on."""

    name: str
    wanted: bool
    reason: str


# Kconfig names; the reasons say what breaks, not what kbuild calls it.
_RULES = (
    _Rule("X86_64", True, "only x86_64 kernels can be patched so far"),
    _Rule("MODULES", True, "the kernel loads no modules, and a hot patch is one"),
    _Rule("DYNAMIC_FTRACE", True, "functions have no place where a call could be redirected"),
    _Rule("DYNAMIC_FTRACE_WITH_REGS", True, "calls cannot be redirected without the registers"),
    _Rule("KALLSYMS", True, "the kernel names no symbols, so nothing can be verified"),
    _Rule("UNWINDER_ORC", True, "stacks cannot be checked reliably without the ORC unwinder"),
    _Rule("GCC_PLUGIN_RANDSTRUCT", False, "structure layouts depend on a secret seed of the vendor's build"),
    _Rule("RANDSTRUCT", False, "structure layouts depend on a secret seed of the vendor's build"),
    _Rule("GCC_PLUGIN_LATENT_ENTROPY", False, "every compilation gives different code"),
    _Rule("LTO_CLANG", False, "functions of one object are compiled together with all others"),
)


_INTERFACE_RULES = {
    "core": (),
    "livepatch": (
        _Rule("LIVEPATCH", True, "the kernel has no live patching of its own; build for the core module instead"),
    ),
}


def check_config(config: KernelConfig, interface: str = "core") -> None:
    """Raise :class:`Unpatchable` with every reason why this kernel cannot be patched by ``interface``."""
    faults = [rule for rule in _RULES + _INTERFACE_RULES[interface] if config.enabled(rule.name) != rule.wanted]
    if faults:
        lines = [f"CONFIG_{rule.name} is {'off' if rule.wanted else 'on'}: {rule.reason}" for rule in faults]
        raise Unpatchable(
            f"a kernel with this configuration ({config.path}) cannot be hot patched:\n  " + "\n  ".join(lines),
            "check that this is the configuration of the kernel to patch; otherwise use a kernel built differently",
        )
