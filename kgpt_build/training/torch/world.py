"""The processes of a training: one, or several that torchrun starts, on one machine or more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.words import counted


@dataclass(frozen=True)
class World:
    """This process is number ``rank`` of ``size``; ``device`` is where it computes. Process 0 logs and saves."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """This process logs and saves."""
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """The sums of ``values`` over all processes, in double."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return [float(value) for value in sums.tolist()]

    def shared(self, model: nn.Module) -> nn.Module:
        """``model`` with gradients that are the means over all processes."""
        return model if self.size == 1 else nn.parallel.DistributedDataParallel(model)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The world that torchrun's variables describe, or one process. Raises UsageError, KgptError."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    chosen = _device(device)
    if size == 1:
        yield World(0, 1, chosen)
        return
    try:
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise KgptError(
            f"process {rank} of {size} cannot join the others: {first}", "start them by torchrun"
        ) from error
    try:
        yield World(rank, size, chosen)
    finally:
        distributed.destroy_process_group()


def _device(name: str) -> torch.device:
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise UsageError(
            "device is cuda, but PyTorch finds no GPU here", "leave out --device, or install its CUDA build"
        )
    if name == "cpu" or not has_gpu:
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def device_name(device: torch.device) -> str:
    """What the banner says of a device."""
    if device.type == "cuda":
        properties: Any = torch.cuda.get_device_properties(device)
        return f"GPU {properties.name}, {properties.total_memory // 2**20:,} MB"
    threads = torch.get_num_threads()
    return f"CPU, {counted(threads, 'thread')}"
