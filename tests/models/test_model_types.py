"""Every kind of model that the installed transformers can read or write text with is trained here, or refused and told why."""

import pytest
import torch
import transformers
from transformers.models.auto import modeling_auto

from tests.models.tiny_kinds import shrink
from tuner import models
from tuner.errors import ModelError
from tuner.models import model_types, stored_formats
from tuner.workers.modelling import bottleneck_adapter, layers, multimodal

LISTS = {
    "decoder": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "encoder-decoder": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "encoder": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "multimodal": modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    "sound": modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
}
EVERY = sorted({kind for kinds in LISTS.values() for kind in kinds})
WORKS = [kind for kind in EVERY if kind in model_types.decisions() and model_types.decisions()[kind] is None]
SAMPLE = (
    "llama",
    "qwen3",
    "qwen3_5",
    "qwen3_5_moe",
    "gemma3",
    "gpt_oss",
    "mistral3",
    "llama4",
    "smollm3",
    "bert",
    "modernbert",
    "t5",
    "bart",
)
SAMPLE += ("qwen3_next", "granite", "olmo3", "ministral3", "lfm2", "falcon_h1", "qwen3_vl", "smolvlm", "marian")
CLASSES = {"decoder": "AutoModelForCausalLM", "encoder": "AutoModelForMaskedLM", "encoder-decoder": "AutoModelForSeq2SeqLM"}
UNSHRUNK = 30  # kinds whose config can't be made small by rule, and are decided by reading


def auto(kind: str) -> str:
    return model_types.MULTIMODAL if model_types.is_multimodal(kind) else CLASSES[model_types.family(kind)]


def config_of(kind: str) -> dict:
    told = transformers.AutoConfig.for_model(kind).to_dict()
    return told | {"model_type": kind, "architectures": [next(kinds[kind] for kinds in reversed(LISTS.values()) if kind in kinds)]}


def step(kind: str) -> str | None:
    """Text in, LoRA on the layers, gradients out: None when it went well, else what went wrong; OSError and the like are raised."""
    try:
        model = getattr(transformers, auto(kind)).from_config(shrink(transformers.AutoConfig.for_model(kind)))
    except (ValueError, TypeError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        return f"not small: {str(error)[:100]}"
    if sum(p.numel() for p in model.parameters()) > 150e6:
        return "not small: too large"
    from peft import LoraConfig, get_peft_model

    multimodal.text_only(model)
    targets = layers.linears(model)
    if not targets:
        attends = any(bottleneck_adapter.ATTENTION.search(type(m).__name__) for m in model.modules())
        return "no layers for LoRA" if attends else "not small: no attention in so few layers"
    model, ids = get_peft_model(model, LoraConfig(r=2, target_modules=targets)).train(), torch.randint(5, 100, (2, 12))
    more = {"decoder_input_ids": ids} if auto(kind).endswith("Seq2SeqLM") else {}
    try:
        model(input_ids=ids, attention_mask=torch.ones_like(ids), **more).logits.float().sum().backward()
    except (ValueError, TypeError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        return f"not small: {str(error)[:100]}"
    learnt = [p for p in model.parameters() if p.requires_grad]
    return None if any(p.grad is not None for p in learnt) else "no gradients"


def test_the_lists_are_read_as_transformers_has_them():
    """They are read as text: the plan may not import transformers."""
    read = model_types.installed()
    assert {family: dict(kinds) for family, kinds in LISTS.items() if family != "sound"} == {f: read[f] for f in LISTS if f != "sound"}
    assert set(read["sound"]) | set(read["multimodal"]) == set(LISTS["sound"]) and set(read["all"]) <= set(transformers.CONFIG_MAPPING)


@pytest.mark.parametrize("kind", EVERY)
def test_each_kind_is_decided(kind):
    """Fails for each kind of a newer transformers, until somebody has looked at it and written it into presets/kinds.yaml."""
    assert kind in model_types.decisions()
    why = model_types.decisions()[kind]
    if why:
        with pytest.raises(ModelError, match="can't be trained here: ") as told:
            stored_formats.check_kind({"model_type": kind}, "mine")
        assert why in told.value.message and told.value.remedy
    else:
        stored_formats.check_kind({"model_type": kind}, "mine")


def test_no_kind_is_decided_that_is_not_there():
    assert not set(model_types.decisions()) - set(EVERY)


@pytest.mark.parametrize("kind", WORKS)
def test_a_plan_can_count_what_works(kind):
    told = config_of(kind)
    facts = models.facts_from_config(told, name=kind)
    assert facts.parameters > 0 and facts.context > 0
    assert facts.multimodal_type == (kind if model_types.is_multimodal(kind) and not told.get("is_encoder_decoder") else "")


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_tiny_one_takes_a_step(kind):
    assert step(kind) is None


@pytest.mark.long
def test_all_that_works_takes_a_step():
    found = {kind: step(kind) for kind in WORKS}
    wrong = {kind: why for kind, why in found.items() if why and not why.startswith("not small")}
    unshrunk = {kind: why for kind, why in found.items() if why and kind not in wrong}
    assert not wrong and len(unshrunk) <= UNSHRUNK, (wrong, unshrunk)
