"""gpt-oss: its channels are trained as it is to write them, and read as reasoning and answer. With the template that TRL ships for it."""

from pathlib import Path

import pytest
import transformers
import trl

from tuner import paths
from tuner.workers.modelling import load
from tuner.workers.serving.text_stream import TextStream
from tuner.workers.tokenization import harmony
from tuner.workers.tokenization.loss_mask import Masker
from tuner.workers.training import samples

TEMPLATE = Path(trl.__file__).parent / "chat_templates" / "gptoss.jinja"
FORMAT = ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"]


@pytest.fixture(scope="module")
def tokenizer():
    found = load.tokenizer(paths.STARTER, None)
    found.chat_template = TEMPLATE.read_text()
    found.add_special_tokens({"additional_special_tokens": FORMAT})
    return found


def trained(tokenizer, messages: list[dict]) -> list[str]:
    (encoded,) = Masker(tokenizer, kind="chat", objective="chat", fold_system=False).batch([{"messages": messages}])
    assert not encoded.refused, encoded.refused
    return [tokenizer.decode(encoded.ids[begin:end]) for begin, end in encoded.ranges]


def test_each_answer_is_trained_with_its_channel(tokenizer):
    turns = [("system", "Be brief."), ("user", "Hi?"), ("assistant", "Hello."), ("user", "More?"), ("assistant", "No.")]
    begin = "<|start|>assistant<|channel|>final<|message|>"
    told = trained(tokenizer, [{"role": role, "content": content} for role, content in turns])
    assert told == [f"{begin}Hello.<|end|>", f"{begin}No.<|return|>"]


def test_the_analysis_is_trained_before_the_answer(tokenizer):
    asked = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello.", "reasoning_content": "They greet."}]
    (told,) = trained(tokenizer, asked)
    assert told.index("<|channel|>analysis<|message|>They greet.<|end|>") < told.index("<|channel|>final<|message|>Hello.<|return|>")


def test_a_call_and_what_follows_it_are_trained_and_the_result_is_not(tokenizer):
    call = {"type": "function", "function": {"name": "get", "arguments": {"city": "Rome"}}}
    asked = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "get", "content": "sunny"},
        {"role": "assistant", "content": "Fine."},
    ]
    told = trained(tokenizer, asked)
    assert len(told) == 2 and "to=functions.get" in told[0] and told[0].endswith("<|call|>") and "sunny" not in "".join(told)


WRITTEN = "<|channel|>analysis<|message|>They greet.<|end|><|start|>assistant<|channel|>final<|message|>Hello, 漢.<|return|>"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (WRITTEN, "<think>They greet.</think>Hello, 漢."),
        ("<|channel|>final<|message|>Hello.<|return|>", "Hello."),
        ("<|channel|>analysis<|message|>Cut here", "<think>Cut here"),
        ("Plain words.", "Plain words."),
        ("", ""),
    ],
)
def test_what_a_reader_sees(tokenizer, written, read):
    ids = tokenizer(written, add_special_tokens=False)["input_ids"]
    stream = TextStream(tokenizer)
    assert "".join([*(stream.push(token) for token in ids), stream.end()]) == read
    assert harmony.text(tokenizer, ids) == read


def test_a_model_without_the_format_is_read_as_ever():
    plain = load.tokenizer(paths.STARTER, None)
    assert harmony.of(plain) is None and harmony.text(plain, plain("Hello.", add_special_tokens=False)["input_ids"]) == "Hello."


def test_a_mixture_that_balances_its_experts_answers_samples(tokenizer):
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    more = {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 64, "max_position_embeddings": 2048}
    config = transformers.GptOssConfig(**sizes, **more, vocab_size=len(tokenizer) + 1, eos_token_id=tokenizer.eos_token_id)
    model = transformers.AutoModelForCausalLM.from_config(config).train()
    model.config.output_router_logits = True  # as TRL sets it for training
    model.config.use_cache = False
    found = samples.answered(model, tokenizer, [[{"role": "user", "content": said}] for said in ("Hi?", "A longer question, please.")])
    assert len(found) == 2 and all(set(f) == {"answer", "cut"} for f in found)
    assert model.training and model.config.output_router_logits is True and model.config.use_cache is False
