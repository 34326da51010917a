"""Vendor match: is the rebuilt original the code that the vendor shipped, and where do its symbols lie?

Every function of the rebuilt object is looked up in the shipped image and compared, first byte by
byte outside of the relocated fields, else by instruction (:mod:`kpatch.build.decode`).  The value
in each relocated field of the shipped code then gives the address of the symbol that the object
refers to there; all fields must agree on it, with each other and with kallsyms.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from kpatch.arch.machine import Machine
from kpatch.arch.registry import machine_of
from kpatch.build.addresses import Addresses
from kpatch.build.compare import Comparer, Found, FunctionCode, Shipped, functions_of
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Symbol
from kpatch.errors import BadInput, MismatchError
from kpatch.kernel.symbols import SymbolTable

__all__ = ["Match", "MatchedFunction", "Shipped", "match_object"]

_HINT = (
    "build with the compiler, configuration and source that the vendor used: compare `gcc --version` with the "
    "kernel's banner, use the config and the source package of exactly this kernel"
)

_WEAK_HINT = (
    "{} is a weak function: this kernel has another object's in its place, most likely its architecture's own; "
    "patch that one, or leave this one out"
)

_LARGEST_OBJECT = 1 << 22
"""Bytes of text; no object of a kernel has more."""

_PADDING_NAMES = ("__pfx_", "__cfi_")

_Pending = list[tuple[FunctionCode, list[Found]]]


@dataclass(frozen=True)
class MatchedFunction:
    """A function of the shipped code: link-time address, bytes, livepatch's sympos, and how it was recognised."""

    address: int
    size: int
    sympos: int
    exact: bool


