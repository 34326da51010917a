"""What new code may refer to of the running kernel, and by which name."""

from __future__ import annotations

from kpatch.arch.machine import Machine
from kpatch.diff.model import Entity
from kpatch.diff.names import is_init_section
from kpatch.diff.result import DiffResult
from kpatch.diff.special import SpecialTables
from kpatch.diff.users import Users

__all__ = ["Running", "has_landing_pad"]


class Running:
    """The original as new code sees it; ``users``: who refers to what in the original.

    Names that may be used are returned, what may not be used is refused in ``result``.
    """

    def __init__(self, tables: SpecialTables, users: Users, result: DiffResult) -> None:
        self.tables = tables
        self.machine: Machine = tables.view.machine
        self.users = users
        self.result = result
        self._named: dict[str, Entity] = {}
        self._address_taken: set[str] = set()

    def function(self, original: Entity, branch: bool) -> str:
        """The name of ``original``, for a call or jump (``branch``) or a pointer."""
        self._check_freed(original, "init-code", "a function that the kernel frees after start")
        if not branch:
            self._check_sealed(original)
        return self._name(original)

    def object(self, original: Entity) -> str:
        """The name of ``original``."""
        self._check_freed(original, "init-data", "data that the kernel frees after start")
        return self._name(original)

    def foreign(self, name: str, branch: bool) -> str:
        """``name``, which another object defines."""
        if not branch and name not in self.users.foreign_pointers:
            self._address_taken.add(name)
        return name

    @property
    def address_taken(self) -> list[str]:
        """Names whose address is taken now, but was not before."""
        return sorted(self._address_taken)

    def _name(self, original: Entity) -> str:
        """Its name must mean one thing (``ld -r`` leaves local namesakes)."""
        if self._named.setdefault(original.name, original) is not original:
            self.result.refuse(
                "ambiguous-name",
                original.name,
                original.section.name,
                f"the new code refers to two different things of the running kernel called {original.name}",
                "compare the objects of the source files before they are joined",
            )
        return original.name

    def _check_freed(self, original: Entity, code: str, what: str) -> None:
        """What is freed after start may only be used where running code used it before (``__ref``)."""
        running = (*self.users.branches[original], *self.users.pointers[original])
        if is_init_section(original.section.name) and all(is_init_section(user.section.name) for user in running):
            message = f"new code uses {original.name}: {what}"
            self.result.refuse(code, original.name, original.section.name, message)

    def _check_sealed(self, original: Entity) -> None:
        """A pointer that no code held before may lead to a landing pad that the kernel took away."""
        if original in self.users.elsewhere or self.users.pointers[original]:
            return
        self._address_taken.add(original.name)
        sealed = any(entry.special.drop for entry in self.tables.entries_of(original))
        if has_landing_pad(original, self.machine) and (sealed or original.is_local):
            self.result.refuse(
                "sealed-function",
                original.name,
                original.section.name,
                f"the patch takes the address of {original.name}, which no code did before: "
                "with indirect branch tracking a call through it faults",
                "call the function directly, or give the patch a copy of it under another name",
            )


def has_landing_pad(function: Entity, machine: Machine) -> bool:
    """Whether ``function`` begins with an instruction that indirect calls may lead to (ENDBR)."""
    return any(pad and function.section.data.startswith(pad, function.start) for pad in machine.landing_pads)
