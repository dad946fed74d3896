"""Secure Boot with a key of one's own: makes keys, signs UEFI programs, reads signatures: docs/secure-boot.md."""
