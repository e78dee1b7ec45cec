"""Counts the storages that are alive under FakeTensorMode, in bytes rounded to 512 as CUDA's allocator does."""

from collections.abc import Iterable

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

ROUND = 512


class Ledger(TorchDispatchMode):
    """`live` bytes now and the `peak` since `restart`. A storage counts once, however many tensors look at it.

    `mark(name)` ends a stretch of time: `marks[name]` is (live at its end, peak within it). Who has died is looked up only when more
    than the peak might be alive: that is exact, and many times faster than at each operation.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.marks: dict[str, tuple[int, int]] = {}
        self._known: dict[int, tuple[StorageWeakRef, int]] = {}

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            size = -(-storage.nbytes() // ROUND) * ROUND
            if not size or (storage._cdata in self._known and not self._known[storage._cdata][0].expired()):
                continue
            reference = StorageWeakRef(storage)
            self._known[storage._cdata] = reference, size
            self.live += size
        if self.live > self.peak:
            self.peak = max(self.peak, self.alive())

    def alive(self) -> int:
        """Bytes alive now; forgets the dead."""
        dead = [key for key, (reference, _) in self._known.items() if reference.expired()]
        self.live -= sum(self._known.pop(key)[1] for key in dead)
        return self.live

    def restart(self) -> None:
        self.peak, self.marks = self.alive(), {}

    def mark(self, name: str) -> None:
        self.marks[name] = self.alive(), self.peak
        self.peak = self.live

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.add(t for t in tree_iter(out) if isinstance(t, torch.Tensor))
        return out
