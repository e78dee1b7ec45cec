"""The parts of a script that trains a model on chats or texts: TRL's SFTTrainer on tokens that the script makes itself."""

from typing import Any

from tuner import runs
from tuner.settings import trainer_arguments
from tuner.settings.run_config import Settings

OBJECTIVES = ("chat", "text")
CONFIG = "SFTConfig"
COLLATOR = None  # TRL's own
CHAT = '''
def tokenized(row):
    """Return the tokens of a conversation; a label of -100 is not trained: only the answers are, which "trained" names by their letters."""
    encoded = tokenizer(row["text"], add_special_tokens=False, return_offsets_mapping=True)
    ids, places = encoded["input_ids"][:MAX_LENGTH], encoded["offset_mapping"]
    trained = [any(begin < last and end > first for first, last in row["trained"]) for begin, end in places]
    return {"input_ids": ids, "labels": [id if yes else -100 for id, yes in zip(ids, trained)]}
'''
TEXT = '''
def tokenized(row):
    """Return the tokens of a text, which ends with the end token; all of them are trained."""
    ids = tokenizer(row["text"])["input_ids"]
    ids = (ids if ids[-1:] == [tokenizer.eos_token_id] else ids + [tokenizer.eos_token_id])[:MAX_LENGTH]
    return {"input_ids": ids, "labels": ids}
'''
WEIGHTED = '''
class WeightedTrainer(SFTTrainer):
    """Each row counts as much as its weight says."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        weights, labels = inputs.pop("sample_weight"), inputs["labels"][:, 1:]
        out = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        losses = torch.nn.functional.cross_entropy(out.logits[:, :-1].float().transpose(1, 2), labels, reduction="none")
        steps = self.current_gradient_accumulation_steps if model.training else 1
        loss = (losses * weights[:, None]).sum() / (num_items_in_batch or (labels != -100).sum() * steps)
        return (loss, out) if return_outputs else loss

    def log(self, logs, start_time=None):
        Trainer.log(self, logs, start_time)


def with_weights(rows):
    weights = torch.tensor([row.pop("sample_weight") for row in rows])
    return collate(rows) | {"sample_weight": weights}
'''


def imports(weighted: bool) -> tuple[list[str], list[str]]:
    """Return (lines, names of transformers)."""
    return ["import torch", "from datasets import load_dataset", "from trl import SFTConfig, SFTTrainer"], ["Trainer"] if weighted else []


def tokenized(run: runs.Run) -> str:
    """Return the function that makes tokens and labels of a row."""
    return CHAT if run.plan["settings"]["objective"] == "chat" else TEXT


def constants(run: runs.Run) -> dict[str, Any]:
    """Return what the function needs beside the tokenizer and MAX_LENGTH."""
    return {}


def classes(run: runs.Run, settings: Settings, weighted: bool) -> str:
    """Return the classes that make the batches and the loss. `weighted`: each row counts as much as its weight says."""
    return WEIGHTED if weighted else ""


def trainer(weighted: bool) -> str:
    """Return the name of the trainer's class."""
    return "WeightedTrainer" if weighted else "SFTTrainer"


def after(weighted: bool) -> list[str]:
    """Return the lines that follow the trainer."""
    return ["collate, trainer.data_collator = trainer.data_collator, with_weights"] if weighted else []


def options(settings: Settings, weighted: bool) -> dict[str, Any]:
    """Return the arguments that this trainer has beside those of all."""
    if settings.packing:
        out: dict[str, Any] = {"max_length": settings.max_length, "packing": True, "eval_packing": False}
    else:
        out = {"max_length": None, "dataset_kwargs": {"skip_prepare_dataset": True}}  # the rows are tokens already
    out |= {"remove_unused_columns": False} if weighted else {}
    multiple = trainer_arguments.multiple(settings)
    return out | ({"pad_to_multiple_of": multiple} if multiple else {})
