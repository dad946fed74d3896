"""Imports edited models one after the other under an address-space limit, and says what became of each.

python import_fuzz.py KIND SEED FIRST COUNT FOLDER: a line of JSON for each edit. A model that was taken is left in
FOLDER/taken for the kernel. A process of its own, because a crash or a full memory must not end the tests.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from import_edits import edited
from import_seeds import seeds

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models.importing import ImportOptions

MEMORY = 1 << 30
"""Bytes of address space that imports may take besides what the process had before."""
SECONDS = 20
_MOST_MESSAGE = 1000


class Hang(BaseException):
    """An import that did not end. No exception handler of an importer catches it."""


def _on_alarm(*_: Any) -> None:
    raise Hang


def imported(source: Path, out: Path, cache: Path, options: ImportOptions) -> dict[str, Any]:
    """What became of one import: taken, refused, or a fault of the importer, which is described."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS * float(os.environ.get("KGPT_PACE", "1")))
    try:
        models.import_model(source, out, options, lambda _: None)
        found = {"result": "taken"}
    except KgptError as error:
        fault = _bad_refusal(error)
        found = {"result": "fault", "fault": fault} if fault else {"result": "refused"}
        found |= {"message": error.message, "hint": error.hint}
    except Hang:
        found = {"result": "fault", "fault": "it hangs", "trace": traceback.format_exc()}
    except BaseException as error:
        found = {"result": "fault", "fault": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    left = _left_behind(out, cache, taken=found["result"] == "taken")
    return found if not left else {**found, "result": "fault", "fault": f"left behind: {left}"}


def _bad_refusal(error: KgptError) -> str:
    """What is wrong with the message of a refusal, or ""."""
    if not error.message or not error.hint:
        return "a refusal without a message or a hint"
    if "\n" in error.message or len(error.message) > _MOST_MESSAGE:
        return f"a message of {len(error.message)} characters, or of several lines"
    return ""


def _left_behind(out: Path, cache: Path, *, taken: bool) -> list[str]:
    """Files that should not be there: halves in the cache, and an output where the import was refused."""
    kept = [path.name for path in (cache / "imported").glob("*") if path.suffix != ".gguf"]
    kept += [path.name for path in (cache / "imported").glob(".*") if path.name != ".lock"]
    return kept + [path.name for path in out.parent.iterdir() if path != out or not taken]


def main(kind: str, seed: str, first: int, count: int, folder: Path) -> None:
    """Edit and import ``count`` models; the edit of each number is the same in every run."""
    cache, taken = folder / "cache", folder / "taken"
    os.environ["KGPT_CACHE"] = str(cache)
    taken.mkdir(parents=True, exist_ok=True)
    valid = seeds(kind, folder / f"seeds-{first}")  # each process makes its own
    source, out = folder / "source", folder / "out" / "model.gguf"
    out.parent.mkdir(exist_ok=True)
    signal.signal(signal.SIGALRM, _on_alarm)
    for i, whole in enumerate(valid):  # before the limit: what is imported late is loaded now
        found = imported(whole.write(folder / f"valid-{i}"), out, cache, ImportOptions())
        assert found["result"] == "taken", (whole.name, found)
        out.unlink()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        edit, what = edited(valid[number % len(valid)], rng)
        shutil.rmtree(source, ignore_errors=True)
        given = source / edit.tokenizer if edit.tokenizer and rng.random() < 0.3 else None
        found = imported(edit.write(source), out, cache, ImportOptions(tokenizer=given))
        if out.is_file():
            out.rename(taken / f"{number}.gguf")
        for path in out.parent.iterdir():
            path.unlink()
        shutil.rmtree(cache / "imported", ignore_errors=True)
        sys.stdout.write(json.dumps({"number": number, "seed": edit.name, "edit": what, **found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
