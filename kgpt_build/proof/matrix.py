"""Runs the matrix, several machines at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial

from kgpt_build.proof.axes import Case
from kgpt_build.proof.drive import Result, run
from kgpt_build.proof.images import Expected, Images

Job = tuple[str, Callable[[], Result]]
"""A name, and the function that runs the machine."""


def case_jobs(cases: Sequence[Case], images: Images, expected: Expected, qemu: str) -> list[Job]:
    """A job for each machine in QEMU."""
    return [(case.name, partial(run, case, images, expected, qemu)) for case in cases]


def run_all(jobs: Sequence[Job], workers: int, tell: Callable[[Result], None]) -> list[Result]:
    """Run ``jobs``; returns the results in their order. ``tell`` is called on this thread with each new result.

    A job that raises has failed. Ctrl-C drops the jobs that have not begun.
    """
    with _pool(workers) as pool:
        futures = {pool.submit(job): name for name, job in jobs}
        by_name: dict[str, Result] = {}
        for future in as_completed(futures):
            name = futures[future]
            by_name[name] = _result(name, future)
            tell(by_name[name])
        return [by_name[name] for name, _ in jobs]


def _result(name: str, future: Future[Result]) -> Result:
    try:
        return future.result()
    except Exception as error:  # after any failure, run the other machines
        return Result(name, (f"{type(error).__name__}: {error}",), 0.0)


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    # A machine ends with the thread that started it, so these threads live until all jobs are done.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="kgpt-matrix")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
