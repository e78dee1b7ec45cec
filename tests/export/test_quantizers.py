"""GGUF with fewer than 8 bits: by llama.cpp's own quantizer, which is a program of its own. It is stood in for by one that writes the type and
leaves the weights: what is tested is how it is found, asked, checked and told of. The real one runs with --long, where the extra `gguf` is installed.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from gguf import GGUFReader

from tests.conftest import TOOLS, end_processes_of
from tuner import paths
from tuner.errors import ModelError, RequestError, WorkError
from tuner.export import converter, formats, making, model_card, quantizers, sizes
from tuner.workers.exporting import gguf, gguf_quantize, probes, self_test
from ui.export_views import drawn

STAND_IN = """#!{python}
import shutil, sys
from gguf import GGUFReader
from gguf.constants import LlamaFileType
source, out, type = sys.argv[1:]
{before}
shutil.copy(source, out)
GGUFReader(out, "r+").fields["general.file_type"].parts[-1][0] = LlamaFileType["MOSTLY_" + {type}.upper()].value
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a quantizer on the PATH that does `before` and writes `type`."""
    monkeypatch.setattr(quantizers, "PACKAGE", "no_such_package")

    def put(before: str = "", type: str = "type") -> None:
        file = tmp_path / "bin" / quantizers.PROGRAM
        file.parent.mkdir(exist_ok=True)
        file.write_text(STAND_IN.format(python=sys.executable, before=before, type=type))
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")

    return put


@pytest.fixture(scope="module")
def f16(tmp_path_factory) -> Path:
    """The starter in f16."""
    out = tmp_path_factory.mktemp("f16") / "starter-f16.gguf"
    gguf.convert(TOOLS / f"llama.cpp-{converter.VERSION}", paths.STARTER, out, {"quantize": "f16", "name": "starter"})
    return out


def test_without_the_quantizer_it_is_refused_before_anything_is_made(house, monkeypatch):
    monkeypatch.setattr(quantizers, "found", lambda: None)
    for kind in ("gguf", "ollama"):
        with pytest.raises(RequestError, match="llama.cpp's own quantizer") as caught:
            making.make(house.ws, house.lora, kind, quantize="q4_k_m")
        assert caught.value.field == "quantize" and "tunesmith[gguf]" in caught.value.remedy
    formats.require_known("adapter", "q4_k_m")  # has no effect there
    said = drawn.before(house.ws, house.run(house.lora), "gguf", "q4_k_m")
    assert "brew install llama.cpp" in said and "quantizer" not in drawn.before(house.ws, house.run(house.lora), "gguf", "q8_0")
    monkeypatch.setattr(quantizers, "found", lambda: "/bin/llama-quantize")
    assert "brew" not in drawn.before(house.ws, house.run(house.lora), "gguf", "q4_k_m")


def test_a_quantized_file_is_made_of_one_that_passed(house, program, monkeypatch, tmp_path):
    place = converter.place(house.ws)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(TOOLS / place.name, target_is_directory=True)
    program()
    end_processes_of(house.ws.machine, "tuner.jobs.supervisor")  # which has another PATH
    said = []
    made = making.make(house.ws, house.lora, "ollama", tmp_path / "out", quantize="q4_k_m", waiting=lambda _, what: said.append(what))
    file = f"{house.lora}-q4_k_m.gguf"
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"README.md", "tunesmith.json", "Modelfile", file}, "the f16 file is gone"
    assert "Quantizing to q4_k_m." in said and f"FROM ./{file}\n" in (tmp_path / "out" / "Modelfile").read_text()
    check = made["check"]
    assert check["file"] == file and check["passed"] and check["before_rounding"] == {n: check[n] for n in ("top1_agreement", "kl")}
    assert gguf_quantize.type_of(tmp_path / "out" / file) == "q4_k_m"
    assert "ollama create tuned -f Modelfile" in (tmp_path / "out" / "README.md").read_text(), "the model's name is without the type"


@pytest.mark.parametrize(
    "before, type, said",
    [
        ("sys.exit('this type is unknown')", "type", "this type is unknown"),
        ("import os; os.kill(os.getpid(), 11)", "type", "crashed"),
        ("sys.exit(0)", "type", "nothing"),
        ("", "'q8_0'", "it made q8_0"),
    ],
)
def test_a_quantizer_that_fails_or_makes_something_else(f16, program, tmp_path, before, type, said):
    program(before, type)
    with pytest.raises(WorkError, match=said) as caught:
        gguf_quantize.quantize(f16, tmp_path / "out.gguf", "q5_k_m")
    assert caught.value.field == "quantize" and "q8_0" in caught.value.remedy


def test_answers_that_rounding_changes_are_told_and_no_error(f16, monkeypatch):
    def found(**change) -> dict:
        verdict = probes.Verdict(**{"passed": False, "runtime": "transformers", "prompts": 20, "prompt_ids_equal": 1.0, "first_tokens_equal": 0.1,
            "first_difference": 3, "top1_agreement": 0.8, "kl": 0.3, "ends": 1.0, "reason": "The first choice differs."} | change)  # fmt: skip
        monkeypatch.setattr(self_test, "of_gguf", lambda *_: (verdict, ""))
        return self_test.rounded(f16, [], {"top1_agreement": 0.999, "kl": 1e-6, "prompts": 20})

    check = found()
    assert check["passed"] is False and check["before_rounding"] == {"top1_agreement": 0.999, "kl": 1e-6}
    said = drawn.after({"check": check, "bytes": 5}, None)
    assert "differ visibly" in said and "99.9%" in said and "ts-state warning" in said
    assert "differ visibly" not in drawn.after({"check": found(passed=True), "bytes": 5}, None)
    with pytest.raises(ModelError, match="does not answer like"):  # other tokens are no matter of rounding
        found(prompt_ids_equal=0.5)


def test_its_size_is_said_before_and_its_disk_space_with_what_it_is_made_of(house):
    run = house.run(house.lora)
    sized = {name: sizes.estimate(run, "gguf", name) for name in formats.QUANTIZE}
    assert sized["f16"] > sized["q8_0"] > sized["q6_k"] > sized["q5_k_m"] > sized["q4_k_m"]
    merged = sizes.estimate(run, "merged")
    assert sizes.needed(run, "gguf", "q4_k_m") == sized["q4_k_m"] + merged + sized["f16"]
    assert sizes.needed(run, "gguf", "q8_0") == sized["q8_0"] + merged and sizes.needed(run, "adapter", "q4_k_m") == sizes.estimate(
        run, "adapter"
    )


@pytest.mark.parametrize("type", formats.QUANTIZE)
def test_the_card_names_the_model_without_the_type(house, type):
    assert "ollama create my-model -f" in model_card.lines("ollama", house.run(house.lora).plan, here=f"my-model-{type}.gguf")


@pytest.mark.long
@pytest.mark.parametrize("type", quantizers.TYPES)
def test_llama_cpp_quantizes(f16, tmp_path, type):
    if not importlib.util.find_spec(quantizers.PACKAGE):
        pytest.skip("the extra gguf is not installed")
    gguf_quantize.quantize(f16, tmp_path / "out.gguf", type)
    kinds = {t.tensor_type.name for t in GGUFReader(tmp_path / "out.gguf").tensors}
    assert type.split("_")[0].upper() + "_K" in kinds and (tmp_path / "out.gguf").stat().st_size < 0.6 * f16.stat().st_size
    asked = self_test.asked_of(paths.STARTER, None, "fp32", [], True)
    check = self_test.rounded(tmp_path / "out.gguf", asked, {})
    assert check["prompt_ids_equal"] == 1 and check["top1_agreement"] > 0.85
