"""The parts of a script that trains a model on preferences: TRL's DPOTrainer on tokens that the script makes itself."""

from typing import Any

from tuner import runs
from tuner.export.script import padding
from tuner.settings import losses
from tuner.settings.run_config import Settings

OBJECTIVES = ("preference",)
CONFIG = "DPOConfig"
COLLATOR = "pairs"
PAIR = '''
def tokenized(row):
    """Return the tokens of both conversations; a label of -100 is not compared: only the last answers are, which are named by their letters."""
    out = {}
    for side, name in (("chosen", ""), ("rejected", "rejected_")):
        encoded = tokenizer(row[side], add_special_tokens=False, return_offsets_mapping=True)
        ids, places = encoded["input_ids"][:MAX_LENGTH], encoded["offset_mapping"]
        compared = [any(begin < last and end > first for first, last in row[side + "_answer"]) for begin, end in places]
        out |= {name + "input_ids": ids, name + "labels": [id if yes else -100 for id, yes in zip(ids, compared)]}
    return out
'''
CLASSES = '''
class PairTrainer(DPOTrainer):
    """The rows are tokens already."""

    def _prepare_dataset(self, dataset, *args):
        return dataset


def pairs(rows):
    """Return a batch as DPOTrainer reads it: the preferred answers, then the others."""
    sides = [(row[name + "input_ids"], row[name + "labels"]) for name in ("", "rejected_") for row in rows]
    length = EVEN
    batch = {
        "input_ids": [ids + [tokenizer.pad_token_id] * (length - len(ids)) for ids, _ in sides],
        "attention_mask": [[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in sides],
        "completion_mask": [[int(label != -100) for label in labels] + [0] * (length - len(labels)) for _, labels in sides],
    }
    return {name: torch.tensor(values) for name, values in batch.items()}
'''


def possible(settings: Settings) -> bool:
    """Return whether TRL's DPOTrainer has the loss, and the method's start is its reference."""
    return (
        losses.get(settings.preference_loss).trainer == "dpo" and settings.lora_init == "default" and settings.method not in ("ia3", "ln")
    )


def imports(weighted: bool) -> tuple[list[str], list[str]]:
    """Return (lines, names of transformers)."""
    return ["import torch", "from datasets import load_dataset", "from trl import DPOConfig, DPOTrainer"], []


def tokenized(run: runs.Run) -> str:
    """Return the function that makes tokens and labels of a row."""
    return PAIR


def constants(run: runs.Run) -> dict[str, Any]:
    """Return what the function needs beside the tokenizer and MAX_LENGTH."""
    return {}


def classes(run: runs.Run, settings: Settings, weighted: bool) -> str:
    """Return the classes that make the batches and the loss."""
    longest = "max(len(ids) for ids, _ in sides)"
    return CLASSES.replace("EVEN", padding.even(longest, settings))


def trainer(weighted: bool) -> str:
    """Return the name of the trainer's class."""
    return "PairTrainer"


def after(weighted: bool) -> list[str]:
    """Return the lines that follow the trainer."""
    return []


def options(settings: Settings, weighted: bool) -> dict[str, Any]:
    """Return the arguments that this trainer has beside those of all."""
    return losses.options(settings) | {"max_length": settings.max_length}
