"""The memory of kernels: a file whose records outlive a run (kernel_c/include/kgpt/store.h)."""

from kgpt_build.memory.conversation import Conversation, read_conversation
from kgpt_build.memory.log import empty_log, log_text
from kgpt_build.memory.shared import KIND_NUMBERS, KINDS, TEXTS
from kgpt_build.memory.store import Record, Store, changes, empty_start, empty_store, read_store

__all__ = [
    "KINDS",
    "KIND_NUMBERS",
    "TEXTS",
    "Conversation",
    "Record",
    "Store",
    "changes",
    "empty_log",
    "empty_start",
    "empty_store",
    "log_text",
    "read_conversation",
    "read_store",
]
