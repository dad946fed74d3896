"""``python -m kgpt_build`` is ``kgpt``, for an environment whose scripts are not on PATH."""

from kgpt_build.cli import main

main()
