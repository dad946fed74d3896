"""apt and dpkg, which fetch and open packages of Debian and its relatives. Neither needs root for it."""

from __future__ import annotations

import re

from kgpt_build.toolchain.program import Program

_NOT_DEBIAN = "on Debian or Ubuntu: apt-get install {}; elsewhere give the source with --source FILE"


class AptGet(Program):
    """apt-get, which downloads a package into the current folder."""

    name = "apt-get"
    purpose = "it downloads the kernel source that Debian ships"
    identity = re.compile(r"^apt (\d+(?:\.\d+)+)")
    minimum = (1, 1)
    install = _NOT_DEBIAN.format("apt")


class AptCache(Program):
    """apt-cache, which knows the names and versions of packages."""

    name = "apt-cache"
    purpose = "it finds the kernel source that Debian ships"
    identity = AptGet.identity
    minimum = AptGet.minimum
    install = AptGet.install


class DpkgDeb(Program):
    """dpkg-deb, which opens a package."""

    name = "dpkg-deb"
    purpose = "it opens Debian packages"
    identity = re.compile(r"package archive backend version (\d+(?:\.\d+)+)")
    install = _NOT_DEBIAN.format("dpkg")
