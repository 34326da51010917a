#!/bin/bash
# Compile a small kernel that looks for mistakes: debug-kernel.sh DIRECTORY SOURCE-ARCHIVE (docs/debug-kernel.md).
# NO_LIVEPATCH=1 leaves the kernel's own live patching out.
set -euo pipefail
tree=$1 archive=$2 here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$tree/boot"
tar -xf "$archive" -C "$tree" --strip-components=1
cd "$tree"
make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config "$here/debug-kernel.config" >/dev/null
if [ -n "${NO_LIVEPATCH:-}" ]; then sed -i '/CONFIG_LIVEPATCH/d' .config; fi
make -s olddefconfig
make -s -j"$(nproc)" bzImage modules
release=$(make -s kernelrelease)
ln -sf ../arch/x86/boot/bzImage "boot/vmlinuz-$release"
ln -sf ../.config "boot/config-$release"
