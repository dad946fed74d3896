"""Signs UEFI programs with sbsign, and checks the result."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from kgpt_build import process
from kgpt_build.errors import KgptError
from kgpt_build.signing.keys import read_certificate
from kgpt_build.signing.signatures import is_program, read_signatures
from kgpt_build.toolchain import SbSign

_SECONDS = 60.0


@dataclass(frozen=True)
class Signer:
    """Who signs: a private key and its certificate (PEM), and the program that does it."""

    key: Path
    certificate: Path
    program: Path

    @property
    def der(self) -> bytes:
        """The certificate, for enrolment."""
        return read_certificate(self.certificate)


def find_signer(key: Path, certificate: Path) -> Signer:
    """The signer for ``--sign KEY CERT``, both files checked. Raises KgptError, ToolMissing."""
    try:
        text = key.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read the key {key}: {error.strerror}", "make one: kgpt keys make NAME") from error
    if b"PRIVATE KEY-----" not in text:
        raise KgptError(f"{key} is not a private key (PEM)", "--sign takes the .key file first, then the .crt file")
    if b"ENCRYPTED" in text:
        raise KgptError(
            f"{key} is encrypted, and sbsign would ask for its password", "openssl rsa -in KEY -out NEW.key"
        )
    if b"BEGIN CERTIFICATE" not in _read(certificate):
        read_certificate(certificate)  # says what it is not
        raise KgptError(f"{certificate} is a certificate as DER", "give the .crt file (PEM)")
    return Signer(key, certificate, SbSign().require())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "kgpt keys make NAME makes NAME.crt") from error


def signed(program: bytes, signer: Signer, name: str) -> bytes:
    """The UEFI program ``program`` with a signature by ``signer``; ``name`` is for messages.

    Raises KgptError if it is no UEFI program, if key and certificate do not belong together, or if the signature does
    not hold.
    """
    if not is_program(program):
        raise KgptError(f"{name} is not a UEFI program", "only .efi files can be signed")
    with tempfile.TemporaryDirectory(prefix="kgpt-sign.") as work:
        source, target = Path(work, "program.efi"), Path(work, "signed.efi")
        source.write_bytes(program)
        words: list[str | Path] = [signer.program, "--key", signer.key, "--cert", signer.certificate]
        words += ["--output", target, source]
        try:
            process.run(words, timeout=_SECONDS)
            result = target.read_bytes()
        except (process.CommandFailed, OSError) as error:
            raise KgptError(
                f"{name} could not be signed by {signer.key} with {signer.certificate}",
                f"do they belong together? {getattr(error, 'hint', error)}",
            ) from error
    found = read_signatures(result)
    if not found or not found[-1].holds or found[-1].certificate != signer.der:
        raise KgptError(f"{name} was signed, but its signature does not hold", "do KEY and CERT belong together?")
    return result
