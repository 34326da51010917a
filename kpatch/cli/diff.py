"""kpatch-diff: compare two compilations of one source file and write what must be patched."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from kpatch import __version__
from kpatch.cli.main import Parser, entry, print_error
from kpatch.diff.api import diff_objects
from kpatch.diff.result import DiffResult
from kpatch.elf.object import ElfObject
from kpatch.errors import EXIT_UNCHANGED, EXIT_UNPATCHABLE, BadInput

__all__ = ["main"]

PROG = "kpatch-diff"
_EPILOG = """exit status:
  0  OUT.o was written
  1  bad input or usage
  2  the change cannot be made to a running kernel
  3  nothing changed"""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROG,
        description="Compare two compilations of one kernel source file (built with -ffunction-sections "
        "-fdata-sections) and write an object with the changed and new functions and what they need.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("original", metavar="ORIGINAL.o", type=Path, help="object of the unchanged source")
    parser.add_argument("patched", metavar="PATCHED.o", type=Path, help="object of the patched source")
    parser.add_argument("-o", "--output", metavar="OUT.o", type=Path, required=True, help="where to write the result")
    parser.add_argument("--object", metavar="NAME", default="vmlinux", help="vmlinux (default) or the module's name")
    parser.add_argument(
        "--symbols", metavar="FILE", type=Path, help="vmlinux, vmlinuz, module, System.map, kallsyms or readelf -sW"
    )
    parser.add_argument("--symvers", metavar="FILE", type=Path, help="Module.symvers of the kernel")
    parser.add_argument("--json", metavar="FILE", help="write what was found as JSON; - for standard output")
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status. Leaves no OUT.o, not even an old one, unless it is 0."""
    _check_names(args)
    output = _destination(args.output)
    if output.is_file():
        output.unlink()
    original = ElfObject.read(args.original)
    result = diff_objects(original, ElfObject.read(args.patched), objname=args.object)
    report = json.dumps(_report(result, original, args), indent=2) + "\n"
    if args.json == "-":
        print(report, end="", flush=True)
    elif args.json is not None:
        _write(_destination(Path(args.json)), report.encode(), "--json")
    if result.out is not None:
        _write(output, result.out.to_bytes(), "-o")
    for warning in result.warnings:
        print(f"{PROG}: warning: {warning}", file=sys.stderr)
    for refusal in result.refusals:
        print_error(PROG, f"{refusal.message} [{refusal.code}]", refusal.remedy)
    return {"refused": EXIT_UNPATCHABLE, "unchanged": EXIT_UNCHANGED}.get(result.status, 0)


def _check_names(args: argparse.Namespace) -> None:
    """No file is both read and written, or written twice. Raises :class:`BadInput`."""
    if not args.object:
        raise BadInput("--object lacks a name", "vmlinux, or the name of the module")
    read = [path for path in (args.original, args.patched, args.symbols, args.symvers) if path is not None]
    if any(_is_same_file(args.output, path) for path in read):
        raise BadInput(f"{args.output} is one of the files to read", "choose another file for -o")
    if args.json in (None, "-"):
        return
    report = Path(args.json)
    written_twice = _destination(report) == _destination(args.output) and not _is_device(report)
    if written_twice or any(_is_same_file(report, path) for path in read):
        raise BadInput(f"{report} is another file of this command", "choose another file for --json")


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_device(path: Path) -> bool:
    """Whether it is written to, not replaced: a device or a pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _destination(path: Path) -> Path:
    """Where what is written to ``path`` goes: a link stays, its target is replaced."""
    return path if _is_device(path) else Path(os.path.realpath(path))


def _write(path: Path, data: bytes, option: str) -> None:
    """Write a file beside ``path``, flush it to the disk, rename it there. Raises :class:`BadInput`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if _is_device(path) or path.is_dir():
            path.write_bytes(data)
            return
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BadInput(f"cannot write {path}: {error.strerror}", f"choose another file for {option}") from error


def _report(result: DiffResult, original: ElfObject, args: argparse.Namespace) -> dict[str, Any]:
    report = result.to_json()
    report["unresolved"] = []
    if args.symbols:
        from kpatch.kernel.listing import read_listing
        from kpatch.kernel.lookup import find_all

        found, report["unresolved"] = find_all(result.references, original, read_listing(args.symbols, args.object))
        for row in report["references"]:
            place = found.get(row["symbol"])
            if place is not None:
                row.update(address=f"{place.address:#x}", sympos=place.sympos)
    if args.symvers:
        from kpatch.kernel.ksymtab import Exports

        exports = Exports.read(args.symvers)
        for row in report["references"]:
            export = exports.get(row["symbol"])
            if export is not None:
                row["exported_by"] = export.module
    return report


def main() -> int:
    """The command's entry point."""
    # All that is made of the two objects is needed to the end: to look for garbage takes a third of the time.
    gc.disable()
    try:
        return entry(PROG, lambda: run(_parser().parse_args()))
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
