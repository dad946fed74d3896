"""OpenSSL, which makes keys, and sbsign, which signs UEFI programs."""

from __future__ import annotations

import re

from kgpt_build.toolchain.program import Program


class OpenSsl(Program):
    """The program openssl, also LibreSSL's."""

    name = "openssl"
    purpose = "it makes the keys of kgpt keys make"
    identity = re.compile(r"(?:Open|Libre)SSL (\d+\.\d+\S*)")
    minimum = (1, 1, 1)
    install = "apt-get install openssl"
    version_arguments = ("version",)


class SbSign(Program):
    """sbsign of sbsigntool."""

    name = "sbsign"
    purpose = "it signs UEFI programs for Secure Boot"
    identity = re.compile(r"sbsign (\d+\.\d+\S*)")
    minimum = (0, 9)
    install = "apt-get install sbsigntool"
