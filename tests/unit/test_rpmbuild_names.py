"""Kernel releases taken apart."""

from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpatch.errors import BadInput
from rpmbuild import names, spec
from rpmbuild.names import check_cve, check_version, module_file, parse_release, patch_name

RELEASES = [
    # uname -r, V-R, machine, kernel-uname-r, in the name
    ("6.1.0-56-amd64", "6.1.0-56", "x86_64", "6.1.0-56.amd64", "6_1_0-56"),
    ("6.1.0-56-rt-amd64", "6.1.0-56.rt", "x86_64", "6.1.0-56.rt.amd64", "6_1_0-56_rt"),
    ("6.12.43+deb13-amd64", "6.12.43+deb13", "x86_64", "6.12.43+deb13-amd64", "6_12_43_deb13"),
    (
        "5.14.0-427.13.1.el9_4.x86_64",
        "5.14.0-427.13.1.el9_4",
        "x86_64",
        "5.14.0-427.13.1.el9_4.x86_64",
        "5_14_0-427_13_1",
    ),
    ("4.18.0-553.el8_10.x86_64", "4.18.0-553.el8_10", "x86_64", "4.18.0-553.el8_10.x86_64", "4_18_0-553"),
    ("6.12.0-211.16.1.el10_2.aarch64", "6.12.0-211.16.1.el10_2", "aarch64", None, "6_12_0-211_16_1"),
    (
        "5.14.0-427.el9.aarch64+64k",
        "5.14.0-427.el9+64k",
        "aarch64",
        "5.14.0-427.el9.aarch64+64k",
        "5_14_0-427_64k",
    ),
    ("6.14.0-63.fc42.x86_64", "6.14.0-63.fc42", "x86_64", "6.14.0-63.fc42.x86_64", "6_14_0-63"),
    ("6.1.134-150.224.amzn2023.x86_64", "6.1.134-150.224.amzn2023", "x86_64", None, "6_1_134-150_224"),
    ("6.6.1-1.el9.elrepo.x86_64", "6.6.1-1.el9.elrepo", "x86_64", "6.6.1-1.el9.elrepo.x86_64", "6_6_1-1_elrepo"),
    ("5.4.17-2136.330.7.5.el8uek.x86_64", "5.4.17-2136.330.7.5.el8uek", "x86_64", None, "5_4_17-2136_330_7_5"),
    ("6.4.0-150600.23.25-default", "6.4.0-150600.23.25.default", "x86_64", None, "6_4_0-150600_23_25_default"),
    ("6.8.0-45-generic", "6.8.0-45.generic", "x86_64", "6.8.0-45.generic", "6_8_0-45_generic"),
    ("7.2.0", "7.2.0", "x86_64", "7.2.0", "7_2_0"),
    ("7.2.0-rc1+", "7.2.0-rc1+", "x86_64", "7.2.0-rc1+", "7_2_0-rc1_"),
    ("6.1-el9.x86_64", "6.1-el9", "x86_64", "6.1-el9.x86_64", "6_1-el9"),
]


@pytest.mark.parametrize(("text", "version_release", "arch", "uname_r", "part"), RELEASES)
def test_releases_of_the_distributions(
    text: str, version_release: str, arch: str, uname_r: str | None, part: str
) -> None:
    kernel = parse_release(text)
    assert (kernel.version_release, kernel.arch, kernel.name_part) == (version_release, arch, part)
    assert kernel.uname_r == (uname_r or text.replace("-default", ".default"))


@pytest.mark.parametrize("text", ["", "linux", "6.1/0", "6.1 0", "6.1\n%post", "6.1%{x}", "6" * 65, "../6.1", "6.1-ä"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="kernel release"):
        parse_release(text)


@given(st.from_regex(r"[0-9]\.[0-9]{1,2}(-[0-9A-Za-z._+-]{0,30})?", fullmatch=True))
def test_any_release_gives_what_rpm_takes(text: str) -> None:
    kernel = parse_release(text)
    assert re.fullmatch(r"kpatch-patch-[A-Za-z0-9_]+(-[A-Za-z0-9_]+)?", patch_name(kernel))
    assert kernel.uname_r.count("-") <= 1
    assert module_file(kernel, "1", "1").startswith("kpatch-")


@given(st.text(alphabet="0123456789.~^ab-", max_size=8))
def test_versions_have_no_dash(text: str) -> None:
    try:
        assert "-" not in check_version(text)
    except BadInput as error:
        assert error.hint


@pytest.mark.parametrize("text", ["CVE-2024-1", "cve-2024-1086", "CVE-2024-1086)", "CVE-2024-1086\n", "2024-1086", ""])
def test_bad_cves_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="CVE identifier"):
        check_cve(text)


@pytest.mark.parametrize("module", [names, spec])
def test_the_examples_in_the_documentation(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
