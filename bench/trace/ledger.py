"""Counts the storages that are alive under FakeTensorMode, in bytes rounded to 512 as CUDA's allocator does."""

import weakref
from collections import Counter
from collections.abc import Iterable

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

ROUND = 512


class Ledger(TorchDispatchMode):
    """`live` bytes now and the `peak` since `restart`. A storage counts once, however many tensors look at it.

    `mark(name)` ends a stretch of time: `marks[name]` is (live at its end, peak within it). Where it is `closer`, `closely[name]` is
    (what was alive at its end, [what was alive after each operation that took some]), each as {bytes: how many storages have that many}.
    torch keeps the Python object of a storage as long as the storage itself lives, so a weak reference tells when it dies
    (torch/distributed/_tools/mem_tracker.py counts so too).
    """

    def __init__(self, *, closer: bool = False):
        super().__init__()
        self.live = self.peak = 0
        self.marks: dict[str, tuple[int, int]] = {}
        self.closer = closer
        self.closely: dict[str, tuple[dict[int, int], list[dict[int, int]]]] = {}
        self.sizes: Counter[int] = Counter()
        self._trail: list[dict[int, int]] = []
        self._known: dict[weakref.ref, int] = {}

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            size, reference = storage.nbytes(), weakref.ref(storage, self._died)
            if size and reference not in self._known:
                self._known[reference] = size
                self.live += rounded(size)
                self.sizes[size] += 1
        self.peak = max(self.peak, self.live)

    def _died(self, reference: weakref.ref) -> None:
        if size := self._known.pop(reference, 0):
            self.live -= rounded(size)
            self.sizes[size] -= 1

    def restart(self) -> None:
        self.peak, self.marks, self.closely, self._trail = self.live, {}, {}, []

    def mark(self, name: str) -> None:
        self.marks[name] = self.live, self.peak
        if self.closer:
            self.closely[name] = dict(+self.sizes), self._trail
        self.peak, self._trail = self.live, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out, before = func(*args, **(kwargs or {})), self.live
        self.add(t for t in tree_iter(out) if isinstance(t, torch.Tensor))
        if self.closer and self.live > before:
            self._trail.append(dict(+self.sizes))
        return out


def rounded(size: int) -> int:
    return -(-size // ROUND) * ROUND
