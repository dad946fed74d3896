"""Drives kernel_c/kernel.mk: sets its variables and reads its output."""

from __future__ import annotations

import os
import platform
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import kgpt_build
from kgpt_build import paths, process
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.kernel.objects import Keys, Objects, Step
from kgpt_build.kernel.settings import TARGETS, BuildSettings, Progress
from kgpt_build.plain_names import plain_name, temporary_root
from kgpt_build.toolchain import Make, Toolchain
from kgpt_build.words import counted

_COMPILING = re.compile(r"^(.+) -MMD -MP -MF \S+ -c (\S+) -o (\S+\.o)$")
_FOLDER = re.compile(r"(?<= )-I(\S+)")
_ERROR = re.compile(r"error:|undefined reference|undefined symbol|cannot find|\*\*\*", re.IGNORECASE)
_SECONDS = 1800.0


@dataclass(frozen=True)
class MakeRun:
    """One call of make. ``root`` holds the sources; ``work`` gets the objects and the kernel, and has the generated
    headers in ``include``.

    Both have plain paths (sources.root_for_make, plain_names). ``versions`` are those of the tools.
    ``lm``: with the engine for language models.
    """

    settings: BuildSettings
    tools: Toolchain
    root: Path
    work: Path
    versions: dict[str, str]
    lm: bool = False

    @property
    def headers(self) -> Path:
        """The folder of the generated headers."""
        return self.work / "include"

    def make(self, progress: Progress) -> tuple[Path, tuple[str, ...]]:
        """Make the kernel; returns its path, and the source files that were compiled because the cache had no object.

        Raises KgptError with the compiler's message, ToolMissing if a tool is missing.
        """
        objects, keys = Objects(), Keys(self.root, self.headers, self._compiler())
        keyed = [(step, keys.key(step)) for step in self._steps()]
        alone = [step for step, key in keyed if key is None]
        absent = objects.take_all({step: key for step, key in keyed if key})
        with objects.locked(absent, progress):
            absent = objects.take_all(absent)  # another build may have compiled some meanwhile
            try:
                compiled = self._compile(len(alone) + len(absent), progress)
            except process.CommandFailed as error:
                if error.returncode > 0:  # make has ended by itself, so it has removed unfinished objects
                    objects.put_all(absent)
                raise self._explained(error) from error
            objects.put_all(absent)
        return self.work / TARGETS[self.settings.target], compiled

    def _compile(self, total: int, progress: Progress) -> tuple[str, ...]:
        compiled: list[str] = []
        if total:
            version = self.versions[self.tools.compiler.name]
            progress.stage(f"compiling {counted(total, 'file')} with {self.settings.toolchain} {version}")

        def on_line(line: str) -> None:
            if match := _COMPILING.search(line):
                compiled.append(match[2])
                progress.compiling(match[2], len(compiled), max(total, len(compiled)))

        process.run(self._argv(), cwd=self.root, env=environment(self.work), timeout=_SECONDS, on_line=on_line)
        return tuple(compiled)

    def _steps(self) -> list[Step]:
        """The compilations that make would run in the empty folder."""
        plan = process.run(
            [*self._argv(), "--dry-run"], cwd=self.root, env=environment(self.work), timeout=_SECONDS
        ).output
        return [self._step(match) for line in plan.splitlines() if (match := _COMPILING.search(line))]

    def _step(self, match: re.Match[str]) -> Step:
        flags = match[1].removeprefix(shlex.join(self.tools.cc())).replace(shlex.join(self._maps()), "")
        folders = tuple(Path(folder) for folder in _FOLDER.findall(flags))
        for name, folder in (("@generated", self.headers), ("@root", self.root)):
            flags = flags.replace(str(folder), name)
        return Step(flags, folders, Path(match[2]), Path(match[3]))

    def flags(self) -> str:
        """The flags that kernel.mk recorded, with the folder of the generated headers replaced by ``include``."""
        return (self.work / "obj" / "flags").read_text(errors="surrogateescape").replace(str(self.headers), "include")

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
            f"OUT={self.work}",
            f"GEN={self.headers}",
            f"ARCH={settings.arch.name}",
            f"TARGET={settings.target}",
            f"TOOLCHAIN={settings.toolchain}",
            f"CC={_words(self.tools.cc())}",
            f"CCMAP={_words(self._maps())}",
            f"LD={_words(self.tools.ld())}",
            f"DEBUG={int(settings.debug)}",
            f"TRAIN={int(settings.corpus is not None)}",
            f"LM={int(self.lm)}",
            f"DRIVERS={int(settings.drivers)}",
            f"EFI={int(settings.efi)}",
            f"SANITIZE={settings.sanitize}",
            f"VERSION={kgpt_build.__version__}",
        ]

    def _compiler(self) -> str:
        """Identifies the compiler: its version, and if it is not pinned its path and the version of the C library."""
        parts = sorted(self.versions.items())
        if not self.tools.compiler.pinned:
            parts += [("path", str(self.tools.compiler.find())), ("libc", "-".join(platform.libc_ver()))]
        return repr(parts)

    def _maps(self) -> list[str]:
        return compiler_maps(self.tools.cc_folder(), self.root)

    def _explained(self, error: process.CommandFailed) -> KgptError:
        if "No space left on device" in error.output:
            return KgptError("the disk is full: the kernel could not be compiled", f"make room at {self.work}")
        reasons = [line.strip() for line in error.output.splitlines() if _ERROR.search(line)]
        reason = reasons[0] if reasons else error.message
        what = f"the {self.settings.target} kernel could not be built with {self.tools.name}"
        return KgptError(f"{what}: {reason}", error.hint)


def compiler_maps(folder: Path, root: Path) -> list[str]:
    """Options that keep the path of the compiler's folder out of the kernel.

    Zig names its own headers relative to the working directory, which is ``root``, if they lie below it. It calls its
    folder by the name without links, and so the environment may be a link to another.
    """
    folders = dict.fromkeys((folder, folder.resolve()))
    names = [name for at in folders for name in (at, *([at.relative_to(root)] if at.is_relative_to(root) else []))]
    return [f"-ffile-prefix-map={name}=compiler" for name in names]


def environment(work: Path) -> dict[str, str]:
    """The environment of make, without variables that change the compiler (CFLAGS, CPATH, MAKEFLAGS, …).

    Zig keeps its caches in kgpt's cache, or below ``work`` if that cannot be used.
    """
    try:
        zig = plain_name(paths.make_cache_dir("zig"))
    except KgptError:
        zig = paths.make_dir(work / "zig")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "TMPDIR": str(temporary_root()),
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "0",
        "ZIG_GLOBAL_CACHE_DIR": str(zig),
        "ZIG_LOCAL_CACHE_DIR": str(zig),
    }


def _words(words: list[str]) -> str:
    """Quote the words of a command for make and the shell that it calls."""
    if any("\n" in word for word in words):
        raise ToolMissing(f"make cannot call {words[0]!r}: its path has a line feed in it", "install it somewhere else")
    return shlex.join(words).replace("$", "$$")
