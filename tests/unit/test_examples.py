"""What lies in examples/ is what it says it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.filterwarnings("default::DeprecationWarning")
@pytest.mark.parametrize("version", ["RHEL8", "RHEL9", "RHEL10", "F42"])
def test_the_kickstart_is_understood(version: str) -> None:
    handler = makeVersion(version)
    KickstartParser(handler).readKickstart(str(EXAMPLES / "kickstart.ks"))
    assert {"kpatch", "kpatch-dnf"} <= set(handler.packages.packageList)
    (repo,) = handler.repo.repoList
    assert repo.install, "the installed system keeps the repository"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.patch")), ids=lambda path: path.name)
def test_a_patch_says_what_it_does_before_its_diff(path: Path) -> None:
    text = path.read_text()
    assert text.split("\n--- a/", 1)[0].strip(), "an explanation"
    assert re.search(r"^--- a/(\S+)\n\+\+\+ b/\1\n@@ ", text, re.MULTILINE), "a -p1 diff of one file"
