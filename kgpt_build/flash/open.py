"""Opens the disk or file to write exclusively, so that no other program uses it meanwhile."""

from __future__ import annotations

import errno

from kgpt_build.errors import KgptError
from kgpt_build.flash import members as flash_members
from kgpt_build.flash.disk import OpenDisk
from kgpt_build.flash.target import LIST_HINT, Target


def open_target(target: Target, *, force: bool, as_root: str) -> OpenDisk:
    """Open ``target``; ``as_root`` is the same command line with sudo, for the hint.

    Raises KgptError, also for a member of an array or pool unless ``force``.
    """
    device = target.device
    try:
        disk = OpenDisk(target.path, target.size, device.sector if device else 1, device.number if device else "")
    except OSError as error:
        raise _refused(error, target, as_root) from error
    try:
        if device and not force:
            flash_members.check(device, disk)
    except OSError as error:
        disk.close()
        raise KgptError(
            f"cannot read {target.path}: {error.strerror or error}", "try another port; the device may be broken"
        ) from error
    except BaseException:
        disk.close()
        raise
    return disk


def _refused(error: OSError, target: Target, as_root: str) -> KgptError:
    path = target.path
    if error.errno in (errno.EACCES, errno.EPERM):
        return KgptError(f"you may not write to {path}", f"run it as root: {as_root}")
    if error.errno == errno.EBUSY:
        return KgptError(
            f"{path} is in use, though nothing in /proc/self/mountinfo and /sys says by what",
            "a container's mounts and ZFS pools are not seen there: unmount or export them, then try again",
        )
    if error.errno == errno.EAGAIN:
        return KgptError(f"another program is using {path}", "wait until it is done, then try again")
    if error.errno == errno.EROFS:
        return KgptError(f"{path} is read-only", "a card, and its adapter, has a lock switch")
    if error.errno in (errno.ENODEV, errno.ENXIO, errno.ENOENT, getattr(errno, "ENOMEDIUM", 0)):
        return KgptError(f"{path} is not there any more, or has no medium in it", LIST_HINT)
    return KgptError(f"cannot open {path}: {error.strerror or error}", LIST_HINT)
