"""The cross-entropy of each token on flat logits beside [rows, classes, length], as torch also takes them: `python -m bench.cross_entropy`.

Prints milliseconds (median of several, alternating) forward and backward, and their ratio, for a batch of 4 x 256 tokens.
"""

import statistics
import time

import torch
from torch.nn import functional as F

from tuner.workers.training.trainer import token_losses


def transposed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none")


def milliseconds(work, logits: torch.Tensor, labels: torch.Tensor) -> float:
    begun = time.perf_counter()
    work(logits, labels).sum().backward()
    logits.grad = None
    return 1000 * (time.perf_counter() - begun)


def main() -> None:
    torch.manual_seed(0)
    for vocabulary in (4096, 32_768):
        logits, labels = torch.randn(4, 256, vocabulary, requires_grad=True), torch.randint(0, vocabulary, (4, 256))
        found = {work: [] for work in (transposed, token_losses)}
        for _ in range(9):
            for work, times in found.items():
                times.append(milliseconds(work, logits, labels))
        before, now = (statistics.median(times[1:]) for times in found.values())
        print(f"4 x 256 x {vocabulary}: transposed {before:.1f} ms, flat {now:.1f} ms, ratio {now / before:.2f}")


if __name__ == "__main__":
    main()
