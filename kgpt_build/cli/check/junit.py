"""Writes results as JUnit XML, which CI systems read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One test. ``failure``: why it failed, else empty. ``skipped``: why it did not run, else empty."""

    name: str
    failure: str = ""
    seconds: float | None = None
    skipped: str = ""


@dataclass(frozen=True)
class Suite:
    """Cases that ran together. ``group``: the class name of all cases. ``output``: what they printed."""

    group: str
    name: str
    cases: Sequence[Case]
    output: str
    seconds: float


def junit_xml(suite: Suite) -> bytes:
    """``suite`` as a JUnit report."""
    from xml.etree import ElementTree

    counts = {
        "tests": str(len(suite.cases)),
        "failures": str(sum(bool(case.failure) for case in suite.cases)),
        "errors": "0",
        "skipped": str(sum(bool(case.skipped) for case in suite.cases)),
        "time": f"{suite.seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    element = ElementTree.SubElement(root, "testsuite", {"name": suite.name, **counts})
    for case in suite.cases:
        fields = {"classname": suite.group, "name": _xml_text(case.name)}
        if case.seconds is not None:
            fields["time"] = f"{case.seconds:.3f}"
        child = ElementTree.SubElement(element, "testcase", fields)
        if case.failure:
            first = _xml_text(case.failure.splitlines()[0])
            ElementTree.SubElement(child, "failure", {"message": first}).text = _xml_text(case.failure)
        if case.skipped:
            ElementTree.SubElement(child, "skipped", {"message": _xml_text(case.skipped)})
    ElementTree.SubElement(element, "system-out").text = _xml_text(suite.output)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _xml_text(text: str) -> str:
    """``text`` without the characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
