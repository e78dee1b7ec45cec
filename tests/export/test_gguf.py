"""GGUF: llama.cpp's own converter, what it can't name, and whether the file answers as the model does.

The converter is fetched by `./run.sh test`; no test fetches anything.
"""

import importlib.util
import json
import math
import shutil
import subprocess
import sys

import pytest
from gguf import GGUFReader
from transformers.utils.chat_template_utils import render_jinja_template

from tests.conftest import ROOT, TOOLS, model_folder
from tuner import paths
from tuner.errors import ModelError, RequestError, WorkError
from tuner.export import converter, making, sizes
from tuner.models import chat_templates
from tuner.workers.exporting import adapter_gguf, gguf, pre_tokenizer, probes, self_test

STARTER = json.loads((paths.STARTER / "tokenizer.json").read_text())
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " Hi! "},
    {"role": "assistant", "content": "Hello.\n\nYes?"},
]


@pytest.fixture(scope="module")
def tools(house):
    """The converter, where the workspace of `house` looks for it."""
    place = converter.place(house.ws)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(TOOLS / place.name, target_is_directory=True)
    assert converter.there(place), "./run.sh test fetches it"
    return place


def test_a_run_as_gguf_answers_as_it_did_here(house, tools):
    expected = sizes.estimate(house.run(house.lora), "gguf")
    said = []
    made = making.make(house.ws, house.lora, "gguf", waiting=lambda _, what: said.append(what))
    folder, check = house.ws.exports / house.lora / "gguf-q8_0", made["check"]
    assert check["passed"] and check["prompts"] == 20 and check["prompt_ids_equal"] == 1 and check["top1_agreement"] >= 0.95
    assert check["runtime"] in ("llama.cpp", "transformers") and check["ends"] >= 0.9
    there = {"README.md", "tunesmith.json", "Modelfile", f"{house.lora}-q8_0.gguf"}
    assert {f.name for f in folder.iterdir()} == there, "the merged model is gone"
    assert made["bytes"] == pytest.approx(expected, rel=0.05), "the page names this size before"
    assert len(set(filter(None, said))) >= 2, "what is being done is told"
    file = GGUFReader(folder / check["file"])
    assert file.fields["tokenizer.ggml.pre"].contents() == "gpt-2", "a vocabulary of its own, named by how it splits"
    assert "generation %" not in file.fields["tokenizer.chat_template"].contents(), "llama.cpp knows no such tag"
    card = (folder / "README.md").read_text()
    assert "ollama create tuned -f Modelfile" in card and f"FROM ./{check['file']}\n" in (folder / "Modelfile").read_text()
    assert f"llama-server -m {check['file']}" in card and "library_name: llama.cpp" in card and str(house.ws.home) not in card


@pytest.mark.long
def test_llama_cpp_itself_gives_the_same_answers(house, tools, tmp_path):
    if not importlib.util.find_spec("llama_cpp"):
        pytest.skip("the extra gguf is not installed")
    check = making.make(house.ws, house.lora, "gguf", tmp_path / "out", quantize="f16")["check"]
    assert check["runtime"] == "llama.cpp" and check["first_tokens_equal"] == 1 and check["kl"] < 1e-4


def test_a_wrong_type_of_gguf_is_refused(house):
    with pytest.raises(RequestError) as caught:
        making.make(house.ws, house.lora, "gguf", quantize="q2_k")
    assert caught.value.field == "quantize" and caught.value.available[:2] == ["q8_0", "f16"]


def converted(tools, model, out, name="tiny") -> None:
    gguf.convert(tools, model, out, {"quantize": "f16", "name": name})


@pytest.mark.parametrize("kind", ["qwen2", pytest.param("gpt2", marks=pytest.mark.long)])
def test_other_families_convert(tools, tmp_path, kind):
    model = tiny(tmp_path / kind, kind)
    converted(tools, model, tmp_path / "tiny.gguf")
    file = GGUFReader(tmp_path / "tiny.gguf")
    assert file.fields["general.architecture"].contents() == kind and len(file.tensors) > 10


