"""Bottleneck adapters: one file that PEFT and a fresh process can use alone."""

import logging

import pytest
import torch
import transformers
from peft import PeftModel, get_peft_model

from tests.conftest import fresh
from tests.workers.test_peft_methods import BARE, CONFIGS, batch, family, folder, outputs, quiet  # noqa: F401
from tuner.workers.modelling import bottleneck_adapter

logging.getLogger("transformers").setLevel(logging.ERROR)
LAST = {  # the modules of the first layer after which adapters stand: houlsby; the last of them alone is pfeiffer's
    "llama": ["self_attn.o_proj", "mlp.down_proj"],
    "gpt2": ["attn.c_proj", "mlp.c_proj"],
    "bert": ["attention.output.dense", "output.dense"],
    "roberta": ["attention.output.dense", "output.dense"],
    "modernbert": ["attn.Wo", "mlp.Wo"],
    "distilbert": ["attention.out_lin", "ffn.lin2"],
    "deberta-v2": ["attention.output.dense", "output.dense"],
    "t5": ["layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo"],
    "bart": ["self_attn.out_proj", "fc2"],
}


def bare(kind: str):
    torch.manual_seed(0)
    return getattr(transformers, BARE[family(kind)]).from_config(CONFIGS[kind]()).eval()


def rows(kind: str = "llama") -> dict:
    found = batch(kind, {"encoder-decoder": "seq2seq"}.get(family(kind), "chat"))
    return found if family(kind) == "encoder-decoder" else {k: v for k, v in found.items() if k != "labels"}


def shaken(model, seed: int = 1):
    """Adapters that do something: a fresh one does nothing."""
    torch.manual_seed(seed)
    for name, p in model.named_parameters():
        if f"bottleneck_up.{model.active_adapter}." in name:
            torch.nn.init.normal_(p, std=0.5)
    return model


@pytest.mark.parametrize("kind", LAST)
def test_where_they_stand(kind):
    model = bare(kind)
    stack = bottleneck_adapter.stacks(model)[0][0]
    assert [n for n in bottleneck_adapter.places(model, "houlsby") if n.startswith(f"{stack}.0.")] == [f"{stack}.0.{n}" for n in LAST[kind]]
    assert [n for n in bottleneck_adapter.places(model, "pfeiffer") if n.startswith(f"{stack}.0.")] == [f"{stack}.0.{LAST[kind][-1]}"]


def test_a_decoder_that_reads_another_text_has_three_places():
    for kind, cross in (("t5", "decoder.block.1.layer.1.EncDecAttention.o"), ("bart", "model.decoder.layers.1.encoder_attn.out_proj")):
        places = bottleneck_adapter.places(bare(kind), "houlsby")
        assert cross in places and len(places) == 2 * 2 + 2 * 3


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_fresh_one_changes_nothing_and_has_the_size_of_the_paper(kind):
    model = bare(kind)
    plain = outputs(model, rows(kind))
    tuned = get_peft_model(model, bottleneck_adapter.BottleneckConfig(size=8, placement="houlsby"))
    assert torch.equal(outputs(tuned, rows(kind)), plain)
    trained = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert trained == len(bottleneck_adapter.places(bare(kind), "houlsby")) * (2 * 16 * 8 + 8 + 16)  # 2 H m + m + H each
    assert not torch.equal(outputs(shaken(tuned), rows(kind)), plain)


def test_it_computes_what_the_paper_says():
    torch.manual_seed(0)
    layer = bottleneck_adapter.BottleneckLayer(
        torch.nn.Linear(16, 16), "default", bottleneck_adapter.BottleneckConfig(size=4, activation="tanh"), 16
    )
    torch.nn.init.normal_(layer.bottleneck_up["default"].weight)
    x, down, up = torch.randn(2, 3, 16), layer.bottleneck_down["default"], layer.bottleneck_up["default"]
    h = layer.base_layer(x)
    torch.testing.assert_close(layer(x), h + torch.tanh(h @ down.weight.T + down.bias) @ up.weight.T + up.bias)


class Pair(torch.nn.Module):
    def forward(self, x):
        return x, "the rest"


def test_of_a_tuple_the_first_is_adapted():
    layer = bottleneck_adapter.BottleneckLayer(Pair(), "default", bottleneck_adapter.BottleneckConfig(size=4), 16)
    torch.nn.init.ones_(layer.bottleneck_up["default"].bias)
    x = torch.randn(1, 2, 16)
    first, rest = layer(x)
    assert torch.equal(first, x + 1) and rest == "the rest"


@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
def test_several_by_name_switched_off_and_taken_away(kind, tmp_path):
    model = bare(kind)
    plain = outputs(model, rows(kind))
    tuned = shaken(get_peft_model(model, bottleneck_adapter.BottleneckConfig(size=8)))
    one = outputs(tuned, rows(kind))
    tuned.add_adapter("second", bottleneck_adapter.BottleneckConfig(size=4, placement="houlsby", activation="gelu"))
    assert torch.equal(outputs(tuned, rows(kind)), one)
    tuned.set_adapter("second")
    two = outputs(shaken(tuned, 2), rows(kind))
    assert not torch.equal(one, two) and all(".second." in n for n, p in tuned.named_parameters() if p.requires_grad)
    with tuned.disable_adapter():
        assert torch.equal(outputs(tuned, rows(kind)), plain)
    tuned.save_pretrained(tmp_path)
    for name, folder_, expected in (("default", tmp_path, one), ("second", tmp_path / "second", two)):
        again = PeftModel.from_pretrained(bare(kind), folder_)
        assert torch.equal(outputs(again, rows(kind)), expected), name
    tuned.set_adapter("default")
    tuned.delete_adapter("second")
    assert torch.equal(outputs(tuned, rows(kind)), one) and torch.equal(outputs(tuned.unload(), rows(kind)), plain)


def test_merging_is_refused():
    tuned = get_peft_model(bare("llama"), bottleneck_adapter.BottleneckConfig(size=8))
    for merge in (tuned.merge_and_unload, tuned.merge_adapter):
        with pytest.raises(ValueError, match="can't be merged"):
            merge()
    with pytest.raises(ValueError, match="houlsby or pfeiffer"):
        bottleneck_adapter.BottleneckConfig(placement="everywhere")


ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import adapters, torch, transformers
from peft import PeftModel
base = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[2])
model = PeftModel.from_pretrained(base, sys.argv[1]).eval()
print(model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1, :4].tolist(), "tuner" in sys.modules)
"""


def test_a_fresh_process_needs_this_file_alone(tmp_path):
    from tests.workers.test_peft_methods import settings
    from tuner.workers.modelling import peft_methods

    model = bare("llama")
    model.save_pretrained(tmp_path / "base")
    tuned = shaken(get_peft_model(model, bottleneck_adapter.BottleneckConfig(size=8, task_type="CAUSAL_LM")))
    peft_methods.save(tuned, tmp_path / "run", settings("adapter"))
    expected = tuned(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1, :4].tolist()
    said = fresh(ALONE, str(tmp_path / "run"), str(tmp_path / "base")).splitlines()[-1]
    assert said.endswith(" False") and torch.allclose(torch.tensor(eval(said.removesuffix(" False"))), torch.tensor(expected), atol=1e-6)
