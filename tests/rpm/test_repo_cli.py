"""The command: exit codes, one line for each error, JSON where asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpatch.cli.repo import main
from rpmbuild.gpg import Key
from tests.rpm.support import KERNEL, make_module, make_patch


def test_from_modules_to_a_repository(tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]) -> None:
    out, repo, home = str(tmp_path / "out"), str(tmp_path / "repo"), str(key.home)
    module, core = make_patch(tmp_path), make_module(tmp_path / "kpatch.ko")
    common = ["--kernel", KERNEL, "-o", out, "--gnupghome", home, "--sign", key.fingerprint, "--json"]
    rpms = []
    for what in (["--module", str(module), "--cve", "CVE-2024-1086"], ["--core", str(core)], ["--subscription"]):
        assert main(["package", *what, *common]) == 0
        rpms += json.loads(capsys.readouterr().out)["rpms"]
    assert main(["package", "--runtime", *common[2:]]) == 0
    rpms += json.loads(capsys.readouterr().out)["rpms"]
    publish = ["publish", *rpms, "--repo", repo, "--key", key.fingerprint, "--gnupghome", home]
    assert main(publish) == 0
    printed = capsys.readouterr()
    assert "6 added; packages: 6, advisories: 1, signed by" in printed.out
    assert printed.err == ""
    assert main([*publish, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert main(["check", repo]) == 0
    (tmp_path / "repo" / "repodata" / "repomd.xml.asc").unlink()
    assert main(["check", repo, "--json"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["problems"] == ["repomd.xml is not signed"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["publish", "no.rpm", "--repo", "{}/repo"], "there is no RPM no.rpm"),
        (["publish", "{}/text.rpm", "--repo", "{}/repo"], "damaged or no RPM"),
        (["publish", "no.rpm", "--repo", "{}/repo", "--key", "nobody", "--gnupghome", "{}"], "no secret key"),
        (["publish", "no.rpm", "--repo", "{}/repo", "--withdraw", "x"], "no CVE identifier"),
        (["check", "{}"], "no repository"),
        (["package", "--module", "no.ko", "--kernel", KERNEL], "there is no module no.ko"),
        (["package", "--module", "no.ko"], "needs a kernel"),
        (["package", "--module", "no.ko", "--kernel", "linux"], "no kernel release"),
        (["package"], "required"),
        ([], "required"),
    ],
)
def test_bad_input_is_one_line_and_exit_1(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.rpm").write_text("hello")
    try:
        code = main([part.replace("{}", str(tmp_path)) for part in argv])
    except SystemExit as error:  # argparse
        code = int(str(error.code))
    printed = capsys.readouterr()
    assert code == 1
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert not (tmp_path / "repo").exists()