def tiny(folder, kind: str):
    """A model of a family with weights, and the starter's tokenizer."""
    model_folder(folder, kind)
    code = (
        "import sys, torch; from transformers import AutoConfig, AutoModelForCausalLM; torch.manual_seed(0)\n"
        "AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(sys.argv[1])).save_pretrained(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True)
    return folder


def test_a_tokenizer_that_nobody_can_name_is_refused(tools, tmp_path):
    model = tiny(tmp_path / "odd", "qwen2")
    strange = STARTER | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Isolated"}, BYTES]}}
    (model / "tokenizer.json").write_text(json.dumps(strange))
    with pytest.raises(ModelError, match="not certain") as caught:
        converted(tools, model, tmp_path / "odd.gguf")
    assert "Punctuation" in caught.value.asked and not (tmp_path / "odd.gguf").exists()


def test_an_architecture_that_llama_cpp_does_not_know_is_refused_by_name(tools):
    known = converter.architectures(tools)
    assert {"LlamaForCausalLM", "Qwen3ForCausalLM", "Gemma3ForCausalLM", "GPT2LMHeadModel"} <= known
    gguf.refuse_unknown({"architectures": ["LlamaForCausalLM"]}, known)
    gguf.refuse_unknown({"architectures": ["Odd"], "text_config": {"architectures": ["Qwen3ForCausalLM"]}}, known)
    for config in ({"architectures": ["XGLMForCausalLM"]}, {}):
        with pytest.raises(ModelError, match=(config.get("architectures") or ["none"])[0]):
            gguf.refuse_unknown(config, known)


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
QWEN = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"


def split(regex: str, **more) -> dict:
    step = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False} | more
    return {"type": "Sequence", "pretokenizers": [step, BYTES]}


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (STARTER["pre_tokenizer"], "gpt-2"),
        (split(QWEN), "qwen2"),
        (split(QWEN.replace("|\\p{N}|", "|\\p{N}{1,3}|")), "llama-bpe"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTES | {"use_regex": True}]}, "smollm"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": False}, BYTES | {"use_regex": True}]}, None),
        (split(QWEN, behavior="Removed"), None),
        (split(QWEN, invert=True), None),
        (split(QWEN + "|x"), None),
        (BYTES | {"use_regex": True, "add_prefix_space": True}, None),
        ({"type": "Whitespace"}, None),
        (None, None),
    ],
)
def test_the_pre_tokenizer_is_named_by_its_rules_or_not_at_all(found, name):
    assert pre_tokenizer.name(STARTER | {"pre_tokenizer": found}) == name
    assert pre_tokenizer.name(STARTER | {"pre_tokenizer": found, "normalizer": {"type": "Lowercase"}}) is None
    assert pre_tokenizer.name({"model": {"type": "Unigram"}, "pre_tokenizer": found}) is None


OWN = "{% for m in messages %}\n  {%- if m.role == 'assistant' %}\n{%- generation -%} {{ m.content }} {% endgeneration -%}\n  {% else %}{{ m.content }}\n{% endif %}{% endfor %}"


@pytest.mark.parametrize("template", [*chat_templates.TEMPLATES.values(), (paths.STARTER / "chat_template.jinja").read_text(), OWN])
def test_without_its_marks_a_chat_template_renders_the_same(template):
    plain = chat_templates.without_generation_tags(template)
    assert "generation %" not in plain and "generation" in template
    render = lambda t: render_jinja_template([TALK], chat_template=t, eos_token="</s>")[0][0]  # noqa: E731
    assert render(plain) == render(template)


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path, monkeypatch):
    """pip itself looks at the hash: an index that gives another file under this name is no way in."""
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / f"llama_cpp_python-{converter.VERSION}.tar.gz").write_bytes(b"something else")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(WorkError, match="could not be fetched"):
        converter.fetch(tmp_path / "tools" / "llama.cpp")
    assert not list((tmp_path / "tools").iterdir()), "nothing half fetched is left"


@pytest.fixture
def file(tools, tmp_path):
    """The starter as GGUF."""
    converted(tools, paths.STARTER, tmp_path / "starter.gguf", "starter")
    return tmp_path / "starter.gguf"


def asked(model, *questions: str) -> list[dict]:
    return self_test.asked_of(model, None, "fp32", list(questions), True)


