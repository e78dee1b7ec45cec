"""What each technique trains, counted without torch: equal to the models that the workers really build, and to figures of the papers."""

import json

import pytest

from tests.conftest import fresh
from tests.models.test_tensor_shapes import KINDS as ALL
from tests.models.test_tensor_shapes import facts
from tuner import models
from tuner.planning.memory import parameter_counts
from tuner.settings import methods
from tuner.settings.run_config import Settings

KINDS = ("llama", "gpt2", "qwen2", "qwen3", "phi", "opt plain", "bert", "roberta", "distilbert", "deberta-v2", "modernbert", "electra")
KINDS += ("t5", "t5 gated", "bart")
METHODS = {
    "full": {"method": "full"},
    "last": {"method": "last_layers", "last_layers": 1},
    "last two": {"method": "last_layers", "last_layers": 2, "train_head": True},
    "last and words": {"method": "last_layers", "last_layers": 2, "train_embeddings": True, "train_head": True},
    "lora": {"method": "lora", "lora_rank": 3, "lora_targets": "all-linear"},
    "lora q v": {"method": "lora", "lora_rank": 3, "lora_targets": ["q", "v"]},
    "lora o": {"method": "lora", "lora_rank": 3, "lora_targets": ["o"]},
    "lora mlp": {"method": "lora", "lora_rank": 3, "lora_targets": "gate, up, down"},
    "dora": {"method": "lora", "lora_rank": 3, "lora_targets": ["q", "v"], "use_dora": True},
    "pfeiffer": {"method": "adapter", "adapter_size": 5, "adapter_placement": "pfeiffer"},
    "houlsby": {"method": "adapter", "adapter_size": 5, "adapter_placement": "houlsby"},
    "prompt": {"method": "prompt", "virtual_tokens": 7},
    "p_tuning": {"method": "p_tuning", "virtual_tokens": 7},
    "prefix": {"method": "prefix", "virtual_tokens": 7},
    "projected": {"method": "prefix", "virtual_tokens": 7, "prefix_projection": True},
    "ia3": {"method": "ia3"},
    "ln": {"method": "ln"},
}
OBJECTIVES = {
    "decoder": ("chat", "classification"),
    "encoder": ("classification", "tokens", "qa"),
    "encoder-decoder": ("seq2seq", "classification"),
}
BUILD = """
import json, sys
import torch, transformers
from transformers import AutoConfig
from tuner import models
from tuner.settings import objectives
from tuner.settings.run_config import Settings
from tuner.workers.modelling import peft_methods

kinds, methods = json.loads(sys.argv[1]), json.loads(sys.argv[2])
out = {}
for name, (config, wanted) in kinds.items():
    kind = name.split()[0]
    facts = models.facts_from_config({"model_type": kind, **config}, name=name)
    for objective in wanted:
        auto = getattr(transformers, objectives.get(objective).auto)
        for method, settings in methods.items():
            key = f"{name}/{objective}/{method}"
            try:
                model = auto.from_config(AutoConfig.for_model(kind, **config, num_labels=2 if objective == "qa" else 3))
                model = peft_methods.build(model, Settings.from_json(settings), facts, objective=objective)
                out[key] = sum(p.numel() for p in model.parameters() if p.requires_grad)
            except Exception as error:
                out[key] = f"{type(error).__name__}: {error}"
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def built() -> dict:
    wanted = {name: (ALL[name], OBJECTIVES[facts(name).family]) for name in KINDS}
    return json.loads(fresh(BUILD, json.dumps(wanted), json.dumps(METHODS)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", KINDS)
def test_the_count_is_that_of_the_model_that_is_built(built, name, method):
    for objective in OBJECTIVES[facts(name).family]:
        real = built[f"{name}/{objective}/{method}"]
        if isinstance(real, str) and methods.refusal(
            METHODS[method]["method"], objective, facts(name), Settings.from_json(METHODS[method])
        ):
            continue  # PEFT can't build it, and the registry says so
        assert parameter_counts.trainable(facts(name), Settings.from_json(METHODS[method]), objective, 3) == real, objective


# --- figures of the papers, from the shapes alone ---------------------------------------------------------------------------------


def shape(kind: str, hidden: int, layers: int, vocabulary: int, **more) -> models.ModelFacts:
    """A published shape: heads of 64, an MLP of 4 H unless told otherwise."""
    if kind == "gpt2":
        config = {"n_embd": hidden, "n_layer": layers, "n_head": hidden // 64, "n_positions": 1024}
    else:
        config = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": hidden // 64, "intermediate_size": 4 * hidden}
    return models.facts_from_config({"model_type": kind, "vocab_size": vocabulary, **config, **more}, name="x")


ROBERTA = {"base": shape("roberta", 768, 12, 50265), "large": shape("roberta", 1024, 24, 50265)}
BERT = {"base": shape("bert", 768, 12, 30522), "large": shape("bert", 1024, 24, 30522)}
GPT2M, GPT3 = shape("gpt2", 1024, 24, 50257), shape("opt", 12288, 96, 50257)
T5XXL = models.facts_from_config(
    {"model_type": "t5", "d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_layers": 24, "num_heads": 64, "vocab_size": 32128}, name="x"
)
MT0 = models.facts_from_config(  # bigscience/mt0-large, of mT5's shape
    {"model_type": "mt5", "d_model": 1024, "d_ff": 2816, "d_kv": 64, "num_layers": 24, "num_heads": 16, "vocab_size": 250112}
    | {"tie_word_embeddings": False},
    name="x",
)
QV = {"method": "lora", "lora_targets": ["q", "v"]}
PUBLISHED = {
    # Hu et al. 2021 (arXiv:2106.09685), read in the paper's text: table 2 with table 9 (r = 8 on query and value); they count no head
    # (README.md of github.com/microsoft/LoRA prints 0.8 for the base model it trained later, and says not what is in it)
    "LoRA, RoBERTa-base": (ROBERTA["base"], QV | {"lora_rank": 8}, 294_912, "0.3"),
    "LoRA, RoBERTa-large": (ROBERTA["large"], QV | {"lora_rank": 8}, 786_432, "0.8"),
    # table 4 with section E.4: r = 1 and r = 8 on query and value of GPT-3 (96 layers, H = 12288; in OPT's form, for GPT-2 fuses them)
    "LoRA, GPT-3": (GPT3, QV | {"lora_rank": 1}, 4_718_592, "4.7"),
    "LoRA, GPT-3, larger": (GPT3, QV | {"lora_rank": 8}, 37_748_736, "37.7"),
    # table 3, "FT Top2": 2 (12 H^2 + 13 H) = 25,192,448; the final norm (2 H) goes along here
    "last two, GPT-2 medium": (GPT2M, {"method": "last_layers", "last_layers": 2}, 25_194_496, "25.19"),
    # README.md of PEFT prints all digits of r = 8 on query and value (and of the whole: see below)
    "LoRA, mT0-large": (MT0, QV | {"lora_rank": 8}, 2_359_296, "2.359296"),
    # adapter_summary() of RoBERTa-base, all digits, in AdapterHub's post on adapter-transformers 3.1 and in adapter-hub/adapters #371;
    # a reduction of 16 makes m = 48, its prefix has 30 positions. BERT-base's layers have the same sizes
    "Pfeiffer, RoBERTa-base": (ROBERTA["base"], {"method": "adapter", "adapter_size": 48}, 894_528, "0.894528"),
    "Pfeiffer, BERT-base": (BERT["base"], {"method": "adapter", "adapter_size": 48}, 894_528, "0.894528"),
    "Houlsby, RoBERTa-base": (
        *(ROBERTA["base"], {"method": "adapter", "adapter_size": 48, "adapter_placement": "houlsby"}),
        *(1_789_056, "1.789056"),
    ),
    "LoRA, RoBERTa-base, AdapterHub": (ROBERTA["base"], QV | {"lora_rank": 8}, 294_912, "0.294912"),
    "prefix, RoBERTa-base": (ROBERTA["base"], {"method": "prefix", "virtual_tokens": 30}, 552_960, "0.552960"),
    # PEFT's guide to IA3 prints all digits
    "IA3, mT0-large": (MT0, {"method": "ia3"}, 282_624, "0.282624"),
    # Houlsby et al. 2019 (arXiv:1902.00751), section 3.4: 40k norms of BERT-base; the one of the choice of words goes along here
    "ln, BERT-base": (BERT["base"], {"method": "ln"}, 39_936, "0.04"),
    # Lester et al. 2021 (arXiv:2104.08691), figure 2, read in the paper's text: five tokens for T5 XXL
    "prompt, T5 XXL": (T5XXL, {"method": "prompt", "virtual_tokens": 5}, 20_480, "0.020480"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_to_their_printed_precision(name):
    model, settings, exact, millions = PUBLISHED[name]
    counted = parameter_counts.trainable(model, Settings.from_json(settings), "chat")
    assert counted == exact and f"{counted / 1e6:.{len(millions.split('.')[1])}f}" == millions


def test_the_whole_that_peft_prints():
    """README.md and the guide to IA3 print 1,231,940,608 and 1,229,863,936 "all params": the model's own and the trained ones."""
    assert MT0.parameters + 2_359_296 == 1_231_940_608 and MT0.parameters + 282_624 == 1_229_863_936


