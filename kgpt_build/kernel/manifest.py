"""manifest.json of a kernel: its inputs, and the command line that builds it again. It is written last, atomically."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kgpt_build
from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import cached_sha256, sha256_of
from kgpt_build.headers import Corpus
from kgpt_build.kernel.efi import NAME as EFI_NAME
from kgpt_build.kernel.settings import BuildSettings
from kgpt_build.models import GgufModel, Model, NoModel

NAME = "manifest.json"
FORMAT = 1
NO_CORPUS = "none"
"""The word in the place of a file after --corpus, if the kernel has no text."""


def reproduce_line(settings: BuildSettings, model_path: Path | None) -> str:
    """The `kgpt build` line that repeats this build; paths are absolute, so it works from any directory."""
    words = ["kgpt", "build"]
    words += [str(model_path.absolute())] if model_path else [] if settings.lm else ["--default"]
    words += ["--lm"] if settings.lm else []
    words += ["-o", str(settings.out.absolute()), "--toolchain", settings.toolchain, "--target", settings.target]
    words += ["--arch", settings.arch.name]  # without it a build is for the machine that it runs on
    words += ["--debug"] if settings.debug else []
    words += ["--drivers"] if settings.drivers else []
    words += ["--sanitize", settings.sanitize] if settings.sanitize else []
    if settings.corpus is not None:
        words += ["--corpus", str(settings.corpus.path.absolute()) if settings.corpus.path else NO_CORPUS]
    words += ["--chat-template", settings.chat_template] if settings.chat_template is not None else []
    if settings.prefill is not None:
        words += [
            *(
                ["--system", f"@{settings.prefill}" if settings.prefill.startswith("@") else settings.prefill]
                if settings.prefill
                else []
            ),
            "--prefill",
        ]
    words += ["--cmdline", settings.cmdline] if settings.cmdline else []
    return shlex.join(words)


def content(
    settings: BuildSettings,
    model: Model | GgufModel | NoModel,
    model_path: Path | None,
    output: Path,
    inputs: dict[str, dict[str, str]],
    tools: dict[str, str],
    flags: str,
) -> dict[str, Any]:
    """The manifest of ``output``. ``inputs`` maps a kind of input to its files' SHA-256; ``flags`` are make's."""
    return {
        "format": FORMAT,
        "generator": f"kgpt {kgpt_build.__version__}",
        "reproduce": reproduce_line(settings, model_path),
        "arch": settings.arch.name,
        "target": settings.target,
        "toolchain": settings.toolchain,
        "debug": settings.debug,
        "sanitize": settings.sanitize,
        "corpus": None if settings.corpus is None else _described(settings.corpus),
        "lm": settings.lm,
        "chat_template": settings.chat_template,
        "cmdline": settings.cmdline,
        "prefill": settings.prefill,
        "drivers": settings.drivers,
        "output": _file(output),
        "efi": _file(output.with_name(EFI_NAME)) if output.with_name(EFI_NAME).exists() else None,
        "model": {
            "name": model.name,
            "arch": model.arch,
            "parameters": model.n_parameters,
            "sha256": model.sha256,
            "file": str(model_path.absolute()) if model_path else None,
            "file_sha256": cached_sha256(model_path) if model_path else None,
        },
        "inputs": inputs,
        "tools": tools,
        "flags": flags,
    }


def _file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "size": path.stat().st_size, "sha256": sha256_of(path)}


def _described(corpus: Corpus) -> dict[str, Any]:
    return {
        "source": corpus.source,
        "size": len(corpus.data),
        "sha256": corpus.sha256,
        "file": str(corpus.path.absolute()) if corpus.path else None,
    }


def write(folder: Path, manifest: dict[str, Any]) -> Path:
    """Write ``manifest`` to ``folder``; raises KgptError."""
    path = folder / NAME
    paths.write_atomically(path, as_json(manifest))
    return path


def as_json(described: Mapping[str, Any]) -> bytes:
    """A manifest's bytes. Bytes of paths that are not UTF-8 become JSON escapes ``\\udcXX``."""
    return (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def read(folder: Path) -> dict[str, Any]:
    """The manifest in ``folder``. Raises KgptError if it is missing or cannot be used."""
    path = folder / NAME
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "build first: kgpt build") from error
    except ValueError as error:
        raise KgptError(f"{path} is damaged: {error}", "build again: kgpt build") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise KgptError(f"{path} was written by another version of kgpt", "build again: kgpt build")
    return manifest
