"""Running the matrix: some machines at a time, each to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial

from kgpt_build.proof.axes import Case
from kgpt_build.proof.drive import Result, run
from kgpt_build.proof.images import Expected, Images

Job = tuple[str, Callable[[], Result]]
"""A name, and what gives its result."""


def case_jobs(cases: Sequence[Case], images: Images, expected: Expected, qemu: str) -> list[Job]:
    """A job for each machine of QEMU's."""
    return [(case.name, partial(run, case, images, expected, qemu)) for case in cases]


def run_all(jobs: Sequence[Job], workers: int, tell: Callable[[Result], None]) -> list[Result]:
    """The results, in the order of ``jobs``. ``tell`` is called with each as it comes, on this thread.

    A job that raises has failed by that. Ctrl-C drops the jobs that have not begun.
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
    except Exception as error:  # whatever it was, the other machines are still to be looked at
        return Result(name, (f"{type(error).__name__}: {error}",), 0.0)


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    # A machine ends with the thread that started it: so threads, which live until all is done.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="kgpt-matrix")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
