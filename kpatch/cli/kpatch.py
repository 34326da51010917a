"""``kpatch``: load, unload, list and install hot patches on the machine that they are for.

Runs on Python 3.6, from a private directory (/usr/share/kpatch/python) by any interpreter.
"""

import argparse
import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence

import kpatch
from kpatch import log
from kpatch.cli.main import Parser, entry
from kpatch.errors import BadInput, KpatchError
from kpatch.host import engine, loader, report, status, store, sysfs
from kpatch.host.engine import Outcome, Result
from kpatch.host.lock import Lock
from kpatch.host.modinfo import ModInfo, read_modinfo
from kpatch.host.paths import Paths
from kpatch.host.state import State
from kpatch.log import logger
from kpatch.run import run

__all__ = ["main"]

SERVICE = "kpatch.service"

EPILOG = """exit codes:
  0  done, nothing to do, or not the place to change a kernel (apply)
  1  error: bad input or usage
  10 in use: a task is inside a function of the patch; nothing was changed
  11 the kernel or the core module refused the patch
  12 another run holds the lock
"""


def main() -> int:
    """The console script."""
    return entry("kpatch", run_command)


def run_command(argv: Optional[Sequence[str]] = None) -> int:
    """Run the verb that ``argv`` names and return the exit code; raises :class:`KpatchError`."""
    options = make_parser().parse_args(argv)
    log.setup("kpatch", -1 if options.quiet else options.verbose)
    paths = Paths(options.root)
    if options.needs_kernel and not paths.is_host:
        raise BadInput(
            "{} works on the running kernel, not below {}".format(options.verb, paths.root),
            "leave --root away; install, uninstall, list and info know it",
        )
    function: Callable[[Paths, argparse.Namespace], int] = options.function
    return function(paths, options)


def make_parser() -> Parser:
    """The option table."""
    parser = Parser(
        prog="kpatch",
        parents=[_common_options()],
        description="Load, unload, list and install hot patches of the kernel.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(verbose=0, quiet=False, json=False, root="/")
    parser.add_argument("--version", action="version", version="kpatch " + kpatch.__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.required = True

    def verb(
        name: str, function: Callable[[Paths, Any], int], needs_kernel: bool, text: str
    ) -> argparse.ArgumentParser:
        one = verbs.add_parser(
            name, parents=[_common_options()], help=text, description=text[0].upper() + text[1:] + "."
        )
        one.set_defaults(function=function, needs_kernel=needs_kernel)
        return one

    one = verb("load", load, True, "load a patch into the running kernel")
    one.add_argument("--all", action="store_true", help="all patches that are installed for the running kernel")
    one.add_argument("patch", nargs="?", metavar="FILE|NAME", help="a module file, or the name of an installed patch")
    one = verb("unload", unload, True, "unload a patch from the running kernel")
    one.add_argument("--all", action="store_true", help="all loaded patches")
    one.add_argument("patch", nargs="?", metavar="NAME", help="the name of a loaded patch")
    verb("list", list_patches, False, "list loaded and installed patches")
    one = verb("info", info, False, "show what a patch says about itself")
    one.add_argument("patch", metavar="NAME|FILE")
    one = verb("install", install, False, "install a patch, to be loaded at every boot")
    _add_release(one)
    one.add_argument("patch", metavar="FILE")
    one = verb("uninstall", uninstall, False, "uninstall a patch; a loaded one stays in the kernel")
    _add_release(one)
    one.add_argument("patch", metavar="NAME")
    verb("status", show_status, True, "show what is fixed in the running kernel, and what is not yet")
    one = verb("apply", apply, True, "bring the running kernel to what is installed for it")
    one.add_argument("--boot", action="store_true", help="as the boot service: obey kpatch.enable=0")
    one.add_argument("--trigger", action="store_true", help="as rpm's file trigger: leave it to dnf if dnf will do it")
    verb("version", version, False, "show the version")
    return parser


def _common_options() -> Parser:
    """Options that may stand before or after the verb.

    A new parser for each use: a default set in one parser would else be set in all that share the options, and the
    default of a verb would overwrite what stood before it.
    """
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("-v", "--verbose", action="count", help="say what is done")
    common.add_argument("-q", "--quiet", action="store_true", help="say only what changed or went wrong")
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--root", metavar="DIR", help="work on the file tree in DIR (an image), not on /")
    return common


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-k", "--kernel-version", dest="release", metavar="RELEASE", help="default: the running kernel"
    )


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, sort_keys=True))


