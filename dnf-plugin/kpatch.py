"""dnf 4 plugin: load hot patches after the transaction, and bring the patch with a new kernel.

Thin hooks over kpatch.host, which lies in a private directory so that one package serves any Python.  Everything is
imported here at the top: a transaction may replace our own files.  Runs on Python 3.6.
"""

import contextlib
import logging
import os
import re
import sys

import dnf
import dnf.cli
import dnf.exceptions
import dnf.transaction

_PRIVATE = "/usr/share/kpatch/python"
if os.path.isdir(_PRIVATE) and _PRIVATE not in sys.path:
    sys.path.insert(0, _PRIVATE)

from kpatch import log  # noqa: E402
from kpatch.errors import KpatchError  # noqa: E402
from kpatch.host import engine, report, status  # noqa: E402
from kpatch.host.files import read_text, write_beside  # noqa: E402
from kpatch.host.paths import Paths  # noqa: E402

logger = logging.getLogger("dnf.plugin")

PATCH_PREFIX = "kpatch-patch-"
KERNEL_CAPABILITY = "kernel-uname-r"
"""What a kernel package provides and a patch package requires: the key between them, in any distribution."""

KERNEL_FAMILY = ("kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra")
DEFERRED = "KPATCH_DNF_APPLIES"
"""Set in the environment of rpm's scriptlets: the file trigger may leave the work to us (see kpatch.cli.kpatch)."""

VERBS = {
    "status": "show settings, loaded patches, and which kernels lack their patch",
    "install": "install the patches for all installed kernels",
    "auto-update": "install the patch with each new kernel, and those missing now (also: auto)",
    "manual-update": "do not install patches with new kernels (also: manual)",
    "auto-filter": "hide kernels for which there is no patch (also: filter enable)",
    "no-filter": "show all kernels (also: filter disable)",
}
SETTINGS = {
    "auto-update": ("autoupdate", True),
    "manual-update": ("autoupdate", False),
    "auto-filter": ("autofilter", True),
    "no-filter": ("autofilter", False),
}
ALIASES = {
    ("auto",): "auto-update",
    ("manual",): "manual-update",
    ("filter", "enable"): "auto-filter",
    ("filter", "disable"): "no-filter",
}


class _Forward(logging.Handler):
    """Progress messages of kpatch.host become messages of dnf: on the terminal and in its log."""

    def emit(self, record):
        logger.log(record.levelno, "kpatch: %s", record.getMessage())


log.logger.handlers[:] = [_Forward()]
log.logger.propagate = False
log.logger.setLevel(logging.INFO)


