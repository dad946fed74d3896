"""What loaders pass: nothing is cut without a word, and file names before the words are no words."""

from __future__ import annotations

import ctypes

import pytest
from native import shared_object

QEMU, GRUB, PXELINUX, IPXE = b"qemu", b"GRUB 2.06-13", b"PXELINUX 6.04", b"iPXE 1.0.0"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("boot"), ["tests/hosted/boot_driver.c"])
    for name in ("driver_module_name", "driver_module_words", "driver_cmdline", "driver_excess"):
        getattr(library, name).restype = ctypes.c_char_p
    library.driver_region.argtypes = [ctypes.c_uint64]
    return library


@pytest.fixture
def boot(library: ctypes.CDLL) -> ctypes.CDLL:
    library.driver_begin()
    return library


def test_the_memory_map(boot: ctypes.CDLL) -> None:
    for i in range(256):
        boot.driver_region(i << 20)
    assert boot.driver_excess() is None
    boot.driver_region(1 << 40)
    assert boot.driver_excess() == b"the memory map has more than 256 regions"


def test_as_many_modules_as_there_can_be(boot: ctypes.CDLL) -> None:
    for i in range(64):
        boot.driver_module(b"/models/%d.gguf sha256=%064x" % (i, i))
    assert boot.driver_excess() is None
    for i in range(64):
        assert boot.driver_module_name(i) == b"/models/%d.gguf" % i
        assert boot.driver_module_words(i) == b"sha256=%064x" % i
    boot.driver_module(b"one more")
    assert boot.driver_excess() == b"there are more than 64 boot modules"


def test_words_of_modules_of_any_length(boot: ctypes.CDLL) -> None:
    boot.driver_module(b"a" * 4000 + b" " + b"b" * 4000)
    assert boot.driver_module_name(0) == b"a" * 4000
    assert boot.driver_module_words(0) == b"b" * 4000
    assert boot.driver_excess() is None
    boot.driver_module(b"c" * 200)
    assert boot.driver_excess() == b"the boot modules' words are longer than 8191 bytes"


def test_a_command_line_that_is_too_long(boot: ctypes.CDLL) -> None:
    assert boot.driver_cmdline(GRUB, b"prompt=" + b"x" * 4088) == b"prompt=" + b"x" * 4088
    assert boot.driver_excess() is None
    boot.driver_cmdline(GRUB, b"prompt=" + b"x" * 4089)
    assert boot.driver_excess() == b"the command line is longer than 4095 bytes"


@pytest.mark.parametrize(
    ("loader", "text", "words"),
    [
        (QEMU, b"kernel seed=7 exit", b"seed=7 exit"),
        (QEMU, b"/a=b/kernel.elf", b""),
        (PXELINUX, b"kernel.elf seed=7 exit", b"seed=7 exit"),
        (PXELINUX, b"/boot/kernel  exit", b"exit"),
        (IPXE, b"tftp://10.0.2.2/kernel.elf?a=b seed=7", b"seed=7"),
        (IPXE, b"kernel.elf", b""),
        (GRUB, b"/kernel.elf seed=7", b"seed=7"),  # out of habit: GRUB Legacy wanted it
        (GRUB, b"seed=7 exit", b"seed=7 exit"),
        (GRUB, b"exit", b"exit"),
        (GRUB, b"  exit", b"exit"),
        (GRUB, b"prompt=a/b.c exit", b"prompt=a/b.c exit"),
        (GRUB, b'"prompt=a /b.c" exit', b'"prompt=a /b.c" exit'),
        (GRUB, b"temperature=0.5", b"temperature=0.5"),
        (GRUB, b"", b""),
    ],
)
def test_the_name_of_the_kernel_is_no_word(boot: ctypes.CDLL, loader: bytes, text: bytes, words: bytes) -> None:
    assert boot.driver_cmdline(loader, text) == words
