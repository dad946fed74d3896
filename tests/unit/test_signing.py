"""Keys for Secure Boot, signatures, and the variables of a virtual firmware."""

from __future__ import annotations

import shutil
import stat
import struct
import uuid
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.arch import DEFAULT, of_name
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.signing import keys
from kgpt_build.signing.sign import find_signer, signed
from kgpt_build.signing.signature_list import certificate_list
from kgpt_build.signing.signatures import read_signatures
from kgpt_build.vm.firmware import Firmware, find_secure_firmware
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.variables import formatted, is_blank, secure_boot_variables, with_variables

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
needs_sbsign = pytest.mark.skipif(not shutil.which("sbsign"), reason="sbsign (sbsigntool) is not installed")


CHANNELS = Channels("null", "null", "")


def _program() -> bytes:
    """A PE32+ file with one section of code, as small as the specification allows."""
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x10000, 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 10, 0)
    optional += struct.pack("<QQQQII", 1 << 20, 4096, 1 << 20, 4096, 0, 16) + bytes(16 * 8)
    header = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"
    header += struct.pack("<HHIIIHH", DEFAULT.uefi.pe_machine, 1, 0, 0, 0, len(optional), 0x22) + optional
    header += struct.pack("<8sIIIIIIHHI", b".text", 1, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return header.ljust(512, b"\0") + b"\xc3".ljust(512, b"\0")


@needs_openssl
def test_keys_are_private_and_never_replaced(tmp_path: Path) -> None:
    files = keys.make(tmp_path / "new" / "own", "A key")
    assert [stat.S_IMODE(path.stat().st_mode) for path in files.all] == [0o600, 0o644, 0o644, 0o644]
    der = files.enrolment.read_bytes()
    assert keys.read_certificate(files.certificate) == keys.read_certificate(files.enrolment) == der
    assert files.signature_list.read_bytes() == certificate_list(der)
    before = [path.read_bytes() for path in files.all]
    files.signature_list.unlink()
    with pytest.raises(KgptError, match="never replaced"):
        keys.make(tmp_path / "new" / "own", "A key")
    assert [path.read_bytes() for path in files.all[:3]] == before[:3]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["own.cer", "own.crt", "own.key"]


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "$ENV::HOME", 'a"b', "a;b"])
def test_names_that_no_certificate_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a key"):
        keys.make(tmp_path / "own", name)
    assert not list(tmp_path.iterdir())


@needs_openssl
@needs_sbsign
def test_a_signature_names_its_signer_and_covers_the_program(tmp_path: Path) -> None:
    files = keys.make(tmp_path / "own", "A key")
    program = _program()
    assert read_signatures(program) == ()
    result = signed(program, find_signer(files.key, files.certificate), "own.efi")
    (found,) = read_signatures(result)
    assert (found.signer, found.holds, found.certificate) == ("A key", True, files.enrolment.read_bytes())
    changed = bytearray(result)
    changed[600] ^= 1
    assert not read_signatures(bytes(changed))[0].holds


@needs_openssl
@needs_sbsign
def test_what_cannot_sign_is_refused(tmp_path: Path) -> None:
    one, other = (keys.make(tmp_path / name, name) for name in ("one", "other"))
    with pytest.raises(KgptError, match="could not be signed") as mixed:
        signed(_program(), find_signer(one.key, other.certificate), "own.efi")
    assert "belong together" in mixed.value.hint
    with pytest.raises(KgptError, match="not a UEFI program"):
        signed(b"\x7fELF", find_signer(one.key, one.certificate), "kernel.elf")
    with pytest.raises(KgptError, match="not a private key"):
        find_signer(one.certificate, one.key)
    with pytest.raises(KgptError, match="as DER"):
        find_signer(one.key, one.enrolment)
    with pytest.raises(KgptError, match="cannot read the key"):
        find_signer(tmp_path / "none.key", one.certificate)


def _flash(size: int = 4096) -> bytes:
    """A volume with an empty store of authenticated variables."""
    store = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le
    volume = bytes(32) + struct.pack("<Q4sIH", size, b"_FVH", 0, 72) + bytes(22)
    return (volume + store + struct.pack("<IBB6x", size - 72, 0x5A, 0xFE)).ljust(size, b"\xff")


def test_variables_are_added_behind_those_that_are_there() -> None:
    flash, variables = _flash(), secure_boot_variables(b"\x30\x82" + bytes(301))
    once = with_variables(flash, variables, "flash")
    twice = with_variables(once, variables[3:], "flash")
    assert len(once) == len(twice) == len(flash)
    assert once.count("SecureBootEnable\0".encode("utf-16-le")) == 1
    assert twice.count("SecureBootEnable\0".encode("utf-16-le")) == 2
    end = len(once.rstrip(b"\xff"))
    assert twice[:end] == once[:end]


