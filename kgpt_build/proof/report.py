"""The results of the matrix as text, as a Markdown table for the documentation, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kgpt_build.proof.axes import Case, DeviceCase, NotRun, VirtCase
from kgpt_build.proof.drive import Result
from kgpt_build.words import counted

MARKS = ("<!-- matrix -->", "<!-- end of the matrix -->")
"""The marks around the tables of PCs in a document."""
VIRT_MARKS = ("<!-- matrix of virt -->", "<!-- end of the matrix of virt -->")
"""Those around the table of QEMU's virt."""
_TITLES = {
    "loader": "loader",
    "machine": "machine",
    "cpu": "processor",
    "cpus": "CPUs",
    "memory": "MB",
    "serial": "serial",
    "screen": "screen",
    "keyboard": "keyboard",
    "special": "besides",
    "start": "started by",
    "secure": "Secure Boot",
    "disk": "disk",
    "gic": "GIC",
}
_SHOWN = (
    {"pvh": "PVH", "multiboot1": "Multiboot 1", "grub-bios": "GRUB, BIOS", "grub-uefi": "GRUB, UEFI"}
    | {"serial": "yes", "ps2": "PS/2", "no-serial": "–", "no-screen": "–", "no-keyboard": "–", "plain": ""}
    | {
        "la57": "LA57",
        "x2apic": "x2APIC",
        "no-hpet": "no HPET",
        "no-pit": "no PIT",
        "no-hpet-no-pit": "no HPET, no PIT",
    }
    | {"direct-uefi": "kgpt.efi", "i8042": "PS/2", "hub": "USB, behind a hub", "usb": "USB", "none": "–"}
    | {"nvme": "NVMe", "ahci": "AHCI", "cd": "CD"}
    | {"linux": "`-kernel`", "uefi": "kgpt.efi"}
)


@dataclass(frozen=True)
class Report:
    """All machines of a run: a result for each name of ``rows``, in order; and the machines that were not run."""

    rows: Sequence[Case]
    results: Sequence[Result]
    not_run: Sequence[NotRun]

    @property
    def passed(self) -> int:
        """How many."""
        return sum(result.ok for result in self.results)

    @property
    def failed(self) -> int:
        """How many."""
        return len(self.results) - self.passed

    @property
    def summary(self) -> str:
        """One line."""
        machines = counted(len(self.results), "machine")
        return f"{self.passed} of {machines} passed, {self.failed} failed, {len(self.not_run)} not run"


def line(result: Result) -> str:
    """One line for a run, and one for each failure."""
    verdict = "ok    " if result.ok else "FAILED"
    first = f"{verdict} {result.seconds:6.1f} s  {result.name}  ({result.saw or 'events only'})"
    return "\n".join([first, *(f"         {text}" for failure in result.failures for text in failure.splitlines())])


def not_run_line(item: NotRun) -> str:
    """One line for machines that were not run."""
    return f"not run         {item.name}: {item.reason}"


def as_data(report: Report) -> dict[str, Any]:
    """The report in plain types, for ``--json``."""
    values = {case.name: dict(case.values) for case in report.rows}
    return {
        "passed": report.passed,
        "failed": report.failed,
        "runs": [
            {
                "name": result.name,
                "ok": result.ok,
                "failures": list(result.failures),
                "seconds": round(result.seconds, 3),
                "saw": result.saw,
                "machine": values.get(result.name, {}),
            }
            for result in report.results
        ],
        "not_run": [{"name": item.name, "reason": item.reason} for item in report.not_run],
    }


def markdown(report: Report) -> str:
    """A table of each family of machines, with a row per machine, followed by the machines that were not run."""
    known = {case.name for case in report.rows}
    others = [result for result in report.results if result.name not in known]
    lines: list[str] = []
    for family in (Case, DeviceCase, VirtCase):
        rows, alone = [case for case in report.rows if type(case) is family], others if family is Case else []
        if rows or alone:
            lines += [""] * bool(lines) + _table(family, rows, alone, report)
    lines += ["", report.summary[:1].upper() + report.summary[1:] + "."]
    lines += [f"- Not run: {item.name}: {item.reason}." for item in report.not_run]
    return "\n".join(lines) + "\n"


def _table(family: type[Case], cases: Sequence[Case], others: Sequence[Result], report: Report) -> list[str]:
    """The rows of ``cases``, which have the axes of ``family``, and of ``others``, which have a name alone."""
    by_name = {result.name: result for result in report.results}
    titles = [_TITLES[axis] for axis in family.axes]
    lines = ["| " + " | ".join([*titles, "seen on", "verdict"]) + " |", "|" + "---|" * (len(titles) + 2)]
    for case in cases:
        result = by_name[case.name]
        cells = [_SHOWN.get(case[axis], case[axis]) for axis in family.axes]
        lines.append("| " + " | ".join([*cells, result.saw or "events", _verdict(result)]) + " |")
    for result in others:
        lines.append(f"| {result.name} |" + " |" * (len(titles) - 1) + f" {result.saw} | {_verdict(result)} |")
    return lines


def with_tables(document: str, report: Report) -> str:
    """``document`` with the tables of what was run between their marks; without marks, the tables alone."""
    virt = {case.name for case in report.rows if isinstance(case, VirtCase)}
    known = [MARKS[0] in document, VIRT_MARKS[0] in document]
    parts = []
    for marks, is_virt in ((MARKS, False), (VIRT_MARKS, True)):
        part = Report(
            [case for case in report.rows if (case.name in virt) == is_virt],
            [result for result in report.results if (result.name in virt) == is_virt],
            [item for item in report.not_run if item.name.startswith("virt") == is_virt],
        )
        if part.results or part.not_run:
            parts.append(markdown(part))
            document = inserted(document, parts[-1], marks)
    return document if any(known) else "\n".join(parts)


def inserted(document: str, table: str, marks: tuple[str, str] = MARKS) -> str:
    """``document`` with ``table`` between its ``marks``, replacing the old one; without marks, the table alone."""
    begin, end = marks
    head, found, rest = document.partition(begin)
    _, closed, tail = rest.partition(end)
    return f"{head}{begin}\n{table}{end}{tail}" if found and closed else table


def _verdict(result: Result) -> str:
    return "passed" if result.ok else "**failed**: " + "; ".join(text.splitlines()[0] for text in result.failures)
