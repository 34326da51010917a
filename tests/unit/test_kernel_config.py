"""Kernel configurations."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.errors import BadInput, Unpatchable
from kpatch.kernel.compiler import Compiler, find_compiler
from kpatch.kernel.config import KernelConfig, check_config

GOOD = """\
#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.192 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14) 12.2.0"
CONFIG_X86_64=y
CONFIG_MODULES=y
CONFIG_DYNAMIC_FTRACE=y
CONFIG_DYNAMIC_FTRACE_WITH_REGS=y
CONFIG_KALLSYMS=y
CONFIG_UNWINDER_ORC=y
# CONFIG_LTO_CLANG is not set
CONFIG_EXT4_FS=m
"""


def read(tmp_path: Path, text: str) -> KernelConfig:
    path = tmp_path / "config"
    path.write_text(text)
    return KernelConfig.read(path)


def test_settings_and_title(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)
    assert (config.arch, config.version) == ("x86", "6.1.192")
    assert config.get("CC_VERSION_TEXT") == "gcc-12 (Debian 12.2.0-14) 12.2.0"
    assert config.get("EXT4_FS") == "m"
    assert not config.enabled("EXT4_FS")
    assert config.get("LTO_CLANG") == ""
    check_config(config)


def test_every_reason_against_a_kernel_is_told(tmp_path: Path) -> None:
    text = GOOD.replace("CONFIG_UNWINDER_ORC=y\n", "CONFIG_RANDSTRUCT=y\n")
    with pytest.raises(Unpatchable, match=r"UNWINDER_ORC is off(.|\n)*RANDSTRUCT is on"):
        check_config(read(tmp_path, text))


def test_livepatch_modules_need_a_kernel_with_livepatch(tmp_path: Path) -> None:
    with pytest.raises(Unpatchable, match="LIVEPATCH is off"):
        check_config(read(tmp_path, GOOD), "livepatch")
    check_config(read(tmp_path, GOOD + "CONFIG_LIVEPATCH=y\n"), "livepatch")


@pytest.mark.parametrize("text", ["", "hello\n", "\0\0\0"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput):
        read(tmp_path, text)


def compiler(directory: Path, name: str, version: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{version}'\necho more\n")
    path.chmod(0o755)


def test_the_compiler_is_found_by_version_under_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(tmp_path, "gcc", "gcc (Debian 12.2.0-14) 12.2.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    if (Path("/bin") / "gcc-12").exists():
        compiler(tmp_path, "gcc-12", "gcc-12 (Other) 12.1.0")
    assert find_compiler(read(tmp_path, GOOD)).command == "gcc"


def test_another_compiler_is_refused_or_taken_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("gcc-12", "gcc"):
        compiler(tmp_path, name, f"{name} (Other 13) 13.1.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    config = read(tmp_path, GOOD)
    with pytest.raises(BadInput, match=r"13\.1\.0") as caught:
        find_compiler(config)
    assert "--skip-compiler-check" in (caught.value.hint or "")
    assert find_compiler(config, skip_check=True).command == "gcc-12"


def test_whether_a_compiler_writes_btf_is_asked_of_it(tmp_path: Path) -> None:
    source, made = tmp_path / "a.c", tmp_path / "a.o"
    source.write_text("struct s { int member; } variable;\n")
    subprocess.run(["gcc", "-gbtf", "-c", "-o", made, source], check=False, capture_output=True)
    assert Compiler("gcc", "gcc").writes_btf() is (made.exists() and b".BTF" in made.read_bytes())


def test_a_compiler_that_refuses_the_option_writes_no_btf() -> None:
    assert not Compiler("false", "vendor-gcc (Vendor, 13.1 by its text) 13.1.0").writes_btf()
