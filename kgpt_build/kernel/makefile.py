"""Drive kernel_c/kernel.mk: the one place that knows its variables and reads what it prints."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import kgpt_build
from kgpt_build import paths, process
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.kernel.settings import TARGETS, BuildSettings, Progress
from kgpt_build.plain_names import plain_name
from kgpt_build.toolchain import Make, Toolchain

_COMPILING = re.compile(r" -c (\S+) -o \S+\.o$")
_ERROR = re.compile(r"error:|undefined reference|undefined symbol|cannot find|\*\*\*", re.IGNORECASE)
_SECONDS = 1800.0


@dataclass(frozen=True)
class MakeRun:
    """One call of make: ``root`` holds the sources, ``headers`` those generated, ``work`` takes objects and image.

    ``root`` has a plain path (sources.root_for_make); make reaches the others through links if theirs are not.
    ``lm``: with the engine for language models.
    """

    settings: BuildSettings
    tools: Toolchain
    root: Path
    work: Path
    headers: Path
    lm: bool = False

    def make(self, progress: Progress) -> tuple[Path, tuple[str, ...]]:
        """Bring the image up to date; returns its path and the source files that were compiled.

        Raises KgptError with the compiler's words if that fails, ToolMissing if a tool is not there.
        """
        argv, env = self._argv(), environment()
        total = len(_compiled(process.run([*argv, "--dry-run"], cwd=self.root, env=env, timeout=_SECONDS).output))
        compiled: list[str] = []

        def on_line(line: str) -> None:
            if match := _COMPILING.search(line):
                compiled.append(match[1])
                progress.compiling(match[1], len(compiled), max(total, len(compiled)))

        try:
            process.run(argv, cwd=self.root, env=env, timeout=_SECONDS, on_line=on_line)
        except process.CommandFailed as error:
            raise self._explained(error) from error
        return self.work / TARGETS[self.settings.target], tuple(compiled)

    def flags(self) -> str:
        """The flags that kernel.mk recorded."""
        return (self.work / "obj" / "flags").read_text(errors="surrogateescape")

    def _argv(self) -> list[str]:
        settings = self.settings
        return [
            str(Make().require()),
            "--no-print-directory",
            "-f",
            "kernel_c/kernel.mk",
            f"-j{settings.jobs}",
            "--output-sync=target",
            f"ROOT={self.root}",
            f"OUT={plain_name(self.work)}",
            f"GEN={plain_name(self.headers)}",
            f"TARGET={settings.target}",
            f"TOOLCHAIN={settings.toolchain}",
            f"CC={_words(self.tools.cc())}",
            f"CCMAP={_words(compiler_maps(self.tools.cc_folder(), self.root))}",
            f"LD={_words(self.tools.ld())}",
            f"DEBUG={int(settings.debug)}",
            f"TRAIN={int(settings.corpus is not None)}",
            f"LM={int(self.lm)}",
            f"SANITIZE={settings.sanitize}",
            f"VERSION={kgpt_build.__version__}",
        ]

    def _explained(self, error: process.CommandFailed) -> KgptError:
        if "No space left on device" in error.output:
            return KgptError("the disk is full: the kernel could not be compiled", f"make room at {self.work}")
        reasons = [line.strip() for line in error.output.splitlines() if _ERROR.search(line)]
        reason = reasons[0] if reasons else error.message
        what = f"the {self.settings.target} image could not be built with {self.tools.name}"
        return KgptError(f"{what}: {reason}", error.hint)


def compiler_maps(folder: Path, root: Path) -> list[str]:
    """Options that keep the compiler's own folder out of the image.

    Zig names its headers relative to the directory that it runs in, which is ``root``, if they lie below it.
    """
    names = [folder, *([folder.relative_to(root)] if folder.is_relative_to(root) else [])]
    return [f"-ffile-prefix-map={name}=compiler" for name in names]


def environment() -> dict[str, str]:
    """The environment of make: nothing that changes what a compiler does (CFLAGS, CPATH, MAKEFLAGS, …) gets through.

    Zig keeps its caches in kgpt's.
    """
    zig = plain_name(paths.make_cache_dir("zig"))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "0",
        "ZIG_GLOBAL_CACHE_DIR": str(zig),
        "ZIG_LOCAL_CACHE_DIR": str(zig),
    }


def _compiled(output: str) -> list[str]:
    return [match[1] for line in output.splitlines() if (match := _COMPILING.search(line))]


def _words(words: list[str]) -> str:
    """Words of a command as make hands them to the shell."""
    if any("\n" in word for word in words):
        raise ToolMissing(f"make cannot call {words[0]!r}: its path has a line feed in it", "install it somewhere else")
    return shlex.join(words).replace("$", "$$")
