"""The techniques: what each changes in a model, what it is good and bad at, where it works, and its usual settings. One entry each.

No torch here: `workers/modelling/peft_methods.py` builds what this describes. Where a library can't do a combination, `refusal` says so in one
sentence and names another; the form, the command line and the README's matrix all read it here.
"""

from dataclasses import dataclass
from typing import Any

from tuner.models import ModelFacts
from tuner.settings import objectives

SOFT = ("prompt", "p_tuning", "prefix")  # learn a few positions before the text and leave all weights as they are
PEFT = ("adapter", "lora", "qlora", *SOFT, "ia3", "ln")  # kept as a small addition beside the base


@dataclass(frozen=True)
class Method:
    """`rate` is the usual learning rate, `rates` the range outside which a person is warned; `toy` the rate for toys of a few million
    parameters, which need larger steps. `settings` are those of `RunConfig` that mean something for it."""

    name: str
    title: str
    changes: str
    good: str
    bad: str
    paper: str
    rate: float
    rates: tuple[float, float]
    toy: float
    settings: tuple[str, ...] = ()
    checkpointing: bool = True
    packing: bool = True
    merges: bool = True  # into a whole model that needs nothing of ours to load
    warmup: float = 0.03


LORA = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "use_dora", "use_rslora", "lora_init", "adapter_precision")
METHODS = {
    m.name: m
    for m in (
        Method(
            "lora",
            "LoRA",
            "Learns small matrices beside the large ones; the model itself stays as it is.",
            "Nearly as good as full tuning for a manner, a form or a task, for a fraction of the memory; many can share one base.",
            "Learns less new knowledge than full tuning.",
            "Hu et al. 2021, arXiv:2106.09685",
            2e-4,
            (1e-5, 2e-3),
            2e-3,
            LORA,
        ),
        Method(
            "qlora",
            "QLoRA",
            "LoRA on a model whose own weights are packed into 4 (or 8) bits.",
            "The largest model that fits: weights take a quarter of the memory.",
            "A little slower than LoRA, and a little less exact; what was learnt is merged into the unpacked model.",
            "Dettmers et al. 2023, arXiv:2305.14314",
            2e-4,
            (1e-5, 2e-3),
            2e-3,
            (*LORA, "quantization"),
        ),
        Method(
            "full",
            "Full fine-tuning",
            "Changes every weight.",
            "Learns the most: new knowledge, a new language, a long data set.",
            "Takes four to eight times the memory of the model and forgets more of what it knew; each result is a whole model.",
            "Howard and Ruder 2018, arXiv:1801.06146",
            2e-5,
            (1e-6, 1e-4),
            5e-4,
        ),
        Method(
            "last_layers",
            "The last layers",
            "Changes the last few layers and the final norm; those below stay as they are.",
            "Quick, and keeps what the lower layers know; good for labels and for a manner of answering.",
            "Learns less than LoRA of the same memory where the task is far from what the model knows.",
            "Lee et al. 2019, arXiv:1911.03090",
            5e-5,
            (1e-6, 1e-3),
            2e-3,
            ("last_layers", "train_embeddings", "train_head"),
        ),
        Method(
            "adapter",
            "Bottleneck adapters",
            "Puts small networks after the parts of each layer: down to a few numbers, and up again.",
            "Steady on small data; the classic for encoders, one adapter for each task.",
            "Adds steps to every layer, so the tuned model answers a little slower, and it can't be merged.",
            "Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00247",
            3e-4,
            (1e-5, 5e-3),
            3e-3,
            ("adapter_placement", "adapter_size"),
            merges=False,
        ),
        Method(
            "ia3",
            "IA3",
            "Learns one factor for each inner value of a layer: larger or smaller.",
            "Tiny (a hundredth of LoRA), hard to overdo on very few rows.",
            "Learns little: a task near to what the model knows, no new knowledge.",
            "Liu et al. 2022, arXiv:2205.05638",
            3e-3,
            (3e-4, 3e-2),
            2e-2,
        ),
        Method(
            "ln",
            "Norm tuning",
            "Changes the normalisations alone.",
            "Tiny and nearly free; a surprisingly good start for a manner.",
            "Learns little.",
            "Zhao et al. 2023, arXiv:2312.11420",
            1e-3,
            (1e-4, 1e-2),
            1e-2,
        ),
        Method(
            "prompt",
            "Prompt tuning",
            "Learns a few invisible words that stand before every text.",
            "The smallest of all: some thousand numbers; many tasks can be served from one base.",
            "Learns slowly, and works well only on large models (billions of parameters).",
            "Lester et al. 2021, arXiv:2104.08691",
            3e-2,
            (1e-3, 3e-1),
            1e-1,
            ("virtual_tokens", "prompt_text"),
            packing=False,
            merges=False,
            warmup=0.1,
        ),
        Method(
            "p_tuning",
            "P-tuning",
            "Invisible words that a small network makes, which learns more steadily.",
            "Better than prompt tuning on models below some billion parameters.",
            "Still much weaker than LoRA on small models.",
            "Liu et al. 2021, arXiv:2103.10385",
            1e-2,
            (1e-3, 3e-1),
            1e-2,
            ("virtual_tokens",),
            packing=False,
            merges=False,
            warmup=0.1,
        ),
        Method(
            "prefix",
            "Prefix tuning",
            "Learns invisible words for every layer.",
            "Stronger than prompt tuning, and still leaves the model untouched.",
            "Needs more working memory than LoRA, for computing twice (gradient checkpointing) breaks it.",
            "Li and Liang 2021, arXiv:2101.00190",
            1e-2,
            (1e-4, 1e-1),
            2e-2,
            ("virtual_tokens", "prefix_projection"),
            checkpointing=False,
            packing=False,
            merges=False,
            warmup=0.1,
        ),
    )
}


