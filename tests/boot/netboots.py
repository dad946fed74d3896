"""A machine without a disk under OVMF, which boots over its network card."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pace

from kgpt_build.arch import DEFAULT

CODE, VARIABLES = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
_SECONDS = 240.0


def machine_words(variables: Path, serial: Path) -> list[str]:
    """QEMU's, for a machine that says what it says into ``serial``."""
    return [
        *(DEFAULT.qemu.program, "-nodefaults", "-no-reboot", "-machine", "q35", "-accel", "tcg", "-cpu", "max"),
        *("-m", "512", "-display", "none", "-serial", f"file:{serial}"),
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={CODE}"),
        *("-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={variables}"),
    ]


def said_by(words: list[str], variables: Path, folder: Path, until: str = "20 samples,", escape_at: str = "") -> str:
    """The serial port's text of a machine that boots over its network card, up to ``until``.

    Esc is pressed again and again from ``escape_at`` on.
    """
    out = folder.parent / "serial"
    out.unlink(missing_ok=True)
    argv = [*machine_words(variables, out), "-monitor", "stdio", *words]
    machine = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert machine.stdin
    try:
        deadline = time.monotonic() + pace.limit(_SECONDS)
        while time.monotonic() < deadline and machine.poll() is None:
            text = out.read_text(errors="replace") if out.is_file() else ""
            if until in text:
                break
            if escape_at and escape_at in text:
                machine.stdin.write(b"sendkey esc\n")
                machine.stdin.flush()
            time.sleep(0.2)
    finally:
        machine.kill()
        machine.wait()
        machine.stdin.close()
    return out.read_text(errors="replace")
