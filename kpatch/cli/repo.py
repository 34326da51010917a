"""``kpatch-repo``: packages from modules, and repositories from packages."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kpatch import __version__, log
from kpatch.cli.main import Parser, entry
from kpatch.errors import EXIT_ERROR, BadInput
from rpmbuild import api
from rpmbuild.names import check_cve
from rpmbuild.retention import DEFAULT_KEEP_SECONDS
from rpmbuild.updateinfo import SEVERITIES

__all__ = ["main"]

PROG = "kpatch-repo"
_EPILOG = "exit codes: 0 done, 1 bad input or failure, 12 another publisher holds the lock, 130 interrupted"


def main(argv: Sequence[str] | None = None) -> int:
    """The console script."""
    return entry(PROG, lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    log.setup(PROG, options.verbose - options.quiet)
    code: int = options.func(options)
    return code


def _parser() -> argparse.ArgumentParser:
    common = Parser(add_help=False)
    common.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    common.add_argument("-q", "--quiet", action="count", default=0, help="warnings only")
    common.add_argument("--json", action="store_true", help="print the result as one JSON object")
    key = Parser(add_help=False)
    key.add_argument("--gnupghome", type=Path, metavar="DIR", help="GnuPG home with the key (default: gpg's own)")
    parser = Parser(prog=PROG, description="Package, sign and publish hot patches.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_package(commands.add_parser("package", parents=[common, key], help="make RPMs", epilog=_EPILOG))
    _add_publish(
        commands.add_parser("publish", parents=[common, key], help="add RPMs to a repository", epilog=_EPILOG)
    )
    _add_check(commands.add_parser("check", parents=[common], help="check a repository", epilog=_EPILOG))
    return parser


def _add_package(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--module", type=Path, metavar="FILE", help="a hot patch: kpatch-NAME.ko")
    what.add_argument("--core", type=Path, metavar="FILE", help="the core module: kpatch.ko")
    what.add_argument("--subscription", action="store_true", help="the empty package 0-0 of a kernel")
    what.add_argument("--runtime", action="store_true", help="kpatch, kpatch-dnf and kpatch-dnf5")
    parser.add_argument("--kernel", metavar="RELEASE", help="the kernel's `uname -r` (not for --runtime)")
    parser.add_argument("--patch-version", default="1", metavar="V", help="version of the patch (default: 1)")
    parser.add_argument("--patch-release", default="1", metavar="R", help="release of the patch (default: 1)")
    parser.add_argument("--cve", action="append", default=[], metavar="CVE", help="a CVE that it fixes; repeatable")
    parser.add_argument("--description", default="", metavar="TEXT", help="more text for the package's description")
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a diff for the source RPM; repeatable",
    )
    parser.add_argument("--dnf-plugin-dir", metavar="DIR", help="dnf 4's plugin directory on the target machines")
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="where the RPMs go")
    parser.add_argument("--sign", metavar="KEY", help="sign the RPMs with this secret key")
    parser.set_defaults(func=_package)


def _add_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rpms", nargs="+", type=Path, metavar="RPM", help="packages to add")
    parser.add_argument("--repo", type=Path, required=True, metavar="DIR", help="the repository; made when missing")
    parser.add_argument("--key", metavar="FPR", help="sign the metadata; RPMs must be signed by this key")
    parser.add_argument("--sign-rpms", action="store_true", help="sign RPMs that are not signed by the key yet")
    parser.add_argument("--severity", choices=SEVERITIES, help="severity of the new advisories")
    parser.add_argument(
        "--withdraw", action="append", default=[], metavar="CVE", help="a CVE that a new release may lack; repeatable"
    )
    parser.add_argument(
        "--keep",
        type=float,
        default=DEFAULT_KEEP_SECONDS / 3600,
        metavar="HOURS",
        help="keep old metadata files for clients in the middle of a download (default: %(default)g)",
    )
    parser.add_argument(
        "--wait", type=float, default=60, metavar="SECONDS", help="wait for another publisher (default: %(default)g)"
    )
    parser.set_defaults(func=_publish)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repo", type=Path, metavar="DIR", help="the repository")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the public key (default: repomd.xml.key)")
    parser.set_defaults(func=_check)


def _package(options: argparse.Namespace) -> int:
    key = api.find_key(options.sign, options.gnupghome) if options.sign else None
    built = _build(options)
    for path in [*built.rpms, built.srpm] if key else []:
        assert key is not None
        api.sign_rpm(path, key)
    if options.json:
        print(json.dumps({"rpms": [str(path) for path in built.rpms], "srpm": str(built.srpm)}))
    else:
        print("\n".join(str(path) for path in [*built.rpms, built.srpm]))
    return 0


def _build(options: argparse.Namespace) -> api.BuiltRpms:
    if options.runtime:
        return api.build_runtime_rpms(options.output, options.dnf_plugin_dir)
    if not options.kernel:
        raise BadInput("the package needs a kernel", "add --kernel with what `uname -r` prints there")
    if options.core:
        return api.build_core_rpm(options.core, options.kernel, options.output)
    if options.subscription:
        return api.build_subscription_rpm(options.kernel, options.output)
    return api.build_patch_rpm(
        options.module,
        options.kernel,
        options.patch_version,
        options.patch_release,
        options.cve,
        options.output,
        description=options.description,
        sources=options.source,
    )


def _publish(options: argparse.Namespace) -> int:
    done = api.publish(
        options.rpms,
        options.repo,
        api.PublishOptions(
            key=api.find_key(options.key, options.gnupghome) if options.key else None,
            sign_rpms=options.sign_rpms,
            severity=options.severity,
            withdrawn=[check_cve(cve) for cve in options.withdraw],
            keep_seconds=options.keep * 3600,
            wait_seconds=options.wait,
        ),
    )
    if options.json:
        print(json.dumps({**vars(done), "repo": str(done.repo)}))
    elif done.changed:
        signed = f", signed by {done.signed_by}" if done.signed_by else ""
        print(f"{done.repo}: {len(done.added)} added{_counts(done)}{signed}")
        print("".join(f"  + {name}\n" for name in done.added), end="")
    else:
        print(f"{done.repo}: nothing to do{_counts(done)}")
    return 0


def _counts(done: api.Published) -> str:
    return f"; packages: {done.packages}, advisories: {done.advisories}"


def _check(options: argparse.Namespace) -> int:
    public = None
    if options.key_file:
        if not options.key_file.is_file():
            raise BadInput(f"there is no key file {options.key_file}")
        public = options.key_file.read_text(errors="replace")
    faults = api.check_repository(options.repo, public)
    if options.json:
        print(json.dumps({"repo": str(options.repo), "ok": not faults, "problems": faults}))
    else:
        print("\n".join(faults) if faults else f"{options.repo}: all is well")
    return EXIT_ERROR if faults else 0


if __name__ == "__main__":
    sys.exit(main())
