"""Programs made of a few lines of shell, to stand on PATH in the place of the real ones."""

from __future__ import annotations

from pathlib import Path


def fake_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
