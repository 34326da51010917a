"""What the commands call: packages built, signed, published and checked."""

from __future__ import annotations

from rpmbuild.build import BuiltRpms
from rpmbuild.check import check_repository
from rpmbuild.gpg import Key, find_key
from rpmbuild.patch import build_core_rpm, build_patch_rpm, build_subscription_rpm
from rpmbuild.publish import Published, PublishOptions, publish
from rpmbuild.runtime import build_runtime_rpms
from rpmbuild.sign import sign_rpm

__all__ = [
    "BuiltRpms",
    "Key",
    "PublishOptions",
    "Published",
    "build_core_rpm",
    "build_patch_rpm",
    "build_runtime_rpms",
    "build_subscription_rpm",
    "check_repository",
    "find_key",
    "publish",
    "sign_rpm",
]
