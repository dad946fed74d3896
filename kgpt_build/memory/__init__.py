"""The memory of kernels: a file whose records outlive a run (kernel_c/include/kgpt/store.h)."""

from kgpt_build.memory.conversation import Conversation, read_conversation
from kgpt_build.memory.store import KINDS, Record, Store, empty_store, filled_store, read_store

__all__ = ["KINDS", "Conversation", "Record", "Store", "empty_store", "filled_store", "read_conversation", "read_store"]
