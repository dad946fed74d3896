"""Decides between KVM and TCG by booting a small kernel under KVM.

``/dev/kvm`` may open and still not run an ordinary kernel, for example in a virtual machine whose host emulates KVM
only in part.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.arch import DEFAULT, Arch, runs_here
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.paths import cache_dir, write_atomically
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.verdict import without_program

KVM_DEVICE = Path("/dev/kvm")
PROBE_SECONDS = 2.5
_MOST_TOLD = 31
_INSTEAD = "using TCG, which is slower"
_HOST_FIX = "enable (nested) virtualisation in the firmware, or on the host of this machine"


@dataclass(frozen=True)
class Trial:
    """The result of trying KVM; if it does not work, the reason and a fix."""

    works: bool
    reason: str = ""
    fix: str = ""

    @property
    def line(self) -> str:
        """The result as one line."""
        return f"KVM is not used: {self.reason}; {_INSTEAD} (to fix it: {self.fix}; kgpt doctor repeats this)"


def resolve(settings: RunSettings, qemu: str, warn: Callable[[str], None]) -> RunSettings:
    """``settings`` with ``accel`` kvm or tcg.

    For ``auto`` without a working KVM, ``warn`` gets the reason, once per host. For ``kvm`` raises ToolMissing.
    """
    if settings.accel == "tcg":
        return settings
    if not runs_here(settings.arch):  # nothing is wrong with the host: there is nothing to warn of
        if settings.accel == "kvm":
            here = f"this machine is {platform.machine() or 'of another kind'}, not {settings.arch.title}"
            raise ToolMissing(f"KVM does not work: {here}", "give --accel tcg")
        return dataclasses.replace(settings, accel="tcg")
    trial = try_kvm(qemu, settings.cpu, settings.arch)
    if trial.works:
        return dataclasses.replace(settings, accel="kvm")
    if settings.accel == "kvm":
        raise ToolMissing(f"KVM does not work: {trial.reason}", f"{trial.fix}; or give --accel tcg")
    if not _was_told(trial.line):
        warn(trial.line)
    return dataclasses.replace(settings, accel="tcg")


def _was_told(line: str) -> bool:
    """Was this line shown on this host before? Remembers it, if the cache can be written."""
    told = cache_dir() / "accel-told.json"
    mark = hashlib.sha256("\n".join([platform.node(), _read_text("/etc/machine-id"), line]).encode()).hexdigest()
    try:
        kept = json.loads(told.read_bytes())
    except (OSError, ValueError):
        kept = []
    marks = kept if isinstance(kept, list) else []
    if mark in marks:
        return True
    with contextlib.suppress(KgptError, OSError):
        told.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(told, json.dumps([*marks[-_MOST_TOLD:], mark]).encode())
    return False


def try_kvm(qemu: str, cpu: str = "", arch: Arch = DEFAULT, *, remember: bool = True) -> Trial:
    """Does KVM run a kernel that computes? At most 3 seconds, and at once if this host was tried before.

    ``arch`` is that of this host. With ``remember`` the cache keeps the answer. Raises KgptError if QEMU knows no
    ``cpu`` of that name.
    """
    refusal = _open_device(arch)
    if refusal is not None:  # not cached: it is quick to check, and the user may fix it
        return refusal
    cache = cache_dir() / "accel.json"
    key = _host_key(qemu, cpu)  # QEMU is one of ``arch``
    known = _read_cache(cache)
    if key in known:
        return known[key]
    trial = _boot(qemu, cpu, arch)
    if not remember:
        return trial
    with contextlib.suppress(KgptError, OSError):  # without a cache KVM is tried each time
        cache.parent.mkdir(parents=True, exist_ok=True)
        entries = {**known, key: trial}
        text = json.dumps({name: dataclasses.asdict(entry) for name, entry in entries.items()}, indent=1)
        write_atomically(cache, text.encode())
    return trial


def _open_device(arch: Arch) -> Trial | None:
    try:
        os.close(os.open(KVM_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return Trial(False, f"there is no {KVM_DEVICE}", f"{arch.kvm_start}; {_HOST_FIX}")
    except OSError as error:
        fixes = {
            errno.EACCES: "usermod -aG kvm YOUR_NAME, then log in again",
            errno.EPERM: "let this container have the device (--device /dev/kvm)",
            errno.EBUSY: "end the other hypervisor that holds it",
        }
        return Trial(False, f"{KVM_DEVICE} cannot be opened ({error.strerror})", fixes.get(error.errno or 0, _HOST_FIX))
    return None


def _boot(qemu: str, cpu: str, arch: Arch) -> Trial:
    with tempfile.NamedTemporaryFile(prefix="kgpt-probe-", suffix=".bin") as image:
        image.write(arch.kvm_probe)
        image.flush()
        settings = RunSettings(
            image=Path(image.name), accel="kvm", cpu=cpu, serial=False, timeout=PROBE_SECONDS, arch=arch
        )
        with Machine(settings, qemu=qemu) as machine:
            verdict = machine.wait()
            said = machine.stderr()
    if verdict.ok:
        return Trial(True)
    if "CPU model" in said:  # the fault is not KVM's
        raise KgptError(f"there is no processor {cpu}", f"{qemu} -cpu help lists them")
    if "Device or resource busy" in said:
        return Trial(False, "the device is busy", "end the other hypervisor that holds it")
    reasons = [without_program(line) for line in said.splitlines() if "rror" in line]
    why = reasons[0].removeprefix("error: ") if reasons else verdict.message
    return Trial(False, f"a test kernel did not run under it ({why})", _HOST_FIX)


def _host_key(qemu: str, cpu: str) -> str:
    """The key of a trial: a hash of this boot of this host, this QEMU, and the processor model."""
    program = Path(qemu).resolve()
    with contextlib.suppress(OSError):
        state = program.stat()
        # Size and time identify the version without starting QEMU.
        qemu = f"{program}:{state.st_size}:{state.st_mtime_ns}"
    processor = next((line for line in _read_text("/proc/cpuinfo").splitlines() if line.startswith("model name")), "")
    facts = [_read_text("/proc/sys/kernel/random/boot_id"), platform.release(), qemu, processor, cpu]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read_cache(path: Path) -> dict[str, Trial]:
    """The cached trials; empty if the file is missing or invalid."""
    try:
        data = json.loads(path.read_bytes())
        return {key: Trial(bool(e["works"]), str(e["reason"]), str(e["fix"])) for key, e in data.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
