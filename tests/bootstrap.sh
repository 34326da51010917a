#!/bin/bash
# Everything that the project's own checks need, on a Debian machine: packages by apt, a Python
# environment by pip.  Prints the environment's interpreter as its only line on stdout.
# Idempotent; a second run with all in place takes a fraction of a second.  Two runs may overlap.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kpatch
python=/usr/bin/python3 # the interpreter that the system's rpm and dnf modules are built for

packages=(
    # building patches, modules and kernels' host tools
    gcc make patch binutils bc bison flex cpio kmod rsync xz-utils zstd libelf-dev libssl-dev libc6-dev
    # packaging and publishing
    rpm createrepo-c gpg gpg-agent gpgconf dnf python3-dnf python3-rpm python3-venv
    # virtual machines
    qemu-system-x86 qemu-utils seabios mmdebstrap e2fsprogs busybox-static
    # checks
    git sparse lz4 lzop bzip2 ca-certificates
)

say() { printf 'bootstrap: %s\n' "$*" >&2; }

missing_packages() {
    # dpkg-query fails when it knows nothing of a package: that one is missing, too
    { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true; } |
        sed -n 's/^installed //p' | sort -u | comm -13 - <(printf '%s\n' "${packages[@]}" | sort -u)
}

install_packages() {
    local missing
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "these packages are missing and only root can install them:" $missing
        return 1
    fi
    # One lock for the machine: apt's own lists lock does not wait.
    exec 8>/run/lock/kpatch-bootstrap.lock
    flock 8
    say "installing" $missing
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update >&2
    apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install $missing >&2
    exec 8>&-
}

# The packages that pyproject.toml names, one requirement per line.
requirements() {
    "$python" - "$top/pyproject.toml" <<'PYTHON'
import sys, tomllib

with open(sys.argv[1], "rb") as stream:
    project = tomllib.load(stream)["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"]["dev"]))
PYTHON
}

# An environment per set of requirements: a checkout of another version gets its own.
make_environment() {
    local wanted venv
    wanted=$(requirements)
    venv=$cache/venv-$({ "$python" -V; printf '%s\n' "$wanted"; } | sha256sum | cut -c1-12)
    if [ ! -e "$venv/complete" ]; then
        exec 9>"$cache/venv.lock"
        flock 9
        if [ ! -e "$venv/complete" ]; then
            say "making the Python environment $venv"
            rm -rf "$venv"
            "$python" -m venv --system-site-packages "$venv"
            printf '%s\n' "$wanted" >"$venv/requirements.txt"
            "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r "$venv/requirements.txt" >&2
            touch "$venv/complete"
        fi
        exec 9>&-
    fi
    printf '%s\n' "$venv/bin/python"
}

install_packages
mkdir -p "$cache"
make_environment
