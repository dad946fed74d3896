"""``torchrun --nnodes N --nproc-per-node M -m kgpt_build.training.torch TEXT``: one training by several processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kgpt_build.errors import KgptError
from kgpt_build.training.torch.arguments import given_settings, parser
from kgpt_build.training.torch.report import CsvReport, PlainReport, Report, Reports
from kgpt_build.training.torch.settings import require_torch


def main(words: Sequence[str] | None = None) -> int:
    """Train; the exit code."""
    arguments = parser().parse_args(words)
    try:
        require_torch()
        from kgpt_build.training.corpus import read_corpus
        from kgpt_build.training.torch.run import plan, train

        settings, state = plan(arguments.resume, given_settings(arguments))

        def make_report() -> Report:
            reports: list[Report] = [PlainReport(_print, settings.n_steps, settings.last_step)]
            reports += [CsvReport(arguments.csv, goes_on=state is not None)] if arguments.csv else []
            return Reports(reports)

        corpus = read_corpus(arguments.corpus, int(settings.block_size or 0))
        train(settings, state, corpus, arguments.output, make_report)
    except KgptError as error:
        sys.stderr.write(f"kgpt: {error.message}\n" + (f"      {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
