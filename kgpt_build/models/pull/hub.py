"""Models of the Hugging Face hub, through the optional package huggingface_hub."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.models.gguf.shards import shard_names, stem_of

PREFIX = "hf:"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Address:
    """A file in a repository of the hub."""

    repository: str
    file: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}/{self.file}"

    @property
    def stem(self) -> str:
        """The model's name: the file's without folders, ending and number of the shard."""
        return stem_of(PurePosixPath(self.file))

    @property
    def shards(self) -> list[Address]:
        """All files of the model."""
        path = PurePosixPath(self.file)
        return [Address(self.repository, str(path.with_name(name))) for name in shard_names(path.name)]


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
    address = Address(match[1], match[2])
    if (first := address.shards[0]) != address:
        raise UsageError(f"{text!r} is a shard of a model, but not the first", f"give {first}")
    return address


def find(address: Address) -> Found:
    """The hub's metadata of the file. Raises ToolMissing without huggingface_hub, KgptError."""
    library = _library()
    try:
        said = library.get_hf_file_metadata(library.hf_hub_url(address.repository, address.file))
    except Exception as error:  # the library has dozens of exceptions, and moves them between modules
        raise _explained(address, error) from error
    etag = str(said.etag or "")
    return Found(str(said.commit_hash or "main"), int(said.size or 0), etag if _SHA256.fullmatch(etag) else "")


def download(address: Address, found: Found, folder: Path) -> Path:
    """The file, downloaded below ``folder``. Raises ToolMissing, KgptError."""
    library = _library()
    try:
        path = library.hf_hub_download(
            address.repository, address.file, revision=found.commit, local_dir=str(folder / "hub")
        )
    except Exception as error:
        raise _explained(address, error) from error
    return Path(path)


def _library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise ToolMissing(
            "models of the hub come through huggingface_hub, which is not installed", "pip install 'kgpt[hf]'"
        ) from None


def _explained(address: Address, error: Exception) -> KgptError:
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
    return KgptError(f"{address} cannot be downloaded: {reason}", hint)
