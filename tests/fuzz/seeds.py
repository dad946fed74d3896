"""Writes the inputs that every fuzz target begins with: ``python tests/fuzz/seeds.py [TARGET…]``.

They are kept in tests/fuzz/corpus, under names that begin with ``seed-``; inputs under other names were found by
fuzzing, and stay.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "hosted"))
import seed_devices
import seed_models
import seed_network
import seed_texts
from fuzz_build import CORPUS
from shell_models import write_shell_models

MAKERS = seed_devices.MAKERS | seed_models.MAKERS | seed_network.MAKERS | seed_texts.MAKERS


def main(arguments: Sequence[str] | None = None) -> None:
    """Write them all, or those of the targets that the command line names."""
    parser = argparse.ArgumentParser(description="Write the inputs that fuzz targets begin with.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(MAKERS)}; default: all")
    names = parser.parse_args(arguments).targets or list(MAKERS)
    unknown = [name for name in names if name not in MAKERS]
    if unknown:
        parser.error(f"unknown target {unknown[0]!r}; there are {', '.join(MAKERS)}")
    if "shell" in names:
        write_shell_models()
    for name in names:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for i, data in enumerate(MAKERS[name]()):
            (folder / f"seed-{i:02}").write_bytes(data)


if __name__ == "__main__":
    main()
