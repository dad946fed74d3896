"""Reads the signatures (Authenticode) in a UEFI program."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from kgpt_build.errors import KgptError

_HEAD = 4096  # bytes of a file that hold the beginning of its headers


@dataclass(frozen=True)
class Signature:
    """A signature in a UEFI program."""

    signer: str
    """The name in the certificate of the signer."""
    holds: bool
    """Does it belong to the bytes of the program, and was it made with the certificate's key?"""
    certificate: bytes
    """The certificate (DER)."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the certificate, which firmware setups show."""
        return fingerprint_of(self.certificate)


def fingerprint_of(certificate: bytes) -> str:
    """SHA-256 (hex) of a certificate (DER), which firmware setups show."""
    return hashlib.sha256(certificate).hexdigest()


def is_program(data: bytes) -> bool:
    """Is ``data`` a PE file, as UEFI programs are?"""
    import lief

    return bool(lief.is_pe(list(data[:_HEAD])))


def read_signatures(data: bytes) -> tuple[Signature, ...]:
    """The signatures in the UEFI program ``data``, in their order; none: it is not signed.

    Raises KgptError if it is no UEFI program, or damaged.
    """
    import lief

    lief.logging.disable()
    program = lief.PE.parse(list(data)) if is_program(data) else None
    if program is None:
        raise KgptError("it is not a UEFI program, or it is damaged", "give an .efi file")
    digests = {}
    found = []
    for signature in program.signatures:
        kind = signature.digest_algorithm
        if kind not in digests:
            digests[kind] = bytes(program.authentihash(kind))
        found.append(_signature(lief, signature, digests[kind]))
    return tuple(found)


def _signature(lief: Any, signature: Any, digest: bytes) -> Signature:
    flags = lief.PE.Signature.VERIFICATION_FLAGS
    whole = bytes(signature.content_info.digest) == digest
    checks = lief.PE.Signature.VERIFICATION_CHECKS
    # Firmware ignores the times of certificates; a certificate of this second counts as one of the future.
    whole = whole and signature.check(checks.HASH_ONLY | checks.SKIP_CERT_TIME) == flags.OK
    signers = list(signature.signers)
    certificate = signers[0].cert if signers else None
    if certificate is None:
        return Signature("nobody", False, b"")
    return Signature(_common_name(certificate.subject), whole, bytes(certificate.raw))


def _common_name(subject: str) -> str:
    """The common name in a subject such as ``CN=kgpt, O=…``, else all of it."""
    for part in subject.split(", "):
        if part.startswith("CN="):
            return part[3:]
    return subject