def _one_or_all(options: argparse.Namespace) -> None:
    if options.all == (options.patch is not None):
        raise BadInput("{}: give either one patch or --all".format(options.verb), "see kpatch --help")


def _finish(options: argparse.Namespace, outcome: Outcome) -> int:
    """Print the outcome of an engine run and return its exit code."""
    if options.json:
        _print_json(
            {
                "skipped": outcome.skipped,
                "retrying": outcome.retrying,
                "results": [dict(result._asdict()) for result in outcome.results],
            }
        )
    else:
        for line in report.outcome_lines(outcome, everything=not options.quiet):
            print("kpatch: " + line)
    return outcome.exit_code


def load(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch load``."""
    _one_or_all(options)
    if options.all:
        return _finish(options, engine.apply(paths, unload=False, guarded=False))
    found, managed = _resolve(paths, options.patch)
    if not found.is_patch:
        raise BadInput("{} is a kernel module but no hot patch".format(found.path), "load it with modprobe or insmod")
    with Lock(paths):
        state = State(paths)
        result = _load_one(paths, found)
        state.learn(found, managed)
        state.failures.pop(found.module, None)
        state.save()
    return _finish(options, Outcome(None, [result]))


def _load_one(paths: Paths, found: ModInfo) -> Result:
    """Load the patch, switch it on when it is loaded but off; it may be there already."""
    now = sysfs.loaded(paths).get(found.module)
    if now is not None and now.checksum and found.checksum and now.checksum != found.checksum:
        raise KpatchError(
            "another build of {} is loaded".format(found.module), "unload it first: kpatch unload " + found.module
        )
    if now is not None and now.active:
        return Result(found.module, "kept", True, "already loaded and enabled")
    if now is not None and now.state != "replaced":
        loader.enable(paths, now)
        return Result(found.module, "enabled", True, engine.describe(found, now, []))
    if now is not None:
        loader.unload(paths, now)
    replaced = loader.load(paths, found)
    return Result(
        found.module, "loaded", True, engine.describe(found, sysfs.loaded(paths).get(found.module), replaced)
    )


def _resolve(paths: Paths, name: str) -> "tuple[ModInfo, bool]":
    """The module that ``name`` means: a file, else an installed patch of the running kernel; and is it installed?"""
    if os.sep not in name and not os.path.exists(name):
        patch = store.find(store.read(paths, paths.release).patches, name)
        if patch is None and not name.endswith((".ko", ".xz")):
            raise BadInput(
                "no patch {} is installed for {}".format(name, paths.release),
                "kpatch list shows what is; or give a file",
            )
        if patch is not None:
            return patch.info, True
    found = read_modinfo(os.path.abspath(name))
    stores = [os.path.realpath(folder) for folder in paths.stores(found.release or "-")]
    return found, os.path.dirname(os.path.realpath(name)) in stores


def unload(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch unload``."""
    _one_or_all(options)
    results: List[Result] = []
    with Lock(paths):
        state = State(paths)
        for patch in _to_unload(paths, options):
            try:
                loader.unload(paths, patch)
                state.known.pop(patch.name, None)
                results.append(Result(patch.name, "unloaded", True, ""))
            except KpatchError as error:
                results.append(Result(patch.name, "unloaded", False, error.message, error.exit_code, error.hint or ""))
        state.save()
    installed = {patch.module for patch in store.read(paths, paths.release).patches}
    for result in results:
        if result.ok and result.patch in installed:
            logger.info("%s is still installed and will be loaded again at boot or by dnf", result.patch)
    return _finish(options, Outcome(None, results))


def _to_unload(paths: Paths, options: argparse.Namespace) -> "List[sysfs.LoadedPatch]":
    loaded = sysfs.loaded(paths)
    if options.all:
        # The order of loading is not known; an active patch can hold a replaced one, never the other way.
        return sorted(loaded.values(), key=lambda patch: not patch.active)
    name = os.path.basename(options.patch).split(".ko")[0].replace("-", "_").replace(".", "_")
    for candidate in (name, "kpatch_" + name):
        if candidate in loaded:
            return [loaded[candidate]]
    raise BadInput("no patch {} is loaded".format(options.patch), "kpatch list shows what is")


def list_patches(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch list``."""
    loaded = status.loaded_facts(paths) if paths.is_host else []
    installed = [fact for release in store.releases(paths) for fact in status.installed_facts(paths, release)]
    if options.json:
        _print_json({"loaded": loaded, "installed": installed})
    else:
        print("\n".join(report.list_lines(loaded, installed)))
    return 0


def info(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch info``."""
    found = None
    if os.sep not in options.patch and not os.path.exists(options.patch):
        for release in store.releases(paths):
            patch = store.find(store.read(paths, release).patches, options.patch)
            found = patch.info if patch is not None else found
    found = found or read_modinfo(options.patch)
    if options.json:
        _print_json({"path": found.path, "module": found.module, "release": found.release, "modinfo": found.fields})
    else:
        print("\n".join(report.info_lines(found)))
    return 0


def install(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch install``."""
    release = options.release or paths.release
    found = read_modinfo(options.patch)
    path = store.install(paths, found, release)
    _enable_service(paths)
    return _say(options, {"installed": found.module, "release": release, "path": paths.shown(path)})


def uninstall(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch uninstall``."""
    release = options.release or paths.release
    patch = store.uninstall(paths, options.patch, release)
    return _say(options, {"uninstalled": patch.module, "release": release, "path": paths.shown(patch.info.path)})


def _say(options: argparse.Namespace, fact: Dict[str, str]) -> int:
    if options.json:
        _print_json(fact)
    elif not options.quiet:
        verb = "installed" if "installed" in fact else "uninstalled"
        print("kpatch: {} {} for {} ({})".format(fact[verb], verb, fact["release"], fact["path"]))
    return 0


def _enable_service(paths: Paths) -> None:
    """Have what was installed loaded at boot; a machine without our unit is told so, no more."""
    unit = paths.under("usr/lib/systemd/system/" + SERVICE)
    wanted = paths.under("etc/systemd/system/multi-user.target.wants/" + SERVICE)
    if os.path.lexists(wanted) or not os.path.exists(unit):
        return
    try:
        root = [] if paths.is_host else ["--root=" + paths.root]
        run(["systemctl", "--quiet", *root, "enable", SERVICE], timeout=60)
    except KpatchError as error:
        logger.warning("%s is not enabled: %s", SERVICE, error)


def show_status(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch status``: exit 0 whatever the state is; scripts read ``--json``."""
    facts = status.facts(paths)
    if options.json:
        _print_json(facts)
    else:
        print("\n".join(report.status_lines(facts)))
    return 0


def apply(paths: Paths, options: argparse.Namespace) -> int:
    """``kpatch apply``: the engine's door for the boot service, dnf5 and rpm."""
    if options.trigger and os.environ.get("KPATCH_DNF_APPLIES") == "1":
        return 0  # the dnf plugin of this very process applies after the transaction, where waiting hurts nobody
    return _finish(options, engine.apply(paths, boot=options.boot))


def version(_paths: Paths, _options: argparse.Namespace) -> int:
    """``kpatch version``."""
    print(kpatch.__version__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
