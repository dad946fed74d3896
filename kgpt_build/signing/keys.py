"""Makes the key and the certificate that a user's own firmware trusts."""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kgpt_build import process
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.paths import write_errors
from kgpt_build.signing.signature_list import certificate_list
from kgpt_build.toolchain import OpenSsl

DAYS = 7300
"""Validity of a certificate. Firmware does not compare it with its clock, which may be wrong."""
_BITS = 2048  # the only length of RSA keys that every firmware with Secure Boot takes
_MOST_NAME = 64  # ub-common-name of RFC 5280
_SECONDS = 120.0
_CONFIG = """[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
string_mask = utf8only
utf8 = yes
[subject]
commonName = {name}
[extensions]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
"""


@dataclass(frozen=True)
class KeyFiles:
    """The files of one key."""

    key: Path
    """The private key (PEM), which only its owner can read."""
    certificate: Path
    """The certificate (PEM), for --sign."""
    enrolment: Path
    """The certificate (DER), for the setup of firmware and for MokManager."""
    signature_list: Path
    """The certificate as an EFI_SIGNATURE_LIST, for firmware that asks for one."""

    @property
    def all(self) -> tuple[Path, ...]:
        """The four paths."""
        return self.key, self.certificate, self.enrolment, self.signature_list


def key_files(base: Path) -> KeyFiles:
    """The paths of the files of the key ``base``."""
    return KeyFiles(*(base.with_name(base.name + end) for end in (".key", ".crt", ".cer", ".esl")))


def make(base: Path, name: str) -> KeyFiles:
    """Make an RSA key and its certificate for ``name`` as files ``base.key``, ``.crt``, ``.cer`` and ``.esl``.

    A file that exists is never replaced. Raises UsageError, KgptError, ToolMissing.
    """
    _check_name(name)
    if not base.name:
        raise UsageError(f"{base} is not the name of a file", "give a name, such as kgpt-secure-boot")
    files = key_files(base)
    _check_free(files)
    openssl = OpenSsl().require()
    folder = base.absolute().parent
    with write_errors(f"to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        # A folder that only its owner can enter: openssl may create the key readable for all.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".kgpt-keys.") as work:
            made = key_files(Path(work, "made"))
            _run_openssl(openssl, made, Path(work, "request.cfg"), name)
            certificate = read_certificate(made.certificate)
            made.enrolment.write_bytes(certificate)
            made.signature_list.write_bytes(certificate_list(certificate))
            _publish(made, files)
    return files


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= _MOST_NAME or not name.isprintable() or any(c in name for c in '\\$#"=;,'):
        raise UsageError(
            f"{name!r} cannot name a key", f'give 1 to {_MOST_NAME} characters without \\ $ # " = ; and comma'
        )


def _check_free(files: KeyFiles) -> None:
    for path in files.all:
        if path.is_symlink() or path.exists():
            raise KgptError(
                f"{path} is there already, and a key is never replaced",
                "give another name, or move the old files to a safe place",
            )


def _run_openssl(openssl: Path, made: KeyFiles, config: Path, name: str) -> None:
    config.write_text(_CONFIG.format(name=name), encoding="utf-8")
    process.run(
        [
            *(openssl, "req", "-new", "-x509", "-sha256", "-nodes", "-newkey", f"rsa:{_BITS}", "-days", str(DAYS)),
            *("-config", config, "-keyout", made.key, "-out", made.certificate),
        ],
        timeout=_SECONDS,
    )


def _publish(made: KeyFiles, files: KeyFiles) -> None:
    """Give the finished files their names, none of which may exist: link(2) refuses where rename(2) replaces."""
    done: list[Path] = []
    try:
        for source, target in zip(made.all, files.all, strict=True):
            source.chmod(0o600 if source == made.key else 0o644)
            with source.open("rb") as file:
                os.fsync(file.fileno())
            os.link(source, target)
            done.append(target)
    except OSError:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def read_certificate(path: Path) -> bytes:
    """The certificate in ``path`` (PEM, or DER) as DER. Raises KgptError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "kgpt keys make NAME makes NAME.crt") from error
    if is_certificate(data):
        return data
    try:
        der = ssl.PEM_cert_to_DER_cert(data.decode("ascii"))
    except ValueError:
        der = b""
    if not is_certificate(der):
        raise KgptError(f"{path} is not a certificate (PEM or DER)", "give the .crt file of kgpt keys make")
    return der


def is_certificate(data: bytes) -> bool:
    """Does ``data`` look like a certificate: one DER sequence of just its size, which begins with a sequence?"""
    return data[:2] == b"\x30\x82" and int.from_bytes(data[2:4], "big") + 4 == len(data) and data[4:5] == b"\x30"
