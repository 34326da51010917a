"""kpatch-build: from source diffs and a shipped kernel to a hot patch module, or its RPM."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpatch import __version__
from kpatch.cli.main import Parser, entry
from kpatch.errors import BadInput
from kpatch.log import setup

__all__ = ["OPTIONS", "Option", "main"]

PROG = "kpatch-build"
MAX_OBJECTS = 300
"""So many objects may have to be compiled twice for the change of a header."""
_SPINNER_AFTER = 0.5
"""Seconds before a step shows that it is at work."""


@dataclass(frozen=True)
class Option:
    """One option: the parser and the check of the man page are made from this table."""

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    group: str = "options"
    extra: dict[str, Any] = field(default_factory=dict)


def _path(flags: tuple[str, ...], metavar: str, text: str, group: str = "kernel") -> Option:
    return Option(flags, text, metavar, group, {"type": Path})


_REPEATED = {"action": "append", "default": []}
OPTIONS = (
    Option(("-n", "--name"), "name of the patch; default: the first diff's file name", "NAME"),
    _path(("-o", "--output"), "PATH", "directory or .ko file to write; default: the current directory", "options"),
    Option(("-j", "--jobs"), "processes at once; default: one per CPU", "N", extra={"type": int}),
    Option(
        ("-R", "--non-replace"),
        "keep earlier patches in force instead of replacing them",
        extra={"action": "store_true"},
    ),
    Option(
        ("--max-objects",),
        f"objects that the change of a header may reach; default: {MAX_OBJECTS}",
        "N",
        extra={"type": int, "default": MAX_OBJECTS},
    ),
    Option(
        ("--allow-layout",),
        "a type whose layout may change: no object of it outlives the patched code (may be given several times)",
        "TYPE",
        extra=_REPEATED,
    ),
    Option(("--cve",), "a CVE that the patch fixes (may be given several times)", "ID", extra=_REPEATED),
    Option(("--description",), "one line about the patch for modinfo and the RPM", "TEXT"),
    Option(
        ("--interface",),
        "core: for kpatch.ko (default); livepatch: for the kernel's own live patching",
        extra={"choices": ("core", "livepatch"), "default": "core"},
    ),
    Option(("-a", "--archversion", "--kernel"), "kernel release; default: the running one", "RELEASE", "kernel"),
    _path(("--kernel-root",), "DIR", "root directory that holds boot/, lib/modules/ and usr/src/ of the kernel"),
    _path(("-s", "--sourcedir"), "DIR", "unpacked kernel source; it is copied, never changed"),
    _path(("--source",), "ARCHIVE", "archive of the kernel source: tar of any compression, or a source RPM"),
    _path(("-c", "--config"), "FILE", "configuration of the kernel"),
    _path(("-v", "--vmlinux", "--image"), "FILE", "image of the kernel: vmlinuz or vmlinux"),
    _path(("--symvers",), "FILE", "Module.symvers of the kernel, may be compressed"),
    _path(
        ("--buildroot",),
        "DIR",
        "compile in this chroot of the release that the kernel belongs to; the kernel is looked for in it, too",
    ),
    Option(
        ("--module",),
        "a shipped module, or a directory of them, to look at before lib/modules (may be given several times)",
        "PATH",
        "kernel",
        {**_REPEATED, "type": Path},
    ),
    Option(
        ("--oot-module",),
        "a module from outside of the kernel's tree, as it was shipped: the patches are for its source "
        "(may be given several times)",
        "FILE",
        "kernel",
        {**_REPEATED, "type": Path},
    ),
    _path(("--oot-module-src",), "DIR", "the source of these modules; it is copied, never changed"),
    Option(
        ("--skip-compiler-check", "--skip-gcc-check"),
        "go on with another compiler version; the code is still compared with the shipped kernel's",
        group="kernel",
        extra={"action": "store_true"},
    ),
    Option(
        ("--core",), "build the core module kpatch.ko instead of a patch", group="what", extra={"action": "store_true"}
    ),
    Option(
        ("--sign-key",),
        "sign the module with this private key, a PEM file or PKCS#11 URI; needs --sign-cert",
        "KEY",
        "what",
    ),
    _path(("--sign-cert",), "FILE", "certificate of that key, X.509 in PEM or DER, which the kernels trust", "what"),
    Option(("--rpm",), "make an RPM of the module, too", group="what", extra={"action": "store_true"}),
    Option(("--rpm-version",), "version of the RPM; default: 1", "V", "what", {"default": "1"}),
    Option(("--rpm-release",), "release of the RPM; default: 1", "R", "what", {"default": "1"}),
    Option(("--json",), "write what was built, and from what, as JSON; - for standard output", "FILE", "what"),
    Option(
        ("-d", "--debug"),
        "keep the work directory; twice: show every command that runs",
        group="help",
        extra={"action": "count", "default": 0},
    ),
    Option(("-q", "--quiet"), "warnings and errors only", group="help", extra={"action": "store_true"}),
)

_EPILOG = """exit status:
  0  the module was written
  1  bad input or usage, a compile error, a full disk
  2  the change cannot be made to a running kernel, or source, configuration or compiler are not the vendor's
  3  the patch changes nothing in this kernel"""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROG,
        description="Build a hot patch module from source diffs (-p1) for a kernel as the distribution ships it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("patches", metavar="PATCH", type=Path, nargs="*", help="diffs, applied in order")
    groups: dict[str, Any] = {"options": parser, "help": parser}
    for option in OPTIONS:
        group = groups.get(option.group)
        if group is None:
            titles = {"kernel": "which kernel, and where its parts lie", "what": "what to write"}
            group = groups[option.group] = parser.add_argument_group(titles[option.group])
        more: dict[str, Any] = {"metavar": option.metavar} if option.metavar else {}
        group.add_argument(*option.flags, help=option.help, **more, **option.extra)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    return parser


class _Progress:
    """Tells on stderr what goes on: a spinner with the time on a terminal, else one line per step."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        if self.quiet:
            yield
            return
        start = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console

            with Console(stderr=True).status(f"{what} ..."):
                yield
        else:
            print(f"{PROG}: {what} ...", file=sys.stderr, flush=True)
            yield
        took = time.monotonic() - start
        if took >= _SPINNER_AFTER:
            print(f"{PROG}: {what}: {took:.1f} s", file=sys.stderr, flush=True)


