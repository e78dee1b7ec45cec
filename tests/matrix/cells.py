"""Which cells the matrix has: objective x technique x model, all that the registries allow, and a part that covers every pair of interest.

The models are tiny and made from configs; what they are to learn is small enough for 20 steps to show.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from tests.workers.test_peft_methods import WAYS, family
from tuner import models
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings

MODELS = ("llama", "gpt2", "qwen2", "gemma", "bert", "roberta", "modernbert", "t5", "bart")
CHECKPOINTED = ("qwen2", "roberta", "bart")  # train these with gradient checkpointing, where the technique goes with it
PACKED = ("lora", {"packing": True})
TAUGHT = [("lora", {"preference_loss": name}) for name in ("kto", "cpo", "orpo", "simpo")]  # by other trainers than DPO's


@dataclass(frozen=True)
class Cell:
    """One thing to train: `more` are settings beside the defaults of the technique."""

    model: str
    objective: str
    method: str
    more: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return "-".join([self.model, self.objective, self.method, *[f"{k}={v}" for k, v in self.more.items()]])

    @property
    def pairs(self) -> set[tuple]:
        """What trying this cell tells something of."""
        plain = (self.method, *map(str, self.more.items()))
        told = {("way", plain)}
        if not self.more or self.more == {"quantization": "nf4"}:
            told |= {("objective", self.objective, self.method), ("task", self.model, self.objective)}
            told |= {("model", self.model, self.method)} if self.method in ("lora", "adapter", "last_layers") else set()
        return told

    @property
    def parts(self) -> set[tuple]:
        """What resuming it tells something of: the variant, and the worker that reads the rows."""
        return {("way", self.method, *map(str, self.more.items())), ("objective", self.objective)}


def allowed(facts: dict[str, models.ModelFacts]) -> list[Cell]:
    """Every cell that the registries do not refuse."""
    ways = [*WAYS, PACKED, *TAUGHT]
    found = []
    for model, objective, (method, more) in product(MODELS, objectives.OBJECTIVES, ways):
        if family(model) not in objectives.get(objective).families or (more.get("packing") and objective not in ("chat", "text")):
            continue
        if "preference_loss" in more and objective != "preference":
            continue
        if methods.refusal(method, objective, facts[model], Settings.from_json({"last_layers": 1} | more)) is None:
            found.append(Cell(model, objective, method, more))
    return found


def covering(cells: list[Cell], told=lambda cell: cell.pairs) -> set[str]:
    """Names of few cells that together tell of everything that all of them tell of (greedy)."""
    left, chosen = set().union(*map(told, cells)), set()
    while left:
        best = max(cells, key=lambda c: len(told(c) & left))
        chosen.add(best.name)
        left -= told(best)
    return chosen


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))
