"""Measurements on this machine: ``python -m benchmarks`` and ``python -m benchmarks.training``, from a checkout.

The library of exact training and its scalar reference are in tests/.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "hosted"))