def test_a_runtime_that_crashes_is_no_verdict_on_the_file(file, monkeypatch):
    monkeypatch.setitem(self_test.RUNTIMES, "llama.cpp", "tests.export.crashing")
    monkeypatch.setattr(self_test, "runtimes", lambda: ["llama.cpp", "transformers"])
    found = self_test.gguf(file, asked(paths.STARTER, "Name two fruits."), "f16")
    assert found["passed"] and found["runtime"] == "transformers" and "llama.cpp crashed" in found["note"]
    monkeypatch.setattr(self_test, "runtimes", lambda: ["llama.cpp"])
    found = self_test.gguf(file, asked(paths.STARTER), "f16")
    assert found["passed"] is None and found["kind"] == self_test.UNTESTED and "crashed" in found["reason"]


def test_an_adapter_as_gguf_holds_what_was_trained(house, tools, tmp_path):
    run = house.run(house.lora)
    request = {"tools": str(tools), "base": str(paths.STARTER), "run": str(run.path), "name": "mine"}
    check = adapter_gguf.export(tmp_path, request, lambda said: None)
    assert check["passed"] and check["layers"] == check["tensors"] // 2 > 10 and check["difference"] < 1e-3
    assert {f.name for f in tmp_path.iterdir()} == {"mine-lora.gguf"}
    assert sizes.estimate(run, "adapter-gguf") == pytest.approx((tmp_path / "mine-lora.gguf").stat().st_size + sizes.WRITTEN, rel=0.05)
    config = json.loads((run.path / "model" / "adapter_config.json").read_text())
    for change in ({"lora_alpha": 2 * config["lora_alpha"]}, {"use_rslora": True}):  # another scale: other answers
        other = tmp_path / "other"
        shutil.copytree(run.path / "model", other)
        (other / "adapter_config.json").write_text(json.dumps(config | change))
        with pytest.raises(ModelError, match="not the one that was trained"):
            adapter_gguf.compared(tmp_path / "mine-lora.gguf", other)
        shutil.rmtree(other)


def test_other_weights_than_those_of_the_model_do_not_pass(file, tools, tmp_path):
    """The complaint heard most: merged into the wrong weights. Here the file is of the starter, and the model another."""
    other = tmp_path / "other"
    shutil.copytree(paths.STARTER, other)
    code = (
        "import sys, torch; from transformers import AutoModelForCausalLM as A; torch.manual_seed(0); m = A.from_pretrained(sys.argv[1])\n"
        "m.model.layers[1].mlp.down_proj.weight.data.mul_(0.5); m.save_pretrained(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(other)], check=True, capture_output=True)
    with pytest.raises(ModelError, match="does not answer like the model"):
        self_test.gguf(file, asked(other), "f16")


def probe(**more) -> dict:
    half = [math.log(0.5), math.log(0.25)]
    return {"ids": [1, 2], "tokens": [5, 6], "ended": True, "top": [[5, 7], [6, 8]], "logprobs": [half, half]} | more


def test_a_verdict_says_what_differs():
    same = {"ids": [1, 2], "tokens": [5, 6], "ended": True, "best": [5, 6], "logprobs": probe()["logprobs"]}
    good = probes.compare([probe()] * 4, [same] * 4, "llama.cpp", "f16")
    assert good.passed and good.kl == 0 and good.first_tokens_equal == good.top1_agreement == good.ends == 1
    assert good.first_difference is None
    for change, what in (
        ({"ids": [1, 3]}, "other tokens"),
        ({"best": [7, 6]}, "first choice differs"),
        ({"logprobs": [[math.log(0.2), math.log(0.2)]] * 2}, "divergence"),
        ({"ended": False}, "no longer end"),
    ):
        bad = probes.compare([probe()] * 4, [same | change] * 2 + [same] * 2, "llama.cpp", "f16")
        assert not bad.passed and what in bad.reason.lower(), change
    parted = probes.compare([probe()] * 2, [same, same | {"tokens": [5, 9]}], "llama.cpp", "f16")
    assert parted.first_difference == 2 and parted.first_tokens_equal == 0.5
    assert probes.divergence([math.log(0.5)], [math.log(0.25)]) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75))


def test_the_questions_are_those_of_the_data_first():
    assert probes.prompts([])[0] == "Hello" and len(probes.prompts([])) == 20
    own = [f"Question {n}?" for n in range(30)]
    assert probes.prompts(own) == own[:20] and probes.prompts(own[:3])[:4] == [*own[:3], "Hello"]


def test_the_pinned_version_is_that_of_the_extra():
    assert f'"{converter.PACKAGE}=={converter.VERSION}"' in (ROOT / "pyproject.toml").read_text()
