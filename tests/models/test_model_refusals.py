"""Models that can't be trained are refused by the plan, in one sentence with the way out, before a weight is read or torch is loaded."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import fresh, model_folder, write_tensors
from tests.models.model_faults import BNB, FAULTS, PACKINGS, config, tokenizer_config
from tuner import models, paths
from tuner.cli import main
from tuner.errors import ModelError, NetworkError, TunerError
from tuner.models import hub_facts, stored_formats


@pytest.mark.parametrize("fault", FAULTS)
def test_the_plan_says_why_and_what_else(tmp_path, fault):
    harm, why, way_out = FAULTS[fault]
    folder = model_folder(tmp_path / "mine")
    models.resolve(str(folder), need_weights=True)
    harm(folder)
    with pytest.raises(ModelError) as told:
        models.resolve(str(folder))
    error = told.value
    assert why in error.message and way_out in error.remedy and error.available and error.field == "model", error.as_dict()
    assert "trust_remote_code" not in str(error) and error.message.count(". ") == 0, "one sentence"


def test_the_terminal_tells_it_without_torch(tmp_path):
    folder = model_folder(tmp_path / "mine")
    FAULTS["packed by gptq"][0](folder)
    code = """
import sys
from tuner.cli import main
code = main(["plan", "--model", sys.argv[1], "--json"])
assert code == 1 and not {"torch", "transformers"} & set(sys.modules)
"""
    (error,) = json.loads(fresh(code, str(folder)))["errors"]
    assert error["code"] == "model" and error["field"] == "model" and "GPTQ" in error["message"]


def test_a_run_of_such_a_model_does_not_begin(ws, data, tmp_path, capsys):
    folder = model_folder(tmp_path / "mine")
    FAULTS["an embedding too small"][0](folder)
    assert main(["train", "--model", str(folder), "--data", data.ref, "--json", "--home", str(ws.home)]) == 1
    assert "100 rows" in json.loads(capsys.readouterr().out)["errors"][0]["message"] and not list(ws.runs.iterdir())


# --- files in the place of a folder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ref", ["model-q4.gguf", "some/model.gguf", "/nowhere/model.GGUF", "~/m.gguf", r"C:\models\m.gguf", "owner/m.onnx"]
)
def test_a_path_of_another_form_is_never_looked_up_on_the_hub(ref):
    with pytest.raises(TunerError) as told:
        models.resolve(ref)
    assert not isinstance(told.value, NetworkError) and told.value.field == "model" and "Hub can't" not in str(told.value)


@pytest.mark.parametrize("name, words", [("m.gguf", "GGUF"), ("model.safetensors", "is a file"), ("pytorch_model.bin", "is a file")])
def test_a_file_is_no_folder(tmp_path, monkeypatch, name, words):
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for ref in (name, f"./{name}", str(tmp_path / name)):
        with pytest.raises(ModelError, match=words):
            models.resolve(ref)


# --- what must go on working -------------------------------------------------------------------------------------------------------------


def bnb_switched_off(f):
    config(f, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": False})


def images_without_eyes(f):
    """Gemma 3 of one billion: its tokenizer has a token for images, and its embedding no row for it."""
    tokens = json.loads((f / "tokenizer.json").read_text())
    tokens["added_tokens"].append({"id": 4096, "content": "<image_soft_token>", "special": True})
    (f / "tokenizer.json").write_text(json.dumps(tokens))


def more_rows_than_tokens(f):
    config(f, vocab_size=5000)


def a_guarded_bos(f):
    tokenizer_config(f, bos_token=None)
    (f / "chat_template.jinja").write_text(
        "{% if bos_token %}{{ bos_token + 'x' }}{% endif %}{{ bos_token }}{{ bos_token ~ eos_token }}{{ messages }}"
    )


def a_bos_of_the_class(f):
    tokenizer_config(f, tokenizer_class="LlamaTokenizerFast")
    (f / "chat_template.jinja").write_text("{{ bos_token + messages[0]['content'] }}")


def marked(f):
    (f / "chat_template.jinja").write_text(
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
    )


def a_second_copy(f):
    write_tensors(f / "consolidated.safetensors", {"embedding": [4096, 16]})
    (f / "pytorch_model.bin").write_bytes(b"x")
    (f / "model.gguf").write_bytes(b"GGUF")
    (f / "onnx").mkdir()
    (f / "onnx" / "model.onnx").write_bytes(b"x")


def leftovers(f):
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (f / name).write_bytes(b"x")


def code_beside_a_known_kind(f):
    config(f, auto_map={"AutoModelForCausalLM": "modeling_x.X"})


@pytest.mark.parametrize(
    "change",
    [
        *(bnb_switched_off, images_without_eyes, more_rows_than_tokens, a_guarded_bos, a_bos_of_the_class),
        *(marked, a_second_copy, leftovers, code_beside_a_known_kind),
    ],
)
def test_what_works_goes_on_working(tmp_path, change):
    folder = model_folder(tmp_path / "mine")
    change(folder)
    facts = models.resolve(str(folder), need_weights=True).facts
    assert facts.path and facts.parameters == 4096 * 16, "counted once"


def test_an_image_token_that_the_template_writes_needs_its_row(tmp_path):
    folder = model_folder(tmp_path / "mine")
    images_without_eyes(folder)
    (folder / "chat_template.jinja").write_text("<image_soft_token>{{ messages }}")
    with pytest.raises(ModelError, match="4,097 tokens"):
        models.resolve(str(folder))


def test_a_config_with_leftovers_of_a_training_alone_can_be_planned(tmp_path):
    folder = model_folder(tmp_path / "mine")
    (folder / "model.safetensors").unlink()
    (folder / "training_args.bin").write_bytes(b"x")
    assert models.resolve(str(folder)).facts.path is None


# --- on the Hub --------------------------------------------------------------------------------------------------------------------------

WHOLE = {"config.json", "model.safetensors", "tokenizer.json"}
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


@pytest.mark.parametrize(
    "files, told, words",
    [
        ({"m.Q4_K_M.gguf", "README.md"}, {}, "GGUF"),
        ({"model_index.json", "unet/x.safetensors"}, {}, "images"),
        ({"config.json", "pytorch_model.bin"}, LLAMA, "can run code"),
        ({"config.json", "pytorch_model-00001-of-00002.bin"}, LLAMA, "can run code"),
        ({"config.json", "tf_model.h5"}, LLAMA, "TensorFlow"),
        ({"config.json", "onnx/model.onnx"}, LLAMA, "ONNX"),
        ({"adapter_config.json", "adapter_model.safetensors"}, {}, "adapter"),
        ({"config.json", "README.md"}, LLAMA, "no weights"),
        ({"README.md"}, {}, "no config.json"),
        ({"config.json", "model-00001-of-00002.safetensors"}, LLAMA, "index"),
        (WHOLE, LLAMA | {"quantization_config": PACKINGS["awq"]}, "AWQ"),
        (WHOLE, {"model_type": "brainy", "auto_map": {"AutoModelForCausalLM": "x.Y"}}, "code of its own"),
        (WHOLE | {"modules.json"}, LLAMA, "vectors"),
        (WHOLE, {}, "model_type"),
    ],
)
def test_a_repository_is_refused_by_its_list_of_files(files, told, words):
    with pytest.raises(ModelError, match=words) as caught:
        hub_facts.check("owner/name", files, told)
    assert caught.value.field == "model" and caught.value.remedy and "owner/name" in caught.value.message


def test_a_whole_repository_passes():
    hub_facts.check("owner/name", WHOLE, LLAMA)
    hub_facts.check("owner/name", WHOLE, LLAMA | {"quantization_config": BNB})


def test_the_hub_is_asked_for_the_list_and_two_small_files(tmp_path, monkeypatch):
    import httpx
    import huggingface_hub

    folder, asked = model_folder(tmp_path / "there"), []
    monkeypatch.setattr(httpx, "head", lambda *a, **k: None)
    listed = SimpleNamespace(siblings=[SimpleNamespace(rfilename=n) for n in WHOLE | {"tokenizer_config.json"}])
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, id, token=None: listed)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda id, name, **_: asked.append(name) or str(folder / name))
    facts = models.resolve("some/thing").facts
    assert facts.model_type == "llama" and facts.path is None and asked == ["config.json", "tokenizer_config.json"]
    FAULTS["packed by gptq"][0](folder)
    with pytest.raises(ModelError, match="some/thing is quantized with GPTQ"):
        models.resolve("some/thing")


# --- adapters ----------------------------------------------------------------------------------------------------------------------------


def adapter(folder: Path, base: str | None) -> Path:
    folder.mkdir(parents=True)
    paths.write_json(folder / "adapter_config.json", {"peft_type": "LORA", "r": 4, "base_model_name_or_path": base})
    return write_tensors(folder / "adapter_model.safetensors", {"a": [4, 4]}).parent


@pytest.mark.parametrize(
    "named, place", [("../base", "base"), ("./base", "mine/base"), ("base", "mine/base"), ("deep/base", "mine/deep/base")]
)
def test_a_relative_base_is_relative_to_the_adapters_folder(tmp_path, monkeypatch, named, place):
    """And to no other: a folder of the same name where the program was started is another model."""
    mine = adapter(tmp_path / "there" / "mine", named)
    base = model_folder(tmp_path / "there" / place)
    elsewhere = tmp_path / "elsewhere" / "here"
    elsewhere.mkdir(parents=True)
    model_folder((elsewhere / named).resolve(), hidden_size=32)
    monkeypatch.chdir(elsewhere)
    model = models.resolve(str(mine), need_weights=True)
    assert Path(model.base) == base.resolve() and model.adapter == mine and model.facts.hidden == 16
    shutil.rmtree(base)
    if named.startswith("."):
        with pytest.raises(ModelError, match="The base model of the adapter in mine"):
            models.resolve(str(mine))


def test_what_is_wrong_with_the_base_is_told_of_the_adapter(tmp_path):
    base = model_folder(tmp_path / "base")
    FAULTS["packed by awq"][0](base)
    with pytest.raises(ModelError, match="AWQ") as told:
        models.resolve(str(adapter(tmp_path / "mine", "../base")))
    assert "mine" in told.value.message and "16-bit" in told.value.remedy and "adapter_config.json" in told.value.remedy


def test_packings_are_told_apart():
    assert stored_formats.bnb_quantization({"quantization_config": BNB}) == "nf4"
    assert stored_formats.bnb_quantization({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}) == "int8"
    assert stored_formats.bnb_quantization({"text_config": {"quantization_config": BNB}}) == "nf4"
    assert (
        stored_formats.bnb_quantization({"quantization_config": PACKINGS["gptq"]}) is None and stored_formats.bnb_quantization({}) is None
    )
    assert stored_formats.quantization({"quantization_config": {"quant_method": "mxfp4"}}) == "mxfp4"