def _check(args: argparse.Namespace) -> None:
    """Refuse what makes no sense before anything is done."""
    if args.core and args.interface == "livepatch":
        raise BadInput("livepatch modules do not need what --core builds", "leave --interface livepatch out")
    if bool(args.patches) == args.core:
        raise BadInput(
            "give one or more patches" if not args.core else "--core takes no patches", f"see {PROG} --help"
        )
    if args.sourcedir and args.source:
        raise BadInput("-s and --source both name the source", "give one of them")
    if args.sourcedir and not args.sourcedir.is_dir():
        raise BadInput(f"{args.sourcedir} is not a directory", "give the top directory of an unpacked kernel source")
    if bool(args.oot_module) != bool(args.oot_module_src):
        raise BadInput(
            "--oot-module and --oot-module-src belong together",
            "give the module's .ko and the directory of its source",
        )
    if bool(args.sign_key) != bool(args.sign_cert):
        raise BadInput("--sign-key and --sign-cert belong together", "give the private key and its certificate")
    if args.jobs is not None and args.jobs < 1:
        raise BadInput(f"-j {args.jobs}: at least one process is needed")
    if args.max_objects < 1:
        raise BadInput(f"--max-objects {args.max_objects}: at least one object is needed")
    output = args.output
    if output and output.suffix == ".ko" and not output.parent.is_dir():
        raise BadInput(f"{output.parent} is not a directory", "make it first")
    if output and output.suffix != ".ko":
        output.mkdir(parents=True, exist_ok=True)
    if args.rpm or args.cve:
        from rpmbuild.names import check_cve, check_version

        check_version(args.rpm_version)
        check_version(args.rpm_release, "release")
        for cve in args.cve:
            check_cve(cve)


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    _check(args)
    from kpatch.build.outoftree import release_of
    from kpatch.build.pipeline import build, build_core_module
    from kpatch.build.request import BuildRequest
    from kpatch.build.signature import SigningKey
    from kpatch.build.stages import Stages
    from kpatch.kernel.release import Explicit

    source = args.sourcedir or args.source
    request = BuildRequest(
        patches=tuple(args.patches),
        name=args.name or "",
        output=args.output or Path.cwd(),
        release=args.archversion or (release_of(args.oot_module[0]) if args.oot_module else ""),
        root=args.kernel_root or args.buildroot or Path("/"),
        explicit=Explicit(args.vmlinux, args.config, args.symvers, source.absolute() if source else None),
        jobs=args.jobs or 0,
        replace=not args.non_replace,
        interface=args.interface,
        cves=tuple(dict.fromkeys(args.cve)),
        version=f"{args.rpm_version}-{args.rpm_release}" if args.rpm else "",
        description=args.description or "",
        skip_compiler_check=args.skip_compiler_check,
        max_objects=args.max_objects,
        layouts_allowed=tuple(args.allow_layout),
        modules=tuple(args.module),
        oot_modules=tuple(args.oot_module),
        oot_source=args.oot_module_src.absolute() if args.oot_module_src else None,
        buildroot=args.buildroot,
        signing_key=SigningKey(args.sign_key, args.sign_cert) if args.sign_key else None,
    )
    progress = _Progress(args.quiet)
    with Stages(keep=args.debug > 0) as stages:
        if args.core:
            report: dict[str, Any] = {"module": str(build_core_module(request, stages, progress))}
        else:
            report = build(request, stages, progress).report
        if args.rpm:
            with stages.stage("8-rpm"), progress("building the RPM"):
                report["rpms"] = [str(path) for path in _make_rpms(args, request, report)]
    _tell(args, report)
    return 0


def _make_rpms(args: argparse.Namespace, request: Any, report: dict[str, Any]) -> list[Path]:
    from rpmbuild.api import build_core_rpm, build_patch_rpm

    module, out = Path(report["module"]), request.output if request.output.is_dir() else request.output.parent
    if args.core:
        built = build_core_rpm(module, request.kernel_release, out)
    else:
        built = build_patch_rpm(
            module,
            request.kernel_release,
            args.rpm_version,
            args.rpm_release,
            args.cve,
            out,
            description=args.description or "",
            sources=args.patches,
        )
    return [*built.rpms, built.srpm]


def _tell(args: argparse.Namespace, report: dict[str, Any]) -> None:
    if args.json == "-":
        print(json.dumps(report, indent=2))
        return
    if args.json:
        from kpatch.kernel.cache import write_json

        write_json(Path(args.json), report)
    for path in [report["module"], *report.get("rpms", [])]:
        print(path)


def main() -> int:
    """The command's entry point."""
    args = _parser().parse_args()
    setup(PROG, -1 if args.quiet else max(args.debug - 1, 0))
    return entry(PROG, lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
