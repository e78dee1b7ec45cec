"""The registry of objectives: what a model is trained to do, on which kinds of data, for which model families, by which worker.

The families: a `decoder` continues a text (Llama, Qwen, GPT-2), an `encoder` reads a whole text at once and generates nothing (BERT,
RoBERTa), an `encoder-decoder` reads one text and generates another (T5, BART).
"""

from dataclasses import dataclass
from pathlib import Path

from tuner.models import ModelFacts, model_files, model_types

FAMILIES = {
    "decoder": "generates text (Llama, Qwen, GPT-2)",
    "encoder": "reads text and generates none (BERT, RoBERTa)",
    "encoder-decoder": "turns one text into another (T5, BART)",
}
ALL = tuple(FAMILIES)
GENERATIVE = ("chat", "text", "preference")  # objectives whose models generate text; the others label, score or rewrite it
USES_CHAT_TEMPLATE = ("chat", "preference", "reward")  # objectives that render rows with the model's chat template
PAIRED = ("preference", "reward")  # objectives that compare answers
PREFERRED_ONLY = "Trains on the good answers and leaves the bad ones out; the objective preference uses both."


@dataclass(frozen=True)
class Objective:
    """An objective.

    `kinds`: the kinds of data it can be trained on, its own first. `auto`: the transformers class. `task`: PEFT's task type. `metrics`:
    reported during training beside the loss; the first is shown first and decides nothing. `face`: how the result is used on the page.
    """

    name: str
    title: str
    sentence: str
    kinds: tuple[str, ...]
    families: tuple[str, ...]
    auto: str
    task: str
    worker: str
    metrics: tuple[str, ...]
    face: str  # chat | complete | labels | number | judgement | entities | span | rewrite

    @property
    def head(self) -> str:
        """The output layer: `lm` is the model's own; `classification`, `tokens` and `qa` are new in a run."""
        return {"SEQ_CLS": "classification", "TOKEN_CLS": "tokens", "QUESTION_ANS": "qa"}.get(self.task, "lm")


OBJECTIVES = {
    o.name: o
    for o in (
        Objective(
            "chat",
            "Chat",
            "Trains the model to answer. Only the answers are trained; the questions are context.",
            ("chat", "classification", "seq2seq", "preference", "qa", "rated", "regression"),
            ("decoder",),
            "AutoModelForCausalLM",
            "CAUSAL_LM",
            "sft",
            (),
            "chat",
        ),
        Objective(
            "text",
            "Plain text",
            "Trains on every token of a text: a subject, a style, a language.",
            ("text", "chat", "classification", "regression", "seq2seq", "qa", "tokens"),
            ("decoder",),
            "AutoModelForCausalLM",
            "CAUSAL_LM",
            "sft",
            ("perplexity",),
            "complete",
        ),
        Objective(
            "preference",
            "Preferences",
            "Moves the model towards the answers that people preferred, and away from the others (DPO and related losses).",
            ("preference", "rated"),
            ("decoder",),
            "AutoModelForCausalLM",
            "CAUSAL_LM",
            "preference",
            ("accuracy", "margin"),
            "chat",
        ),
        Objective(
            "classification",
            "Text classification",
            "Trains the model to assign one or several labels to a text.",
            ("classification",),
            ALL,
            "AutoModelForSequenceClassification",
            "SEQ_CLS",
            "sequence_classification",
            ("accuracy", "f1"),
            "labels",
        ),
        Objective(
            "regression",
            "Regression",
            "Trains the model to predict a number for a text: a grade, a price, a score.",
            ("regression",),
            ALL,
            "AutoModelForSequenceClassification",
            "SEQ_CLS",
            "sequence_classification",
            ("mae", "pearson"),
            "number",
        ),
        Objective(
            "reward",
            "Reward model",
            "Trains a model that scores answers: the more people prefer an answer, the higher its score.",
            ("preference",),
            ("decoder", "encoder"),
            "AutoModelForSequenceClassification",
            "SEQ_CLS",
            "reward",
            ("accuracy", "margin"),
            "judgement",
        ),
        Objective(
            "tokens",
            "Token classification",
            "Trains the model to label the words of a text: names, places, products ...",
            ("tokens",),
            ("encoder", "decoder"),
            "AutoModelForTokenClassification",
            "TOKEN_CLS",
            "token_classification",
            ("f1", "precision", "recall"),
            "entities",
        ),
        Objective(
            "qa",
            "Extractive question answering",
            "Trains the model to find the passage of a text that answers a question, or to say that there is none.",
            ("qa",),
            ("encoder",),
            "AutoModelForQuestionAnswering",
            "QUESTION_ANS",
            "question_answering",
            ("exact_match", "f1"),
            "span",
        ),
        Objective(
            "seq2seq",
            "Text to text",
            "Trains the model to translate, summarize or rewrite.",
            ("seq2seq", "chat"),
            ("encoder-decoder",),
            "AutoModelForSeq2SeqLM",
            "SEQ_2_SEQ_LM",
            "seq2seq",
            ("chrf", "rouge_l"),
            "rewrite",
        ),
    )
}


HEADS = {o.name: o.head for o in OBJECTIVES.values() if o.head != "lm"}  # objectives that add an output layer, and which


def get(name: str) -> Objective:
    return OBJECTIVES[name]


def auto_class(folder: Path | None, objective: str) -> str:
    """Return the transformers class of a model for an objective; for a multimodal checkpoint, the one with all of its parts."""
    usual, kind = get(objective), model_files.document(folder / "config.json").get("model_type") if folder else None
    return model_types.MULTIMODAL if usual.task == "CAUSAL_LM" and model_types.is_multimodal(kind) else usual.auto


def default_for(kind: str, family: str) -> str:
    """Return the default objective for data of this kind on a model of this family."""
    if kind in OBJECTIVES and family in OBJECTIVES[kind].families:
        return kind
    possible = [o for o in OBJECTIVES.values() if kind in o.kinds and family in o.families]
    return min(possible, key=lambda o: o.kinds.index(kind)).name if possible else (kind if kind in OBJECTIVES else "chat")


def trade_off(objective: str, facts: ModelFacts, kind: str) -> str | None:
    """Return what this objective gains and loses where a decoder could use another one for the same data; None when there is no choice."""
    if facts.family == "decoder" and kind in ("preference", "rated"):
        return {
            "chat": PREFERRED_ONLY,
            "reward": "The result scores answers and writes none: use it to train another model or to rank answers.",
        }.get(objective)
    if facts.family != "decoder" or kind not in ("classification", "regression", "tokens", "seq2seq"):
        return None
    if objective == "chat":
        return (
            "Trained as a chat: the model writes its answer, so you can chat with it and it can explain, but it is slower and may give an "
            "invalid answer." + ("" if kind == "seq2seq" else f" The objective {kind} puts a head on the model instead.")
        )
    return "Puts a head on the model: it answers at once, always with one of the labels, and with its confidence. It no longer chats."


def refusal(objective: str, facts: ModelFacts) -> str | None:
    """Return why a model can't be trained for this objective, with what to choose instead; None when it can."""
    asked = OBJECTIVES[objective]
    if facts.family in asked.families:
        return None
    others = [
        f"{other.name} ({other.title[0].lower() + other.title[1:]})" for other in OBJECTIVES.values() if facts.family in other.families
    ]
    return (
        f"{facts.name} {FAMILIES[facts.family].split(' (')[0]}, so it can't be trained for {objective}: "
        f"choose {', '.join(others)}, or a model that {FAMILIES[asked.families[0]]}."
    )
