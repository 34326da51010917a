"""What the author of a patch says with kmod/patch/kpatch-macros.h: sections named ``.kpatch.*``."""

from __future__ import annotations

from dataclasses import dataclass, field

from kpatch.diff.model import Entity, Ref, View
from kpatch.elf.object import Section

__all__ = ["CALLBACKS", "CALLBACK_SIZE", "Wishes", "read_wishes"]

CALLBACKS = ".kpatch.callbacks."
"""What the names of callback tables begin with; the kind follows."""

CALLBACK_SIZE = 16
"""Of one entry: struct kpatch_patch_callback (kmod/patch/kpatch-patch.h)."""


@dataclass
class Wishes:
    """Functions and sections to ignore, functions to switch while in use, callback tables."""

    ignored_functions: set[str] = field(default_factory=set)
    ignored_sections: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    callbacks: list[Section] = field(default_factory=list)


def read_wishes(view: View) -> Wishes:
    """The author's sections of the patched object."""
    wishes = Wishes()
    for section in view.obj.sections:
        if section.name == ".kpatch.ignore.functions":
            wishes.ignored_functions |= _functions(view, section)
        elif section.name == ".kpatch.force":
            wishes.forced |= _functions(view, section)
        elif section.name == ".kpatch.ignore.sections":
            wishes.ignored_sections |= _strings(view, section)
        elif section.name.startswith(CALLBACKS) and section.size:
            wishes.callbacks.append(section)
    return wishes


def _functions(view: View, section: Section) -> set[str]:
    """Names in the object: a name in the source stands for all parts that the compiler made of it."""
    named = _strings(view, section)
    pointed = {ref.target.name for ref in _refs(view, section) if isinstance(ref.target, Entity)}
    return pointed | {function.name for function in view.functions if function.name.split(".")[0] in named}


def _strings(view: View, section: Section) -> set[str]:
    """The texts that the section holds or points to."""
    texts = [ref.target for ref in _refs(view, section) if isinstance(ref.target, bytes)]
    if not section.relocs:
        texts += section.data.split(b"\0")
    return {text.rstrip(b"\0").decode("utf-8", "replace") for text in texts} - {""}


def _refs(view: View, section: Section) -> list[Ref]:
    return [view.ref(section, reloc) for reloc in section.relocs]
