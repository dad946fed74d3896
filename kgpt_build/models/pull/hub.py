"""Models of the Hugging Face hub, through the optional package huggingface_hub."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kgpt_build.errors import KgptError, ToolMissing, UsageError

PREFIX = "hf:"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Address:
    """A file in a repository of the hub."""

    repository: str
    file: str

    @property
    def stem(self) -> str:
        """The file's name without folders and ending."""
        return PurePosixPath(self.file).stem


@dataclass(frozen=True)
class Found:
    """The hub's metadata of a file: its commit, its size in bytes, its SHA-256 ("": unknown)."""

    commit: str
    size: int
    sha256: str


def parse(text: str) -> Address:
    """``hf:ORG/REPO/FILE.gguf``, where FILE may lie in folders. Raises UsageError."""
    match = re.fullmatch(r"hf:([\w.-]+/[\w.-]+)/([\w.+-]+(?:/[\w.+-]+)*\.gguf)", text, re.ASCII)
    if match is None or ".." in text:
        raise UsageError(f"{text!r} is no address of a model", "give hf:ORG/REPO/FILE.gguf")
    if re.search(r"-\d{5}-of-\d{5}\.gguf$", text):
        raise UsageError(
            f"{text!r} is a part of a model", "choose a whole file, or join the parts: llama-gguf-split --merge"
        )
    return Address(match[1], match[2])


def find(text: str) -> Found:
    """The hub's metadata of the file. Raises ToolMissing without huggingface_hub, KgptError."""
    address, library = parse(text), _library()
    try:
        said = library.get_hf_file_metadata(library.hf_hub_url(address.repository, address.file))
    except Exception as error:  # the library has dozens of exceptions, and moves them between modules
        raise _explained(text, error) from error
    etag = str(said.etag or "")
    return Found(str(said.commit_hash or "main"), int(said.size or 0), etag if _SHA256.fullmatch(etag) else "")


def download(text: str, found: Found, folder: Path) -> Path:
    """The file, downloaded below ``folder``. Raises ToolMissing, KgptError."""
    address, library = parse(text), _library()
    try:
        path = library.hf_hub_download(
            address.repository, address.file, revision=found.commit, local_dir=str(folder / "hub")
        )
    except Exception as error:
        raise _explained(text, error) from error
    return Path(path)


def _library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise ToolMissing(
            "models of the hub come through huggingface_hub, which is not installed", "pip install 'kgpt[hf]'"
        ) from None


def _explained(text: str, error: Exception) -> KgptError:
    reasons = {
        "RepositoryNotFoundError": ("there is no such repository, or it is private", "check the name; set HF_TOKEN"),
        "GatedRepoError": ("its owner gives it to those who ask", "accept its conditions on the hub, and set HF_TOKEN"),
        "EntryNotFoundError": ("the repository has no such file", "look for its .gguf files on the hub"),
        "RemoteEntryNotFoundError": ("the repository has no such file", "look for its .gguf files on the hub"),
    }
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    reason, hint = reasons.get(
        type(error).__name__, (said or type(error).__name__, "check the connection, and try again")
    )
    return KgptError(f"{text} cannot be downloaded: {reason}", hint)
