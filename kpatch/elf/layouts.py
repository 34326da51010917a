"""Where the members of each type lie, as the compiler's type information says."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Layout", "Layouts", "Member"]


@dataclass(frozen=True)
class Member:
    """``offset`` and ``size`` in bits; members of unnamed structs and unions count as the outer one's own."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Layout:
    """One struct or union; ``size`` in bytes."""

    size: int
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Layouts:
    """Of one object: ``types`` by name (``struct foo``, or a typedef's when the struct has none of its own).

    ``constants`` of all enums by their own names.
    """

    types: dict[str, Layout] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
