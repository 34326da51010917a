"""What the differ found: the frozen artifact that the later stages take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kpatch.elf.object import ElfObject

__all__ = ["ChangedFunction", "DiffResult", "Refusal"]


@dataclass(frozen=True)
class Refusal:
    """One reason why the change cannot be made soundly; ``code`` is stable."""

    code: str
    symbol: str
    section: str
    message: str
    remedy: str


@dataclass(frozen=True)
class ChangedFunction:
    """A function of the running kernel that gets a new body.

    ``name`` as the original object has it; ``symbol`` is the new body's symbol in the out
    object; sizes in bytes.  ``redirected`` is False for code that is only entered from
    redirected functions (``foo.cold``): its old body must not be on a stack either.
    """

    name: str
    old_size: int
    new_size: int
    symbol: str
    redirected: bool = True
    force: bool = False


@dataclass
class DiffResult:
    """``status``: ``changed`` (``out`` is set), ``unchanged`` or ``refused``."""

    status: str = "unchanged"
    out: ElfObject | None = None
    objname: str = "vmlinux"
    changed_functions: list[ChangedFunction] = field(default_factory=list)
    new_functions: list[str] = field(default_factory=list)
    new_data: list[str] = field(default_factory=list)
    special: dict[str, int] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    #: of ``references``: symbols whose address the original object did not take; a function among them may have lost
    #: its landing pad where the kernel seals for indirect branch tracking
    address_taken: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, code: str, symbol: str, section: str, message: str, remedy: str = "") -> None:
        """Add a refusal, once."""
        refusal = Refusal(code, symbol, section, message, remedy or "leave this part of the change out")
        if refusal not in self.refusals:
            self.refusals.append(refusal)

    def to_json(self) -> dict[str, Any]:
        """The result as plain data, for ``--json``."""
        return {
            "status": self.status,
            "object": self.objname,
            "changed_functions": [function.name for function in self.changed_functions if function.redirected],
            "changed_parts": [function.name for function in self.changed_functions if not function.redirected],
            "new_functions": self.new_functions,
            "new_data": self.new_data,
            "special": self.special,
            "references": [{"symbol": name} for name in self.references],
            "address_taken": self.address_taken,
            "warnings": self.warnings,
            "refusals": [vars(refusal) for refusal in self.refusals],
        }
