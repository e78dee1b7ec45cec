"""The objectives: what is learnt, from which kinds of data, on which families of models, by which worker. One entry each.

A family is how a model reads and writes: a `decoder` writes on from what it read (Llama, Qwen, GPT-2), an `encoder` reads all at
once and writes nothing (BERT, RoBERTa), an `encoder-decoder` reads one text and writes another (T5, BART).
"""

from dataclasses import dataclass
from pathlib import Path

from tuner.models import ModelFacts, model_files, model_types

FAMILIES = {
    "decoder": "writes on from what it read (Llama, Qwen, GPT-2)",
    "encoder": "reads all at once (BERT, RoBERTa)",
    "encoder-decoder": "reads one text and writes another (T5, BART)",
}
ALL = tuple(FAMILIES)
WRITES = ("chat", "text", "preference")  # objectives whose models write on; the others say something of a text
TALKS = ("chat", "preference", "reward")  # objectives that read rows through the model's chat template
PAIRED = ("preference", "reward")  # objectives that compare answers
PREFERRED_ONLY = "The good answers are learnt and the bad ones left out; the objective preference learns from both."


@dataclass(frozen=True)
class Objective:
    """`kinds` of data it is learnt from, the first is its own; `auto` the transformers class, `task` PEFT's name for it; `metrics`
    are told during training beside the loss, the first decides nothing but is shown first; `face` is how one talks to the result."""

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


OBJECTIVES = {
    o.name: o
    for o in (
        Objective(
            "chat",
            "Answers in chat",
            "Only the answers are learnt; questions are read.",
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
            "Every word is learnt: a subject, a style, a language.",
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
            "The better of two answers",
            "Moves towards the answers that people preferred, and away from the others.",
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
            "Labels for texts",
            "Learns which label (or labels) a text gets.",
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
            "A number for a text",
            "Learns to say a number: a grade, a price, a score.",
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
            "How good an answer is",
            "Learns to give an answer a number: the higher, the more people like it (a reward model).",
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
            "Labels for words",
            "Learns which words are names, places, products ...",
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
            "Answers found in a text",
            "Learns to point at the words of a text that answer a question, or to say that none do.",
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
            "One text from another",
            "Learns to translate, shorten or rewrite.",
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


def get(name: str) -> Objective:
    return OBJECTIVES[name]


def auto_class(folder: Path | None, objective: str) -> str:
    """transformers' class of a model for an objective; of a multimodal checkpoint the one that holds all of its parts."""
    usual, kind = get(objective), model_files.document(folder / "config.json").get("model_type") if folder else None
    return model_types.MULTIMODAL if usual.task == "CAUSAL_LM" and model_types.is_multimodal(kind) else usual.auto


def natural(kind: str, family: str) -> str:
    """The objective that data of this kind is for, on a model of this family."""
    if kind in OBJECTIVES and family in OBJECTIVES[kind].families:
        return kind
    fits = [o for o in OBJECTIVES.values() if kind in o.kinds and family in o.families]
    return min(fits, key=lambda o: o.kinds.index(kind)).name if fits else (kind if kind in OBJECTIVES else "chat")


def trade_off(objective: str, facts: ModelFacts, kind: str) -> str | None:
    """What a decoder that could do it another way gains and loses."""
    if facts.family == "decoder" and kind in ("preference", "rated"):
        return {
            "chat": PREFERRED_ONLY,
            "reward": "The result judges answers and does not write any: to train another model by, or to sort by.",
        }.get(objective)
    if facts.family != "decoder" or kind not in ("classification", "regression", "tokens", "seq2seq"):
        return None
    if objective == "chat":
        return (
            "Learnt as a chat: the answer is written out, so it can be talked to and put into words, but it is slower and may say something "
            "that is no answer." + ("" if kind == "seq2seq" else f" The objective {kind} puts a head on the model instead.")
        )
    return "A head is put on the model: it answers at once, always with one of the labels, and says how sure it is. It no longer chats."


def refusal(objective: str, facts: ModelFacts) -> str | None:
    """Why a model can't learn this, with what to choose instead; None when it can."""
    o = OBJECTIVES[objective]
    if facts.family in o.families:
        return None
    others = [
        f"{other.name} ({other.title[0].lower() + other.title[1:]})" for other in OBJECTIVES.values() if facts.family in other.families
    ]
    return (
        f"{facts.name} {FAMILIES[facts.family].split(' (')[0]}, so it can't learn {objective}: "
        f"choose {', '.join(others)}, or a model that {FAMILIES[o.families[0]]}."
    )
