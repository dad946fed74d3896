"""Runs ``derive.chat_blob`` in a process with limits of CPU time and memory.

A template is an untrusted program. The limits end computations that the sandbox does not count. The arguments are a
JSON file; the answer is JSON on standard output.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

import kgpt_build
from kgpt_build import process
from kgpt_build.chat.blob import read_chat_blob
from kgpt_build.chat.derive import chat_blob
from kgpt_build.chat.template import ChatTemplate
from kgpt_build.errors import KgptError

CPU_SECONDS = 20
"""Seconds of CPU time; public templates need up to 0.4 s."""
MEMORY_BYTES = 1 << 30
_HINT = "--chat-template NAME uses another one"


def guarded_chat_blob(template: str, bos: str, eos: str) -> ChatTemplate:
    """``chat_blob`` of an untrusted template. Raises KgptError, also if it exceeds a limit."""
    with tempfile.TemporaryDirectory(prefix="kgpt-") as folder:
        request = Path(folder) / "template.json"
        request.write_text(json.dumps([CPU_SECONDS, template, bos, eos]), encoding="utf-8")
        try:
            answer = process.run([sys.executable, "-c", _program(), request])
        except process.CommandFailed as error:
            raise KgptError(f"the chat template cannot be computed: {_why(error)}", _HINT) from error
    message, hint, blob = json.loads(answer.output.splitlines()[-1])
    if message:
        raise KgptError(message, hint)
    return read_chat_blob(bytes.fromhex(blob))


def _program() -> str:
    """The command line of the process, with the search path of this one."""
    places = [str(Path(kgpt_build.__file__).parent.parent), *(place for place in sys.path if place)]
    return f"import sys; sys.path[:] = {places!r}; from {__name__} import main; main()"


def _why(error: process.CommandFailed) -> str:
    if "SIGXCPU" in error.message or "SIGKILL" in error.message:
        return f"it takes more than {CPU_SECONDS} s of the processor"
    if "MemoryError" in error.output:
        return f"it needs more than {MEMORY_BYTES >> 20} MB of memory"
    return error.message


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Answer the request in the file of the command line; only for the separate process."""
    seconds, *arguments = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        answer = ("", "", chat_blob(*arguments).blob().hex())
    except KgptError as error:
        answer = (error.message, error.hint, "")
    print(json.dumps(answer))  # noqa: T201 the answer
