"""Signature lists: the format of UEFI's variables PK, KEK and db (UEFI Specification 2.10, section 32.4.1)."""

from __future__ import annotations

import struct
import uuid

X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
"""EFI_CERT_X509_GUID: the list holds a certificate (DER)."""
OWNER = uuid.UUID("6b677074-2d6b-6579-7300-000000000001")
"""SignatureOwner: says in a variable who added the certificate; firmware does not compare it."""
_LIST = struct.Struct("<16sIII")


def certificate_list(certificate: bytes) -> bytes:
    """An EFI_SIGNATURE_LIST with one certificate (DER)."""
    signature = OWNER.bytes_le + certificate
    return _LIST.pack(X509.bytes_le, _LIST.size + len(signature), 0, len(signature)) + signature