@pytest.mark.parametrize("place", [40, 72, 88, 92, 93])
def test_a_damaged_store_is_refused(place: int) -> None:
    flash = bytearray(_flash())
    flash[place + (3 if place == 88 else 0)] ^= 0x41
    with pytest.raises(KgptError, match="flash holds no variables"):
        with_variables(bytes(flash), (), "flash")


def test_a_full_store_is_refused() -> None:
    with pytest.raises(KgptError, match="no room"):
        with_variables(_flash(1024), secure_boot_variables(bytes(900)), "flash")
    with pytest.raises(KgptError, match="holds no variables"):
        with_variables(b"", (), "flash")


@pytest.mark.parametrize("erased", [b"\0", b"\xff"])
def test_a_blank_chip_is_formatted(erased: bytes) -> None:
    """Debian's AAVMF comes with one. The first bytes are those that AAVMF itself writes at its first start."""
    chip = erased * 8192
    assert is_blank(chip)
    flash = formatted(chip, 1024, "chip")
    assert not is_blank(flash)
    assert (len(flash), flash[3072:]) == (8192, erased * 5120)
    assert sum(struct.unpack("<36H", flash[:72])) & 0xFFFF == 0
    assert flash[72:100] == uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le + struct.pack(
        "<IBB6x", 1024 - 72, 0x5A, 0xFE
    )
    added = with_variables(flash, secure_boot_variables(bytes(9)), "chip")
    assert added.count("SecureBootEnable\0".encode("utf-16-le")) == 1
    with pytest.raises(KgptError, match="no room"):
        with_variables(flash, secure_boot_variables(bytes(400)), "chip")
    with pytest.raises(KgptError, match="chip is too small"):
        formatted(chip, 4096, "chip")


def test_firmware_with_a_blank_chip_gets_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is as large as the template, and most of it is a hole."""
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    arch = of_name("aarch64")
    assert arch.uefi.secure is not None
    code, template = arch.uefi.secure.places[-1]
    (tmp_path / code).parent.mkdir(parents=True)
    (tmp_path / code).touch()
    with refused(ToolMissing, "UEFI firmware with Secure Boot AAVMF"):
        find_secure_firmware(b"\x30", tmp_path, arch)
    with (tmp_path / code).with_name(template).open("wb") as file:
        file.truncate(8 << 20)
    found = find_secure_firmware(b"\x30\x82" + bytes(300), tmp_path, arch)
    assert found.variables is not None
    assert found.variables.stat().st_size == 8 << 20
    assert found.variables.stat().st_blocks * 512 < 2 << 20
    assert "SecureBootEnable\0".encode("utf-16-le") in found.variables.read_bytes()
    words = qemu_argv(RunSettings(Path("own.img"), medium="usb", arch=arch, firmware=found, accel="tcg"), CHANNELS)
    assert words[words.index("-machine") + 1].partition(",")[0] == "virt"


def test_the_machine_protects_the_variables() -> None:
    secure = DEFAULT.uefi.secure
    assert secure is not None
    firmware = Firmware(Path("code.fd"), Path("variables.fd"), True, secure)
    settings = RunSettings(Path("own.img"), medium="usb", firmware=firmware, accel="tcg")
    words = qemu_argv(settings, CHANNELS)
    assert words[words.index("-machine") + 1] == f"{secure.machine},{secure.machine_options}"
    assert all(word in words for word in secure.arguments)
    with pytest.raises(UsageError, match="has no Secure Boot"):
        RunSettings(Path("own.img"), medium="usb", firmware=firmware, machine=DEFAULT.qemu.full_machine)


def _without_signature(program: bytes) -> bytes:
    """A signed PE32+ file without its signature, and without what the signature changes in its headers."""
    optional = int.from_bytes(program[0x3C:0x40], "little") + 24
    table = optional + 112 + 8 * 4  # of certificates
    start, size = struct.unpack_from("<II", program, table)
    assert start + size == len(program)
    assert size > 0
    data = bytearray(program[:start])
    struct.pack_into("<I", data, optional + 64, 0)  # check sum
    struct.pack_into("<II", data, table, 0, 0)
    return bytes(data)


@needs_openssl
@needs_sbsign
def test_signed_files_are_equal_without_their_signatures(tmp_path: Path) -> None:
    """Whoever builds the same kgpt.efi can compare it with a signed one."""
    program = _program()
    one, other = keys.make(tmp_path / "one", "one"), keys.make(tmp_path / "other", "other")
    signer, second = find_signer(one.key, one.certificate), find_signer(other.key, other.certificate)
    files = [signed(program, by, "kgpt.efi") for by in (signer, signer, second)]
    assert {_without_signature(file) for file in files} == {program}
