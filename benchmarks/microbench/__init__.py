"""Products of quantised matrices beside what this processor can do: ``python -m benchmarks.microbench``."""
