"""What models that don't chat serve: labels, values and words of many texts; the vectors of encoders; and calls of tools, read back."""

import asyncio
import base64
import json
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertConfig

from tuner import paths
from tuner.errors import RequestError
from tuner.serving.protocol import ClassifyRequest, EmbeddingsRequest
from tuner.workers.serving import tasks, tool_calls
from tuner.workers.serving.generation import Generation
from tuner.workers.serving.model_cache import Models, RegisteredModel
from tuner.workers.serving.scheduler import Scheduler

TEXTS = ["How are you?", "Name two flowers that grow near a river in spring.", "Hi"]
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
]


def awaited(work):
    """What a coroutine returns, run in a thread of its own: the tests of the browser leave a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A classifier on a tiny BERT with the starter's tokenizer, and the starter itself."""
    place = tmp_path_factory.mktemp("bert")
    tokenizer = AutoTokenizer.from_pretrained(paths.STARTER)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=len(tokenizer), num_labels=3, id2label={0: "good", 1: "bad", 2: "odd"}, pad_token_id=tokenizer.pad_token_id, **sizes
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    models = Models("cpu")
    models.known["labels"] = RegisteredModel(id="labels", base=str(place), precision="fp32", objective="classification")
    models.known["chat"] = RegisteredModel(id="chat", base=str(paths.STARTER), precision="fp32")
    return Scheduler(models), models, place


def test_each_text_gets_its_labels(served):
    scheduler, models, _ = served
    found = awaited(tasks.classified(scheduler, models, ClassifyRequest(model="labels", input=TEXTS), "mine"))
    assert [row["index"] for row in found["data"]] == [0, 1, 2] and found["model"] == "mine" and found["usage"]["prompt_tokens"] > 6
    for row in found["data"]:
        assert row["label"] == row["labels"][0]["label"] and sum(n["score"] for n in row["labels"]) == pytest.approx(1, abs=1e-3)
    with pytest.raises(RequestError, match="chats"):
        awaited(tasks.classified(scheduler, models, ClassifyRequest(model="chat", input="x"), "chat"))
    with pytest.raises(RequestError, match="empty"):
        awaited(tasks.classified(scheduler, models, ClassifyRequest(model="labels", input=["x", " "]), "mine"))


@pytest.mark.parametrize("first", [False, True])
def test_vectors_are_those_of_the_encoder_and_padding_changes_nothing(served, first):
    scheduler, models, place = served
    if first:
        (place / "1_Pooling").mkdir(exist_ok=True)
        paths.write_json(place / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    else:
        (place / "1_Pooling" / "config.json").unlink(missing_ok=True)
    found = awaited(tasks.embeddings(scheduler, models, EmbeddingsRequest(model="labels", input=TEXTS), "mine"))
    encoder, tokenizer = AutoModel.from_pretrained(place).eval(), AutoTokenizer.from_pretrained(place)
    for text, row in zip(TEXTS, found["data"], strict=True):
        with torch.inference_mode():
            states = encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        expected = torch.nn.functional.normalize(states[0] if first else states.mean(0), dim=-1)
        torch.testing.assert_close(torch.tensor(row["embedding"]), expected, atol=1e-5, rtol=1e-4)
    packed = awaited(tasks.embeddings(scheduler, models, EmbeddingsRequest(model="labels", input=TEXTS, encoding_format="base64"), "mine"))
    raw = base64.b64decode(packed["data"][1]["embedding"])
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == pytest.approx(found["data"][1]["embedding"])
    with pytest.raises(RequestError, match="no embeddings"):
        awaited(tasks.embeddings(scheduler, models, EmbeddingsRequest(model="chat", input="x"), "chat"))


def answered(text: str, family: str = "llama", template: str = "") -> tuple:
    tokenizer = AutoTokenizer.from_pretrained(paths.STARTER)
    tokenizer.chat_template = template
    generation = Generation("m", lambda _: [], lambda _: None)
    generation.tokenizer, generation.family, generation.prompt_end = tokenizer, family, "<|im_start|>assistant\n"
    return tool_calls.found(generation, text, TOOLS)


CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Ulm"}}\n</tool_call>'


@pytest.mark.parametrize(
    ("text", "family", "template", "content", "cities"),
    [
        (CALL, "qwen2", "", "", ["Ulm"]),
        (f"Let me see.\n{CALL}\n{CALL.replace('Ulm', 'Bonn')}", "qwen3", "", "Let me see.", ["Ulm", "Bonn"]),
        (CALL, "llama", "... <tool_call> ...", "", ["Ulm"]),
        ('{"name": "weather", "parameters": {"city": "Ulm"}}', "llama", "", "", ["Ulm"]),
        ('{"name": "unknown", "parameters": {}}', "llama", "", '{"name": "unknown", "parameters": {}}', []),
        ("It is warm.", "qwen2", "", "It is warm.", []),
        ("<tool_call>\n{broken", "qwen2", "", "<tool_call>\n{broken", []),
        ("It is warm.", "llama", "", "It is warm.", []),
    ],
)
def test_calls_of_tools_are_read_back(text, family, template, content, cities):
    found, calls = answered(text, family, template)
    assert found.strip() == content and [json.loads(c["function"]["arguments"])["city"] for c in calls] == cities
    assert all(c["type"] == "function" and c["function"]["name"] == "weather" and c["id"] for c in calls)
