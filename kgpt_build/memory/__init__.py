"""The memory of kernels: a file whose records outlive a run (kernel_c/include/kgpt/store.h)."""

from kgpt_build.memory.store import Record, Store, empty_store, read_store

__all__ = ["Record", "Store", "empty_store", "read_store"]
