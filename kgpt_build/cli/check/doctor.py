"""``kgpt doctor``: reads only, and gives one fix per failure."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from kgpt_build import paths
from kgpt_build.arch import ALL, Arch, of_host
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.sizes import MB
from kgpt_build.toolchain import (
    AptGet,
    DpkgDeb,
    GrubMkimage,
    GrubModules,
    Make,
    Mtools,
    OpenSsl,
    Program,
    Qemu,
    QemuUser,
    SbSign,
    Xorriso,
    get,
)

_OLDEST_PYTHON = (3, 11)
_DISK_MB = 200  # zig's cache, objects and kernels of a first build


@dataclass(frozen=True)
class Finding:
    """The result of a check. ``fix``: what to do. doctor fails only for a failed check that is ``required``."""

    name: str
    ok: bool
    text: str
    fix: str = ""
    required: bool = True


@click.command("doctor")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check this machine for the tools that kgpt needs or can use, and tell how to install them.

    kgpt doctor changes nothing. It tests KVM with a boot of at most 3 seconds. The exit code is 3 if a tool that kgpt
    needs is missing.
    """
    findings = list(examine())
    for title, required in (("needed", True), ("optional", False)):
        click.echo(f"{title}:")
        for finding in findings:
            if finding.required == required:
                _show(finding)
    needed = [finding.ok for finding in findings if finding.required]
    optional = [finding.ok for finding in findings if not finding.required]
    failed = needed.count(False)
    verdict = f"{failed} of {len(needed)} needed checks failed" if failed else "everything that kgpt needs is here"
    click.echo(f"{verdict}; {optional.count(True)} of {len(optional)} optional things are here")
    ctx.exit(ToolMissing.exit_code if failed else 0)


def _show(finding: Finding) -> None:
    mark = "ok" if finding.ok else "FAIL" if finding.required else "no"
    click.echo(f"  {mark:<5}{finding.name:<20}{finding.text}")
    if not finding.ok and finding.fix:
        click.echo(f"       {'':<20}fix: {finding.fix}")


def examine() -> Iterator[Finding]:
    """The findings of all checks. An error in a check becomes its finding."""
    own = of_host()
    others = [arch for arch in ALL if arch is not own]
    foreign = [tool for arch in others for tool in (Qemu(arch), QemuUser(arch))]
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _python),
        ("sources", _sources),
        ("zig", lambda: _program(get("zig").compiler)),
        ("make", lambda: _program(Make())),
        (own.qemu.program, lambda: _program(Qemu(own))),
        ("/dev/kvm", lambda: _kvm(own)),
        *((arch.uefi.name, partial(_uefi, arch)) for arch in (own, *others)),
        *((tool.name, _optional(tool)) for tool in foreign),
        *((tool.name, _optional(tool)) for name in ("clang", "gcc") for tool in (get(name).compiler, get(name).linker)),
        *((tool.name, _optional(tool)) for tool in (GrubMkimage(), *map(GrubModules, own.grub))),
        *((tool.name, _optional(tool)) for tool in (Xorriso(), Mtools(), OpenSsl(), SbSign(), AptGet(), DpkgDeb())),
        ("cache", _cache),
        ("disk", _disk),
    ]
    for name, check in checks:
        try:
            yield check()
        except KgptError as error:
            yield Finding(name, False, error.message, error.hint)
        except OSError as error:
            yield Finding(name, False, str(error))


def _python() -> Finding:
    ok = sys.version_info[:2] >= _OLDEST_PYTHON
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    return Finding("python", ok, f"{platform.python_version()} ({sys.executable})", f"use Python {oldest} or newer")


def _sources() -> Finding:
    return Finding("sources", True, str(paths.source_root()))


def _program(tool: Program, *, required: bool = True) -> Finding:
    try:
        use = "" if required else f", {tool.purpose}"
        return Finding(tool.name, True, f"{tool.version()} ({tool.find()}){use}", required=required)
    except ToolMissing as error:
        return Finding(tool.name, False, error.message, error.hint, required)


def _optional(tool: Program) -> Callable[[], Finding]:
    return lambda: _program(tool, required=False)


def _kvm(arch: Arch) -> Finding:
    """Boot under KVM: a device that opens may still run no kernel."""
    from kgpt_build.vm.qemu.accel import KVM_DEVICE, try_kvm

    name = str(KVM_DEVICE)
    try:
        trial = try_kvm(str(Qemu(arch).find()), arch=arch, remember=False)
    except ToolMissing:
        return Finding(name, False, "cannot be tried without QEMU", required=False)
    if trial.works:
        return Finding(name, True, "a test kernel ran under it", required=False)
    return Finding(name, False, f"{trial.reason}; kernels run in TCG, more slowly", trial.fix, required=False)


def _uefi(arch: Arch) -> Finding:
    """UEFI firmware, which only `kgpt run --firmware uefi` needs."""
    from kgpt_build.vm.firmware import UEFI, find_firmware

    name = arch.uefi.name
    try:
        firmware = find_firmware(UEFI, arch=arch)
    except ToolMissing as error:
        return Finding(name, False, error.message, error.hint, required=False)
    return Finding(name, True, f"{firmware.code if firmware else ''}, for --firmware uefi", required=False)


def _cache() -> Finding:
    folder = paths.cache_dir()
    place = _nearest(folder)
    ok = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Finding(
        "cache", ok, str(folder) if ok else f"{folder} cannot be written", "set KGPT_CACHE to another folder"
    )


def _disk() -> Finding:
    place = _nearest(paths.cache_dir())
    free = shutil.disk_usage(place).free // MB
    fix = f"make room: a first build takes {_DISK_MB} MB, or set KGPT_CACHE to another disk"
    return Finding("disk", free >= _DISK_MB, f"{free:,} MB free at {place}", fix)


def _nearest(path: Path) -> Path:
    """``path`` or the nearest of its parents that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
