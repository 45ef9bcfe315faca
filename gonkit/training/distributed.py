"""Several processes that train one network: torchrun starts them, and each takes its shard of every batch.

N processes of B/N signals make the same step as one of B, to rounding: each takes the mean of its own signals' losses,
and gradients are averaged. A network here is small, so that one sum of all gradients takes less time than the bucketing
of `DistributedDataParallel` could hide.
"""

from __future__ import annotations

__all__ = ["ProcessGroup"]

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from gonkit.errors import GonkitError, ProcessLostError

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those of a run.

    Attributes:
        rank: its number, from 0.
        world_size: number of processes.
        restarted: whether torchrun has started them again after one was lost.
    """

    rank: int = 0
    world_size: int = 1
    restarted: bool = False

    @staticmethod
    def init() -> ProcessGroup:
        """Joins the processes that torchrun started; a group of one without torchrun."""
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
        if world_size == 1:
            return ProcessGroup()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        if not distributed.is_initialized():
            # Optimizers import it; imported later, it would hold the group, whose threads abort the process at its end
            importlib.import_module("torch._dynamo")
            store, rank, world_size = next(rendezvous("env://"))
            # One store outlives restarts: without a prefix a process may find the address of one that is gone
            store = PrefixStore(f"attempt {attempt}", store)
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, store=store, rank=rank, world_size=world_size)
        return ProcessGroup(distributed.get_rank(), world_size, int(attempt) > 0)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes, evaluates and prints."""
        return self.rank == 0

    def shutdown(self) -> None:
        """Leaves the group."""
        if self.world_size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def validate_divisible(self, batch_size: int) -> None:
        """Checks that a batch can be sharded equally.

        Raises:
            GonkitError: it cannot.
        """
        if batch_size % self.world_size:
            raise GonkitError(
                f"train.batch: {batch_size} signals cannot be shared out equally to {self.world_size} processes; set "
                "a multiple"
            )

    def shard(self, whole: Tensor) -> Tensor:
        """This process's rows of a batch."""
        size = len(whole) // self.world_size
        return whole[self.rank * size : (self.rank + 1) * size]

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its mean over all processes, in place, by one exchange.

        Raises:
            ProcessLostError: another process is gone.
        """
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._exchange(lambda: distributed.all_reduce(flat))
        flat /= self.world_size
        for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any_rank(self, flag: bool) -> bool:
        """Whether the flag is set in any process.

        Raises:
            ProcessLostError: another process is gone.
        """
        if self.world_size == 1:
            return flag
        reduced = torch.tensor(float(flag))  # on the CPU: no device is waited for
        self._exchange(lambda: distributed.all_reduce(reduced, distributed.ReduceOp.MAX))
        return bool(reduced)

    def broadcast_from_main(self, function: Callable[[], T]) -> T:
        """Runs a function on rank 0 and broadcasts its result; a GonkitError is raised on every rank."""
        if self.world_size == 1:
            return function()
        box: list[T | GonkitError | None] = [None]
        if self.is_main:
            try:
                box = [function()]
            except GonkitError as error:
                box = [error]
        self._exchange(lambda: distributed.broadcast_object_list(box))
        if isinstance(box[0], GonkitError):
            raise box[0]
        return box[0]  # type: ignore[return-value]

    def barrier(self) -> None:
        """Waits for all processes."""
        self.broadcast_from_main(lambda: None)

    @staticmethod
    def _exchange(operation: Callable[[], object]) -> None:
        try:
            operation()
        except RuntimeError as error:
            raise ProcessLostError(f"another process of this run is gone ({str(error).splitlines()[0]})") from None
