"""Nothing that a user writes can become a macro or a section of the spec."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jinja2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kpatch.errors import BadInput
from rpmbuild.spec import SpecText, changelog_date, prose, render, word

HOSTILE = [
    "%post",
    "%%post",
    "%%%post\ntouch x",
    "100% %{nil} %(touch {}/pwned)",
    "%include /etc/passwd",
    "%if 0",
    "  %endif",
    "a \\\n%description",
    "* Mon Jan 01 2024 x",
    "# %{expand:x}",
    "%{lua:print(1)",
    "a\r%post",
    "a\u2028%post",
    "%define x y\\",
]
SPEC = """Name: x
Version: 1
Release: 1
Summary: s
License: l
%description
{}
%files
%changelog
* Thu Jan 01 1970 {} - 1-1
- x
"""


def description(text: str, folder: Path) -> str:
    """What rpm makes of ``text`` in a %description."""
    path = folder / "x.spec"
    path.write_text(SPEC.format(prose(text), prose("me <me@localhost>")))
    argv: list[str | Path] = ["rpmspec", "-q", "--qf", "%{NAME}|%{DESCRIPTION}|%{POSTIN}|", path]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, found, scriptlet, rest = done.stdout.split("|")
    assert (name, scriptlet, rest) == ("x", "(none)", "")
    return str(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str, tmp_path: Path) -> None:
    found = description(text.replace("{}", str(tmp_path)), tmp_path)
    assert not (tmp_path / "pwned").exists()
    for token in ("%post", "%include", "%{nil}", "%if 0"):
        assert (token in found) == (token in text)


@example("\\%(")
@given(st.text(alphabet="%{}()\\*# ab\n-!?:", min_size=1, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rpm_reads_what_was_written(tmp_path: Path, text: str) -> None:
    found = description(text, tmp_path)
    flat = prose(text).replace("%%", "%")
    assert found.strip() == flat.strip()


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "%{x}", "a;b", "$(x)", "a'b", 'a"b', "`x`", "{", "ä"])
def test_a_word_is_a_word(text: str) -> None:
    with pytest.raises(BadInput, match="spec file"):
        word(text)


def test_templates_take_checked_values_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "x.j2").write_text("{{ one }}-{{ two }}\n")
    monkeypatch.setenv("KPATCH_DATADIR", str(tmp_path))
    assert render("x.j2", one=SpecText("a"), two=2) == "a-2\n"
    with pytest.raises(TypeError, match="nobody has checked"):
        render("x.j2", one="a", two=2)
    with pytest.raises((TypeError, jinja2.UndefinedError)):
        render("x.j2", one=SpecText("a"))
    with pytest.raises(BadInput, match="missing"):
        render("y.j2")


def test_dates_know_no_locale() -> None:
    assert changelog_date(1_750_000_000) == "Sun Jun 15 2025"