def test_ia3_on_roberta_base():
    """AdapterHub's summary prints 18,432: the keys and values alone, 12 layers x 2 H. The MLP's factors (Liu et al. 2022) come on top."""
    assert parameter_counts.trainable(ROBERTA["base"], Settings.from_json({"method": "ia3"})) == 18_432 + 12 * 3072


def test_houlsby_on_bert_large():
    """Houlsby et al. 2019, table 1, print 2.1% a task at size 64 (read in the paper's text). Their formula, 2md + d + m for each of two
    adapters a layer, gives 6.34 million = 1.9% of their 330 million; they also train the norms (0.1 million) and the head. So the printed
    share is met to a fifth of a percent, not exactly."""
    counted = parameter_counts.trainable(
        BERT["large"], Settings.from_json({"method": "adapter", "adapter_size": 64, "adapter_placement": "houlsby"})
    )
    assert counted == 24 * 2 * (2 * 1024 * 64 + 64 + 1024) and counted / BERT["large"].parameters == pytest.approx(0.021, abs=0.0025)


def test_lora_on_gpt2_medium():
    """Hu et al. 2021, table 3, print 0.35 million at r = 4 on query and value (table 11), and their own formula, 2 L d r with 48 matrices,
    gives 393,216. Adapting the fused c_attn whole, as here, happens to make the same number: 24 x 4 (1024 + 3072).

    Neither the paper nor README.md of github.com/microsoft/LoRA explains it (its issue #172 asks, unanswered). What speaks for 393,216: its
    code adapts query and value of c_attn at r = 4, and the checkpoint it offers has 1.5 MB, which is that many in 32 bits. A guess at 0.35:
    the row of prefix tuning above it, matched for size, prints 0.35 and 0.77 for medium and large, which is 0.1% of 354.92 and 774.03
    million, and LoRA's rows repeat both; counted they are 0.39 and 0.74.
    """
    assert parameter_counts.trainable(GPT2M, Settings.from_json(QV | {"lora_rank": 4})) == 24 * 2 * 4 * 2048 == 393_216
    large = parameter_counts.trainable(shape("gpt2", 1280, 36, 50257), Settings.from_json(QV | {"lora_rank": 4}))
    assert large == 737_280 and f"{0.001 * 354.92:.2f} {0.001 * 774.03:.2f}" == "0.35 0.77"


def test_prefix_tuning_on_gpt2_medium():
    """Li and Liang 2021 (arXiv:2101.00190) print 0.1% of GPT-2 medium (table 1) at five positions for E2E (table 6), read in the paper's
    text; these are 5 x 24 x 2 x 1024 = 245,760."""
    counted = parameter_counts.trainable(GPT2M, Settings.from_json({"method": "prefix", "virtual_tokens": 5}))
    assert counted == 245_760 and f"{counted / GPT2M.parameters:.1%}" == "0.1%"


def test_a_regression_learns_one_number():
    bert = BERT["base"]
    assert parameter_counts.trainable(bert, Settings.from_json({"method": "ln"}), "regression", 7) == parameter_counts.trainable(
        bert, Settings.from_json({"method": "ln"}), "classification", 1
    )
