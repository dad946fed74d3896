"""The driver of the serial port, on a line that does not wait for it: 16 bytes are kept, and what follows is lost."""

from __future__ import annotations

import ctypes
from collections import deque

import pytest
from native import shared_object

COM1 = 0x3F8
FIFO = 16
NONE, END = -1, -2
IER, MCR = 1, 4
RECEIVED, SENT, RTS = 1, 2, 2


class Uart:
    """A 16550 whose line moves by one byte, in and out, for every ``pace`` ports read: at 115200 baud about 87."""

    def __init__(self, typed: bytes = b"", pace: int = 87) -> None:
        self.coming = deque(typed)
        self.pace = pace
        self.reads = 0
        self.received: deque[int] = deque()
        self.sending: deque[int] = deque()
        self.sent = b""
        self.lost = 0
        self.registers = [0] * 8
        self.drains = True
        self.halted = False
        """The other side sends nothing."""

    def read(self, port: int) -> int:
        self.reads += 1
        if self.reads % self.pace == 0:
            self._move()
        register = port - COM1
        if register == 0:
            return self.received.popleft() if self.received else 0
        if register == 5:
            return (0 if self.sending else 0x60) | bool(self.received)
        return self.registers[register]

    def write(self, port: int, value: int) -> None:
        register = port - COM1
        if register == 0 and not self.registers[3] & 0x80:
            self.sending.append(value)
            self.lost += len(self.sending) > FIFO
        else:
            self.registers[register] = value

    def _move(self) -> None:
        if self.sending and self.drains:
            self.sent += bytes([self.sending.popleft()])
        if self.coming and not self.halted:
            self.received.append(self.coming.popleft())
            if len(self.received) > FIFO:
                self.received.pop()
                self.lost += 1


class Driver:
    """platform/pc/serial.c on such a port."""

    def __init__(self, library: ctypes.CDLL, uart: Uart) -> None:
        # Kept, since C holds no reference.
        self._read = ctypes.CFUNCTYPE(ctypes.c_uint8, ctypes.c_uint16)(uart.read)
        self._write = ctypes.CFUNCTYPE(None, ctypes.c_uint16, ctypes.c_uint8)(uart.write)
        self._library = library
        library.driver_use_ports(self._read, self._write)
        library.driver_start.restype = ctypes.c_bool
        self.present = library.driver_start()

    def write(self, text: bytes) -> None:
        self._library.kg_serial_write(text, ctypes.c_size_t(len(text)))

    def read(self) -> int:
        return int(self._library.kg_serial_read())

    def typed(self) -> bytes:
        """All that there is."""
        return bytes(iter(self.read, NONE))

    def listen(self) -> None:
        self._library.kg_serial_listen()

    def interrupt(self) -> None:
        """As the handler does."""
        self._library.kg_serial_keep()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return shared_object(tmp_path_factory.mktemp("serial"), ["tests/hosted/serial_driver.c"])


def test_what_comes_while_a_line_is_drawn_is_kept(library: ctypes.CDLL) -> None:
    """An editor that draws the whole line again for each byte is slower than the line: a paste into its middle."""
    paste = bytes(32 + i % 90 for i in range(150))
    uart = Uart(paste)
    driver = Driver(library, uart)
    assert driver.present
    got = b""
    while len(got) < len(paste):
        byte = driver.read()
        assert byte != END
        if byte >= 0:
            got += bytes([byte])
            driver.write(b"-" * 40)
    assert got == paste
    assert uart.lost == 0
    assert driver.read() == NONE


def test_a_paste_while_it_computes_is_kept(library: ctypes.CDLL) -> None:
    """The port interrupts when its FIFO is half full; nobody reads what was taken in."""
    paste = bytes(32 + i % 90 for i in range(4000))
    uart = Uart(paste)
    driver = Driver(library, uart)
    driver.listen()
    assert uart.registers[IER] == RECEIVED | SENT
    while uart.coming or uart.received:
        uart.read(COM1 + 5)
        if len(uart.received) >= 8 or not uart.coming:
            driver.interrupt()
            assert uart.registers[IER] == RECEIVED
    assert uart.lost == 0
    assert driver.typed() == paste


def test_a_sender_that_looks_at_rts_waits_where_there_is_no_room(library: ctypes.CDLL) -> None:
    paste = bytes(32 + i % 90 for i in range(9000))
    uart = Uart(paste)
    driver = Driver(library, uart)
    driver.listen()
    got = b""
    while len(got) < len(paste):
        waits = not uart.registers[MCR] & RTS
        assert bool(uart.registers[IER]) != waits  # nor does the port interrupt for ever
        if waits and uart.reads % 7 == 0:
            got += driver.typed()
        elif not waits:
            uart.read(COM1 + 5)
        uart.halted = waits
        driver.interrupt()
        if not uart.coming:
            got += driver.typed()
    assert got == paste
    assert uart.lost == 0


def test_nothing_is_sent_too_fast(library: ctypes.CDLL) -> None:
    uart = Uart()
    driver = Driver(library, uart)
    driver.write(b"line\n" * 50)
    for _ in range(100 * uart.pace):
        uart.read(COM1 + 5)
    assert uart.sent == b"line\r\n" * 50
    assert uart.lost == 0


def test_a_line_that_nobody_drains_is_given_up(library: ctypes.CDLL) -> None:
    uart = Uart()
    driver = Driver(library, uart)
    uart.drains = False
    driver.write(b"x" * 100)
    assert uart.reads < 200_000
    before = uart.reads
    driver.write(b"x" * 100)
    assert uart.reads == before
    assert driver.read() == END


@pytest.mark.parametrize("value", [0x00, 0xFF])
def test_no_port(library: ctypes.CDLL, value: int) -> None:
    class Nothing(Uart):
        def read(self, port: int) -> int:
            self.reads += 1
            return value

    uart = Nothing()
    driver = Driver(library, uart)
    assert not driver.present
    assert uart.reads < 10
    assert driver.read() == END
