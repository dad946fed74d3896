"""The errors of kgpt: one class with one exit code per kind. Only ``cli`` catches them."""

from __future__ import annotations


class KgptError(Exception):
    """An error that the user can fix.

    ``message`` is one line: what is wrong, and where. ``hint`` says what to do.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KgptError):
    """The command line is wrong."""

    exit_code = 2


class ToolMissing(KgptError):
    """A program that kgpt runs is missing, too old, or broken."""

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
"""Exit codes of kernels and the hosted program (enum kg_exit); the machine channel has the reason."""
