"""The ways in which kgpt fails: one class, and so one exit code, per kind. Only ``cli`` catches them."""

from __future__ import annotations


class KgptError(Exception):
    """Something the user can act on.

    ``message`` says what is wrong and where, in one line; ``hint`` says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KgptError):
    """The command line itself is wrong."""

    exit_code = 2


class ToolMissing(KgptError):
    """A program that kgpt drives is not there, too old, or does not work."""

    exit_code = 3


class GuestFailed(KgptError):
    """The kernel panicked, or one of its self-tests failed."""

    exit_code = 4


class MachineLost(KgptError):
    """The guest reset, or QEMU ended without the kernel's verdict."""

    exit_code = 5


class RunTimeout(KgptError):
    """The run did not end within its time."""

    exit_code = 124


OK, REFUSED, FAILED = 0, KgptError.exit_code, GuestFailed.exit_code
"""How a kernel or the hosted program ends (enum kg_exit), after it has said why on the machine channel."""