class KpatchPlugin(dnf.Plugin):
    """The hooks; ``cli`` is None when a program (Ansible) uses dnf as a library."""

    name = "kpatch"

    def __init__(self, base, cli):
        super(KpatchPlugin, self).__init__(base, cli)
        self._resolving = False
        self._autoupdate = False
        self._autofilter = False
        if cli is not None:
            cli.register_command(KpatchCommand)

    def config(self):
        self._autoupdate = read_setting(self, self.base.conf, "autoupdate")
        self._autofilter = read_setting(self, self.base.conf, "autofilter")

    def sack(self):
        if self._autofilter and self._may_filter():
            hidden = unsupported_kernels(self.base.sack)
            if hidden:
                logger.debug("kpatch: hiding %d kernel packages without a patch", len(hidden))
                self.base.sack.add_excludes(hidden)

    def _may_filter(self):
        if self.cli is None:
            return True
        demands = self.cli.demands
        wanted = getattr(demands, "plugin_filtering_enabled", None)
        return demands.resolving if wanted is None else wanted

    def resolved(self):
        """Add the patch of each kernel that this transaction installs; runs again in the resolve() that it calls."""
        if not self._autoupdate or self._resolving or not self.base.transaction:
            return
        incoming = list(self.base.transaction.install_set)
        present = {package.name for package in incoming}
        kernels = [package for package in incoming if package.name.startswith("kernel")]
        missing = [patch for patch in patches_for(self.base.sack, kernels) if patch.name not in present]
        if not missing:
            return
        for patch in missing:
            self.base.package_install(patch, strict=False)  # a patch that does not fit is no reason to fail
        self._resolving = True
        try:
            self.base.resolve(self.cli is not None and self.cli.demands.allow_erasing)
        except dnf.exceptions.DepsolveError as error:
            logger.warning("kpatch: the patch for the new kernel cannot be installed: %s", error)
        finally:
            self._resolving = False

    def pre_transaction(self):
        """Tell rpm's file trigger that we come after it, where waiting for a task holds no lock of rpm."""
        leaving = {item.name for item in self.base.transaction or () if is_leaving(item)}
        if self._applies() and not leaving & {"kpatch", "kpatch-dnf"}:
            os.environ[DEFERRED] = "1"

    def transaction(self):
        os.environ.pop(DEFERRED, None)
        if not self._applies():
            return
        code = 1
        try:
            outcome = engine.apply(Paths())
            code = outcome.exit_code
            tell(outcome)
        except KpatchError as error:
            code = error.exit_code
            logger.error("kpatch: error: %s", error.message)
            logger.error("kpatch: hint: %s", error.hint or "run: kpatch apply")
        except OSError as error:
            logger.error("kpatch: error: %s", error)
            logger.error("kpatch: hint: the packages are installed; when this is mended, run: kpatch apply")
        if code and self.cli is not None:
            self.cli.demands.success_exit_status = code

    def _applies(self):
        """Is this the host's own root, and does the transaction touch us?  Cheap: this runs in each transaction."""
        if self.base.conf.installroot != "/":
            return False
        return any(item.name.startswith("kpatch") for item in self.base.transaction or ())


class KpatchCommand(dnf.cli.Command):
    """``dnf kpatch VERB``."""

    aliases = ("kpatch",)
    summary = "hot patches of the kernel: status, installation, automatic updates"

    @staticmethod
    def set_argparser(parser):
        lines = ", ".join("{}: {}".format(verb, text) for verb, text in VERBS.items())
        parser.add_argument("verb", nargs="+", metavar="VERB", help=lines)

    def configure(self):
        words = tuple(self.opts.verb)
        self.verb = ALIASES.get(words, words[0] if len(words) == 1 else "")
        if self.verb not in VERBS:
            raise dnf.cli.CliError(
                "dnf kpatch: unknown verb '{}'; there are: {}".format(" ".join(words), ", ".join(VERBS))
            )
        demands = self.cli.demands
        demands.sack_activation = True
        demands.root_user = self.verb != "status"
        demands.available_repos = True
        demands.resolving = self.verb in ("install", "auto-update")

    def run(self):
        if self.verb in SETTINGS:
            option, value = SETTINGS[self.verb]
            path = write_setting(self.base.conf, option, value)
            logger.info("kpatch: %s = %s (%s)", option, value, path)
        if self.verb == "status":
            self._status()
        elif self.verb in ("install", "auto-update"):
            self._install()

    def _install(self):
        installed = self.base.sack.query().installed()
        patches = patches_for(self.base.sack, kernels_in(installed))
        if not patches:
            logger.info("kpatch: the repositories hold no patch for the installed kernels")
        for patch in patches:
            if not installed.filter(name=patch.name, evr=patch.evr, arch=patch.arch):
                self.base.package_install(patch, strict=False)

    def _status(self):
        for option in ("autoupdate", "autofilter"):
            value = read_setting(KpatchPlugin, self.base.conf, option)
            print("{:<16}{}".format(option + ":", "enabled" if value else "disabled"))
        if self.base.conf.installroot == "/":
            print("\n".join(running_lines()))
        installed = self.base.sack.query().installed()
        for kernel in kernels_in(installed):
            for release in releases_of(kernel):
                print("{:<16}{}".format("kernel:", self._kernel_line(kernel, release, installed)))

    def _kernel_line(self, kernel, release, installed):
        here = patches_for(self.base.sack, [kernel], installed)
        newest = patches_for(self.base.sack, [kernel])
        if here and newest and newest[0] > here[0]:
            return "{}: {} installed, {} available".format(release, here[0], newest[0])
        if here:
            return "{}: {} installed".format(release, here[0])
        return "{}: {}".format(release, "{} available".format(newest[0]) if newest else "no patch in the repositories")


