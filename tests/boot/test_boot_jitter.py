"""mode=jitter in QEMU: with -icount every run takes the same instructions for each token; and the count of SMIs."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Boot
from tiny_lm import write_lm

from kgpt_build.events import Durations, Gaps, Jitter
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import load_lm

ICOUNT = ("-icount", "shift=0,sleep=off")
"""The TSC counts instructions, and no time passes while the machine waits."""
RUNS = 3


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_lm(tmp_path_factory.mktemp("jitter") / "tiny.gguf", kind="Q8_0")
    return build_cached(load_lm(path))


def test_runs_take_the_same_instructions(boot: Boot, kernel: Path) -> None:
    found: list[tuple[int, ...]] = []
    for _ in range(RUNS):
        guest = boot("mode=jitter exit times=40 depth=8", image=kernel, extra=ICOUNT)
        assert guest.wait().error() is None
        (durations,) = [event for event in guest.events if isinstance(event, Durations)]
        found.append(durations.ticks)
    assert len(found[0]) == 40
    assert len(set(found)) == 1
    # Between two interrupts of the timer all tokens of a run take the same instructions, too.
    assert sum(ticks == min(found[0]) for ticks in found[0]) > 20


@pytest.mark.parametrize(
    ("cpu", "unknown"),
    [
        ("max", "in a virtual machine the counter is not the real processor's"),
        ("EPYC,-hypervisor", "this processor has no counter of them"),
        ("Conroe,-hypervisor", "this processor has no counter of them"),
        ("Nehalem,-hypervisor", ""),
    ],
)
def test_smis_are_counted_where_the_processor_tells(boot: Boot, kernel: Path, cpu: str, unknown: str) -> None:
    guest = boot("mode=jitter exit times=2 depth=8 cpus=2 watch", image=kernel, cpu=cpu, cpus=2)
    assert guest.wait().error() is None
    (said,) = [event for event in guest.events if isinstance(event, Jitter)]
    assert (said.smis, said.smis_unknown) == (0, unknown)
    watched = [(gap.when, gap.cpu) for gap in guest.events if isinstance(gap, Gaps)]
    assert watched == [("before", 0), ("before", 1), ("while", 1), ("after", 0), ("after", 1)]