def get(name: str) -> Method:
    return METHODS[name]


def is_peft(name: str) -> bool:
    return name in PEFT


def refusal(method: str, objective: str, facts: ModelFacts, settings: dict[str, Any] | None = None) -> str | None:
    """Why this cell can't be trained, with what to choose instead; None when it can."""
    settings = settings or {}
    no = objectives.refusal(objective, facts)
    if no:
        return no
    kind = facts.model_type
    if facts.packed and method not in ("lora", "qlora"):
        return f"{facts.name} is stored {STORED[facts.packed]}, and such weights can't be trained themselves: choose LoRA or QLoRA, or the 16-bit model it was made from."
    if facts.outer and objectives.get(objective).task != "CAUSAL_LM":
        return f"{facts.name} is multimodal ({facts.outer}), and its text part learns to write alone: choose chat, text or preference, or a plain language model."
    if facts.packed and objectives.get(objective).task != "CAUSAL_LM":
        return f"{facts.name} is stored {STORED[facts.packed]}, where no head for {objective} finds a place: choose the 16-bit model it was made from."
    if method == "prefix" and _hybrid(facts):
        return f"Prefix tuning puts keys and values into every layer, and some layers of {facts.name} have none: choose LoRA or P-tuning."
    if at_fault := setting_refusal(method, facts, settings):
        return at_fault[2]
    return CELLS.get((method, objective, facts.family)) or CELLS.get((method, objective, kind)) or CELLS.get((method, "*", kind))


HYBRID = "bamba falcon_h1 granitemoehybrid jamba kimi_linear lfm2 lfm2_moe minimax nemotron_h olmo_hybrid qwen3_next recurrent_gemma zamba zamba2"


def _hybrid(facts: ModelFacts) -> bool:
    """Whether some layers keep a state instead of keys and values."""
    kinds = facts.config.get("layer_types")
    said = isinstance(kinds, list) and any(isinstance(k, str) and not k.endswith("attention") or k == "linear_attention" for k in kinds)
    return said or facts.model_type in HYBRID.split() or facts.model_type.startswith("qwen3_5")


STORED = {"nf4": "in 4 bits (bitsandbytes)", "int8": "in 8 bits (bitsandbytes)"}


def merge_refusal(facts: ModelFacts) -> str | None:
    """Why what is trained on this model can't be merged into it, with what to do instead; None when it can."""
    if not facts.packed:
        return None
    return (
        f"{facts.name} is stored {STORED[facts.packed]}, so the result can't be merged into it: export the adapter, or train from the 16-bit "
        "model it was made from."
    )


def setting_refusal(method: str, facts: ModelFacts, settings: dict[str, Any]) -> tuple[str, list, str] | None:
    """(setting, what it may be, why) where a technique would work but for one of its settings."""
    if facts.packed and settings.get("quantization") not in (None, facts.packed):
        return "quantization", [facts.packed], f"{facts.name} is stored {STORED[facts.packed]} already: leave quantization out."
    if method == "qlora" and settings.get("use_dora") and settings.get("quantization") == "int8":
        return "use_dora", [False], "DoRA does not work on weights packed into 8 bits: choose nf4, or leave DoRA off."
    if method == "lora" and settings.get("use_dora") and settings.get("lora_init", "default") != "default":
        return "use_dora", [False], "DoRA does not go with PiSSA or OLoRA: leave DoRA off, or choose the usual start."
    if method == "lora" and settings.get("lora_init") == "olora" and facts.model_type == "gpt2":
        return "lora_init", ["default", "pissa"], "OLoRA does not know the way GPT-2 keeps its matrices: choose pissa, or the usual start."
    if method == "qlora" and settings.get("lora_init") in ("pissa", "olora"):
        why = "PiSSA and OLoRA start from the weights themselves, which are packed here: choose LoRA, or the usual start."
        return "lora_init", ["default"], why
    if method == "last_layers" and (settings.get("last_layers") or 1) > facts.depth:
        return "last_layers", [f"1 to {facts.depth}"], f"{facts.name} has {facts.depth} layers: choose 1 to {facts.depth}."
    return None


# (method, objective or *, family or model type) -> why not; filled where a library breaks
CELLS: dict[tuple[str, str, str], str] = {
    **{
        (method, objective, "encoder-decoder"): "Models with two halves take no invisible words for labels or numbers: choose LoRA or IA3."
        for method in SOFT
        for objective in ("classification", "regression")
    },
    **{(m, "*", "llama4_text"): "PEFT finds no place for virtual tokens in a Llama 4: choose LoRA." for m in ("prompt", "p_tuning")},
    **{
        ("prefix", "*", kind): "This kind of encoder takes no prefixes: choose P-tuning or LoRA."
        for kind in ("modernbert", "distilbert", "deberta-v2")
    },
}