@dataclass
class Match:
    """What the comparison yielded.

    ``addresses``: link-time address of each symbol of the original object that could be resolved,
    its own and those it refers to; a local name that occurs twice is in ``by_symbol`` only.
    ``failures``: why the other functions were not found; they matter only when one is patched.
    """

    functions: dict[str, MatchedFunction] = field(default_factory=dict)
    addresses: dict[str, int] = field(default_factory=dict)
    by_symbol: dict[Symbol, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def match_object(
    original: ElfObject, image: Shipped, symbols: SymbolTable, *, functions: Collection[str] | None = None
) -> Match:
    """Find the functions of the rebuilt ``original`` in ``image``, whose symbols are ``symbols``.

    ``functions`` names those that must be found (None: all).  Raises :class:`MismatchError` with
    the first difference when one of them is not the vendor's, :class:`BadInput` for an unknown machine.
    """
    machine = machine_of(original.machine)
    if machine is None:
        raise BadInput(f"{original.path}: no vendor match for machine {original.machine}")
    matcher = _Matcher(original, machine, image, symbols)
    match = matcher.run()
    wanted = [code.name for code in matcher.codes] if functions is None else sorted(functions)
    unknown = [name for name in wanted if name not in match.functions and name not in match.failures]
    if unknown:
        raise BadInput(f"{original.path} defines no function called {', '.join(unknown)}")
    failed = [match.failures[name] for name in wanted if name in match.failures]
    if failed:
        rest = f"\n({len(failed) - 1} more functions differ)" if len(failed) > 1 else ""
        weak = next((name for name in wanted if name in match.failures and matcher.is_weak(name)), None)
        hint = _WEAK_HINT.format(weak) if weak else _HINT
        raise MismatchError(f"what was rebuilt is not what the vendor shipped: {failed[0]}{rest}", hint)
    return match


class _Matcher:
    """One run of :func:`match_object`."""

    def __init__(self, original: ElfObject, machine: Machine, image: Shipped, symbols: SymbolTable) -> None:
        self.original, self.image, self.symbols = original, image, symbols
        self.codes = list(functions_of(original, machine))
        self.comparer = Comparer(image, machine, symbols, self.codes)
        self.addresses = Addresses(symbols, self.codes)
        self.names = {symbol.name for symbol in original.symbols}
        self.match = Match()
        self.accepted: dict[Symbol, Found] = {}
        self.code_of = {code.symbol: code for code in self.codes}

    def run(self) -> Match:
        pending: _Pending = []
        for code in self.codes:
            candidates, failure = self._candidates(code)
            if candidates:
                pending.append((code, candidates))
            else:
                self.match.failures[code.name] = failure
        self._settle(pending)
        self._check_inner()
        self._publish()
        return self.match

    def is_weak(self, name: str) -> bool:
        """Whether the function ``name`` gives way to another object's at the final link."""
        symbol = self.original.symbol(name)
        return symbol is not None and symbol.bind == c.STB_WEAK

    def _settle(self, pending: _Pending) -> None:
        """Decide for candidates, those without choice first; each decision narrows the others."""
        pending.sort(key=lambda entry: len(entry[1]))
        while pending:
            rest: _Pending = []
            for code, candidates in pending:
                possible = [found for found in candidates if not self._conflict(code, found)]
                if not possible:
                    self.match.failures.setdefault(code.name, f"{code.name}: {self._conflict(code, candidates[0])}")
                elif len(possible) == 1:
                    self._accept(code, possible[0])
                else:
                    rest.append((code, possible))
            if len(rest) == len(pending):
                rest = self._settle_by_neighbours(rest)
            pending = rest

    def _settle_by_neighbours(self, pending: _Pending) -> _Pending:
        """Among twins with the same code take the one that stands among this object's functions; else give up."""
        rest = []
        for code, candidates in pending:
            sides = [self._own_sides(twin) for twin in candidates]
            # The last function of the object before ours, or the first of the next one, has one of our sides.
            best = [twin for twin, count in zip(candidates, sides) if count and count == max(sides)]
            if len(best) == 1:
                self._accept(code, best[0])
            else:
                rest.append((code, candidates))
        if len(rest) < len(pending):
            return rest
        for code, candidates in rest:
            places = ", ".join(f"{twin.address:#x}" for twin in candidates[:4])
            more = f" and {len(candidates) - 4} more places" if len(candidates) > 4 else ""
            self.match.failures[code.name] = (
                f"{code.name}: the same code is at {places}{more}; cannot tell which it is"
            )
        return []

    def _own_sides(self, twin: Found) -> int:
        """On how many sides of ``twin`` only this object's names stand up to the next function found so far."""
        found = [function.address for function in self.match.functions.values()]
        below = max((address for address in found if address < twin.address), default=None)
        above = min((address for address in found if address > twin.address), default=None)
        return sum(
            end - start < _LARGEST_OBJECT and all(self._is_ours(name) for name in self.symbols.between(start, end))
            for start, end in ((below, twin.address), (twin.address, above))
            if start is not None and end is not None
        )

    def _is_ours(self, name: str) -> bool:
        # The final link names the padding before a function (``__pfx_foo``); one object does not.
        return name in self.names or (name.startswith(_PADDING_NAMES) and name[6:] in self.names)

    def _conflict(self, code: FunctionCode, found: Found) -> str:
        own = self.addresses.conflict(code.symbol, found.address)
        if own:
            return own
        for reloc, address in found.references:
            conflict = self.addresses.conflict(reloc.symbol, address)
            if conflict:
                return f"the reference at +{reloc.offset - code.start:#x} finds {conflict}"
        return self._inner_conflict(code, found)

    def _inner_conflict(self, code: FunctionCode, found: Found) -> str:
        """Why a branch of ``code`` into the middle of another function leads elsewhere, as far as those are known."""
        for reloc, symbol, offset, address in found.inner:
            other = self.accepted.get(symbol)
            if other is not None and not other.is_place(offset, address):
                at = reloc.offset - code.start
                return f"the branch at +{at:#x} to {symbol.name}+{offset:#x} leads elsewhere, to {address:#x}"
        return ""

    def _check_inner(self) -> None:
        """Once more, now that all functions are known."""
        for symbol, found in self.accepted.items():
            code = self.code_of[symbol]
            conflict = self._inner_conflict(code, found)
            lost = [other.name for _, other, _, _ in found.inner if other not in self.accepted]
            if conflict or lost:
                del self.match.functions[code.name]
                why = conflict or f"it leads into {lost[0]}, which was not found"
                self.match.failures[code.name] = f"{code.name}: {why}"

    def _accept(self, code: FunctionCode, found: Found) -> None:
        self.addresses.learn(code.symbol, found.address, code.name)
        for reloc, address in found.references:
            self.addresses.learn(reloc.symbol, address, code.name)
        symbol = next(symbol for symbol in self.symbols.at(found.address) if symbol.name == code.name)
        self.accepted[code.symbol] = found
        self.match.functions[code.name] = MatchedFunction(
            found.address, found.size, self.symbols.position(symbol), found.exact
        )

    def _publish(self) -> None:
        addresses: dict[str, set[int]] = {}
        for symbol in self.original.symbols:
            address = self.addresses.of(symbol)
            if address is None or symbol.type in (c.STT_FILE, c.STT_SECTION) or not symbol.name:
                continue
            self.match.by_symbol[symbol] = address
            addresses.setdefault(symbol.name, set()).add(address)
        self.match.addresses = {name: found.pop() for name, found in addresses.items() if len(found) == 1}

    def _candidates(self, code: FunctionCode) -> tuple[list[Found], str]:
        """Where the image holds this function, and why not when it does not."""
        namesakes = self.symbols.named(code.name)
        if not namesakes:
            return [], f"{code.name}: {self.image.where} has no symbol of this name"
        found, failure = [], ""
        for namesake in namesakes:
            result = self.comparer.compare(code, namesake.address)
            if isinstance(result, str):
                failure = failure or f"{code.name}: {result}"
            else:
                found.append(result)
        return found, failure
