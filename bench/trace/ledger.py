"""Counts the storages that are alive under FakeTensorMode, in bytes rounded to 512 as CUDA's allocator does."""

import weakref
from collections.abc import Iterable

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

ROUND = 512


class Ledger(TorchDispatchMode):
    """`live` bytes now and the `peak` since `restart`. A storage counts once, however many tensors look at it.

    `mark(name)` ends a stretch of time: `marks[name]` is (live at its end, peak within it). torch keeps the Python object of a storage as
    long as the storage itself lives, so a weak reference tells when it dies (torch/distributed/_tools/mem_tracker.py counts so too).
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.marks: dict[str, tuple[int, int]] = {}
        self._known: dict[weakref.ref, int] = {}

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            size = -(-storage.nbytes() // ROUND) * ROUND
            reference = weakref.ref(storage, self._died)
            if size and reference not in self._known:
                self._known[reference] = size
                self.live += size
        self.peak = max(self.peak, self.live)

    def _died(self, reference: weakref.ref) -> None:
        self.live -= self._known.pop(reference, 0)

    def restart(self) -> None:
        self.peak, self.marks = self.live, {}

    def mark(self, name: str) -> None:
        self.marks[name] = self.live, self.peak
        self.peak = self.live

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.add(t for t in tree_iter(out) if isinstance(t, torch.Tensor))
        return out