def running_lines():
    """What ``kpatch status`` says of the running kernel."""
    try:
        return report.status_lines(status.facts(Paths()))
    except KpatchError as error:
        return ["{:<16}{}".format("error:", error.message)]


def tell(outcome):
    """One plain line per patch; failures as errors."""
    failed = outcome.exit_code != 0
    for line in report.outcome_lines(outcome):
        logger.log(
            logging.ERROR if failed and (" NOT " in line or line.startswith("hint")) else logging.INFO,
            "kpatch: %s",
            line,
        )


def is_leaving(item):
    """Does this transaction item take a package off, with no newer one in its place?"""
    return item.action in (dnf.transaction.PKG_REMOVE, dnf.transaction.PKG_OBSOLETED)


def releases_of(package):
    """The kernels that ``package`` is: the values of its ``kernel-uname-r`` capability."""
    prefix = KERNEL_CAPABILITY + " = "
    return [str(item)[len(prefix) :] for item in package.provides if str(item).startswith(prefix)]


def kernels_in(query):
    """The kernel packages of ``query``."""
    return list(query.filter(provides=KERNEL_CAPABILITY))


def patches_for(sack, kernels, query=None):
    """The newest patch package (``query``: of these; default all) of each of ``kernels``, found by its requirement.

    No name is taken apart, so any distribution's release will do.
    """
    found = []
    for kernel in kernels:
        for release in releases_of(kernel):
            patches = (query if query is not None else sack.query()).filter(name__glob=PATCH_PREFIX + "*")
            patches = patches.filter(requires="{} = {}".format(KERNEL_CAPABILITY, release)).latest()
            found += [patch for patch in patches.run() if patch not in found][:1]
    return found


def unsupported_kernels(sack):
    """Available kernel packages of versions for which no patch exists; none when there are no patches at all."""
    available = sack.query().available()
    patches = sack.query().filter(name__glob=PATCH_PREFIX + "*")
    keys = {str(item) for patch in patches for item in patch.requires if str(item).startswith(KERNEL_CAPABILITY)}
    if not keys:
        return []
    supported = set()
    for key in keys:
        supported.update((package.evr, package.arch) for package in available.filter(provides=key))
    return [
        package for package in available.filter(name=KERNEL_FAMILY) if (package.evr, package.arch) not in supported
    ]


def read_setting(plugin, conf, option):
    """A yes/no option of kpatch.conf; default no.  Raises ConfigError for anything else."""
    parser = plugin.read_config(conf)
    if not (parser.has_section("main") and parser.has_option("main", option)):
        return False
    try:
        return parser.getboolean("main", option)
    except ValueError as error:
        raise dnf.exceptions.ConfigError("kpatch.conf: {}: {}".format(option, error)) from error


def write_setting(conf, option, value):
    """Set ``option`` in kpatch.conf, every other line as it was; returns the path."""
    paths = [os.path.join(folder, "kpatch.conf") for folder in conf.pluginconfpath]
    path = next((path for path in paths if os.path.exists(path)), paths[0])
    line = "{} = {}".format(option, value)
    lines = (read_text(path) or "").splitlines()
    numbers = [number for number, text in enumerate(lines) if re.match(option + r"\s*[=:]", text)]
    if numbers:
        lines[numbers[0]] = line
    else:
        if "[main]" not in lines:
            lines.append("[main]")
        lines.insert(lines.index("[main]") + 1, line)
    try:
        with contextlib.suppress(FileExistsError):
            os.makedirs(os.path.dirname(path))
        write_beside(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise dnf.exceptions.Error("cannot write {}: {}".format(path, error.strerror)) from error
    return path
