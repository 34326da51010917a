"""Spec files from templates, safe against whatever stands in the values.

rpm expands ``%`` everywhere, and a line that starts with ``%post`` opens a script that runs as root.  So a template
takes values of one type only, :class:`SpecText`, and the two ways to get one either refuse or defuse.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import jinja2

from kpatch.data import data_dir
from kpatch.errors import BadInput

__all__ = ["SpecText", "changelog_date", "prose", "render", "word"]

_WORD = re.compile(r"[A-Za-z0-9._+~^(),:@/=-]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class SpecText(str):
    """Text that can stand in a spec file as it is."""


def word(text: str) -> SpecText:
    """``text`` as one word of a spec line; raises :class:`BadInput` when rpm could read more into it."""
    if not _WORD.fullmatch(text):
        raise BadInput(f"{text!r} cannot stand in a spec file", "use letters, digits and . _ + ~ ^ - only")
    return SpecText(text)


def prose(text: str, indent: str = "") -> SpecText:
    """Free text for %description or %changelog, every line after ``indent``.

    Control characters go; ``%`` is doubled; a line that would still open a section or a changelog entry, or that
    rpm would join with the next one, loses the power to.

    >>> prose("100% sure\\n%post\\nrm -rf /")
    '100%% sure\\n- %%post\\nrm -rf /'
    """
    lines = []
    for line in text.split("\n"):
        clean = _CONTROL.sub("", line).rstrip("\\ ")
        # rpm looks for sections and %if after it has expanded %% to %.
        if clean.lstrip().startswith(("%", "*", "#")):
            clean = "- " + clean.lstrip()
        # When rpm looks for the end of a macro, a backslash hides the first half of a doubled %.
        clean = clean.replace("\\%", "\\ %")
        lines.append((indent + clean.replace("%", "%%")).rstrip())
    return SpecText("\n".join(lines).strip("\n"))


def changelog_date(epoch: int) -> SpecText:
    """The day of ``epoch`` (seconds, UTC) in the form that %changelog wants, whatever the locale.

    >>> changelog_date(0)
    'Thu Jan 01 1970'
    """
    day = time.gmtime(epoch)
    return SpecText(f"{_DAYS[day.tm_wday]} {_MONTHS[day.tm_mon - 1]} {day.tm_mday:02} {day.tm_year}")


def render(template: str, **values: object) -> str:
    """The template ``template`` of specs/ with ``values`` in it: SpecText, int, bool, or lists of these."""
    loader = jinja2.FileSystemLoader(data_dir("specs"))
    env = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # a spec file is no HTML; _only_safe guards it
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_only_safe,
    )
    try:
        return env.get_template(template).render(**values)
    except jinja2.TemplateNotFound as error:
        path = Path(data_dir("specs")) / template
        raise BadInput(f"the spec template {path} is missing", "install kpatch anew") from error


def _only_safe(value: object) -> object:
    if not isinstance(value, (SpecText, int)):
        raise TypeError(f"a spec template was given {value!r}, which nobody has checked")
    return value
