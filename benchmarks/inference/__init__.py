"""Language models beside other engines on the same machine: ``python -m benchmarks.inference``."""
