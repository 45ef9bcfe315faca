"""Several processes that train one network: torchrun starts them, each takes its share of every batch.

N processes of B/N signals make the same step as one of B, to rounding: each takes the mean of its own signals' losses,
and gradients are averaged. A network here is small, so that one sum of all gradients at once takes less than what a
bucket of them would be overlapped with.
"""

from __future__ import annotations

__all__ = ["Lost", "Ranks"]

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from gonkit.losses import Objective
from gonkit.signal import SignalError

Told = TypeVar("Told")


class Lost(Exception):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run.

    Attributes:
        rank: its number, from 0.
        size: how many there are.
        restarted: whether torchrun has started them anew after one was lost.
    """

    rank: int = 0
    size: int = 1
    restarted: bool = False

    @staticmethod
    def join() -> Ranks:
        """Meets the others that torchrun started; alone without it."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return Ranks()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        if not distributed.is_initialized():
            # Optimizers import it; after this it would hold on to the group, whose threads abort the process at its end
            importlib.import_module("torch._dynamo")
            store, rank, size = next(rendezvous("env://"))
            # One store outlives restarts: without the prefix a process may find where one that is gone was listening
            store = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
        again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
        return Ranks(distributed.get_rank(), size, again)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, evaluates and speaks."""
        return self.rank == 0

    def leave(self) -> None:
        """Parts from the others."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def check(self, batch: int, objective: Objective) -> None:
        """Whether a step can be shared out.

        Raises:
            SignalError: it cannot.
        """
        if batch % self.size:
            raise SignalError(
                f"train.batch: {batch} signals cannot be shared out equally to {self.size} processes; set a multiple"
            )

        coupled = [name for name, (_, loss) in objective.outer.items() if loss.couples]
        if self.size > 1 and coupled:
            raise SignalError(
                f"loss.outer.{coupled[0]}: a loss of the batch as a whole cannot be shared out to {self.size} "
                "processes; train in one, or leave it out"
            )

    def share(self, whole: Tensor) -> Tensor:
        """This process's rows of what is drawn for a step."""
        each = len(whole) // self.size
        return whole[self.rank * each : (self.rank + 1) * each]

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Makes each tensor the mean of all processes' own, in place, by one exchange.

        Raises:
            Lost: another process is gone.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._exchange(lambda: distributed.all_reduce(flat))
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any(self, wish: bool) -> bool:
        """Whether one of the processes has a wish.

        Raises:
            Lost: another process is gone.
        """
        if self.size == 1:
            return wish
        flag = torch.tensor(float(wish))  # on the CPU: no device is waited for
        self._exchange(lambda: distributed.all_reduce(flag, distributed.ReduceOp.MAX))
        return bool(flag)

    def told(self, tell: Callable[[], Told]) -> Told:
        """What the first process finds, known to all; its mistake of the user's is everyone's."""
        if self.size == 1:
            return tell()
        box: list[Told | SignalError | None] = [None]
        if self.first:
            try:
                box = [tell()]
            except SignalError as error:
                box = [error]
        self._exchange(lambda: distributed.broadcast_object_list(box))
        if isinstance(box[0], SignalError):
            raise box[0]
        return box[0]  # type: ignore[return-value]

    @staticmethod
    def _exchange(what: Callable[[], object]) -> None:
        try:
            what()
        except RuntimeError as error:
            raise Lost(f"another process of this run is gone ({str(error).splitlines()[0]})") from None
