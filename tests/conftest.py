"""Fixtures: workspaces with a machine folder of their own, and one house in which two runs were really trained.

No test touches the account's own workspace, and no process that a test started outlives the session.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports the Hub's library, which reads both once
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="tunesmith-test-hub-")

from tests.browsing import app, browser, pytest_runtest_makereport  # noqa: F401 (fixtures of browser and hostile tests)
from tuner import paths, runs
from tuner.data.store import store
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.system import fork_server, processes

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.prefix) / "tools"  # where ./run.sh test puts llama.cpp's converter


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the fault-injection loops at full length")


# the files that take longest, the longest first (seconds on two cores): two workers that take them in this order end at about the same time
LONGEST = """
test_training 225, test_peft_methods 230, test_matrix 230, test_cli 180, test_dry_run 150, test_journey 150, test_template_view 150, test_visits 140,
test_token_preview 130, test_states 130, test_causes 130, test_keyboard 120, test_language 110, test_template_sandbox 110, test_data_states 105,
test_plan 105, test_label 100, test_addresses 95, test_runs 95, test_guard 90, test_accessibility 85, test_chat 85, test_preferences 80,
test_memory 80, test_silence 80, test_gguf 75, test_gateway 70, test_evaluate 60, test_tasks 75, test_plan_truth 75, test_label_cli 70, test_export 60, test_data 60, test_bottleneck_adapter 60,
test_template 50, test_home 45, test_starter 40, test_hub 40, test_migration 35, test_stored_quantized 35, test_objectives 35,
test_script 100, test_trouble 85, test_slurm 100, test_kills 110, test_several_processes 75, test_around_runs 60, test_bundles 40, test_checkpoint_copies 20, test_notices 15, test_two_schedulers 25, test_queue 35, test_recovery 30, test_samples 30, test_sweeps 20, test_onnx 25, test_space 85, test_fork_server 45, test_quantizers 70, test_verify 60, test_stream_merge 40, test_hub_push 40, test_tool_configs 30, test_samples 30, test_calibration 30, test_large 30
"""
SECONDS = {name: int(seconds) for name, seconds in re.findall(r"(test_\w+) (\d+)", LONGEST)}


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: -SECONDS.get(item.path.stem, 0))
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes long: select it with --long"))


@pytest.fixture(scope="session", autouse=True)
def _apart(tmp_path_factory):
    """The whole session works in its own folders and leaves no process behind."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_HOME", str(base / "home"))
        patch.setenv("TUNESMITH_MACHINE", str(base / "machine"))
        patch.setenv("TUNESMITH_PROBE", "0")  # no plan of a test has this machine measured behind its back
        patch.setenv("TUNESMITH_EVALUATE", "0")  # no run of a test is evaluated without being asked
        patch.setenv("OMP_NUM_THREADS", "1")  # models this small gain nothing from more, and many workers share the cores
        patch.setenv(fork_server.SWITCH, str(base))  # one for all the machines of the tests: each of their workers begins at once
        processes.prepare("cpu")
        yield
    end_processes_of(base)
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True)
def _environment():
    """What libraries leave in the environment (Accelerate its precision) reaches no other test: workers are forked for this environment alone."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def end_processes_of(folder: Path, module: str = "tuner.") -> None:
    """End supervisors and workers whose machine folder lies in `folder`: they are the ones that tests started. Ours alone: the browser of the
    tests has the machine folder of the session in its environment, too."""
    for process in psutil.process_iter():
        try:
            ours = process.pid != os.getpid() and any(module in word for word in command_of(process))
            if ours and any(place.startswith(str(folder)) for place in places_of(process)):
                process.kill()
        except (psutil.Error, OSError):
            continue  # another account's, or gone by now


def command_of(process: psutil.Process) -> list[str]:
    """The words of a process's command; a forked one has them in one."""
    return " ".join(process.cmdline()).split()


def places_of(process: psutil.Process) -> tuple[str, str]:
    """The machine folder that a process was started for, and the file of its output: the environment of a forked one can't be seen."""
    output = os.readlink(f"/proc/{process.pid}/fd/1") if sys.platform == "linux" else ""
    return process.environ().get("TUNESMITH_MACHINE", ""), output


@pytest.fixture
def ws(tmp_path, monkeypatch) -> Workspace:
    """An empty workspace with its own machine folder, which the environment names too."""
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNESMITH_MACHINE", str(tmp_path / "machine"))
    yield Workspace(tmp_path / "home", machine=tmp_path / "machine").prepare()
    end_processes_of(tmp_path)


def chat_rows(n: int = 40) -> list[dict]:
    """Small conversations of which each answer tells its question."""
    return [
        {"messages": [{"role": "user", "content": f"What is {i} plus {i}?"}, {"role": "assistant", "content": f"Arr, it is {2 * i}!"}]}
        for i in range(n)
    ]


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def data(ws, tmp_path):
    """A dataset of forty conversations in `ws`."""
    return store.add(ws, write_rows(tmp_path / "sums.jsonl", chat_rows()), held_out=0.1)


def until(true, seconds: float = 60.0, every: float = 0.05):
    """The first true value of `true()`; the test fails when there is none in time."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"nothing came within {seconds:.0f} s"
        time.sleep(every)
    return value


@dataclass(frozen=True)
class Trained:
    """A workspace with a dataset and two finished runs of the starter: `lora` and `full`."""

    ws: Workspace
    data: store.Dataset
    lora: str
    full: str

    def run(self, id: str) -> runs.Run:
        return runs.get(self.ws, id)


@pytest.fixture(scope="session")
def house(tmp_path_factory) -> Trained:
    base = tmp_path_factory.getbasetemp()
    place = Workspace(base / "home", machine=base / "machine").prepare()
    ds = store.add(place, write_rows(base / "sums.jsonl", chat_rows()), held_out=0.1)
    common = {"model": "starter", "data": ds.ref, "effective_batch": 4, "device": "cpu"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_MACHINE", str(place.machine))
        lora = training.start(
            place, common | {"epochs": 100, "max_steps": 12, "eval_steps": 4, "learning_rate": 3e-3, "lora_rank": 8}, name="tuned"
        )
        full = training.start(
            place, common | {"epochs": 100, "max_steps": 6, "eval_steps": 3, "learning_rate": 2e-3, "method": "full"}, name="whole"
        )
        for run in (lora, full):
            ended = training.wait(place, run.id)
            assert ended.state == "finished", (ended.status, runs.log_tail(ended))
    return Trained(place, ds, lora.id, full.id)


@pytest.fixture(autouse=True)
def house_stays(request):
    """Remove the runs and datasets that a test leaves in the house: tests after it count what is there."""
    house = request.getfixturevalue("house") if "house" in request.fixturenames else None
    if not isinstance(house, Trained):  # some tests have a house of their own
        yield
        return
    places = (house.ws.runs, house.ws.datasets)
    before = {f for place in places for f in place.iterdir()}
    yield
    for left in {f for place in places for f in place.iterdir() if f.is_dir()} - before:
        shutil.rmtree(left)


def fresh(code: str, *args: str, cwd: Path | None = None, timeout: float = 300) -> str:
    """What a clean Python process prints when it runs `code`."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=timeout, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# --- small models, written without torch --------------------------------------------------------------------------------

TINY = {
    "llama": {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
    "qwen2": {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "bert": {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4},
}
NAMES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "gpt2": "GPT2LMHeadModel", "bert": "BertForMaskedLM"}


def tiny_config(kind: str, **more) -> dict:
    return {"model_type": kind, "architectures": [NAMES[kind]], "vocab_size": 4096, **TINY[kind], **more}


def write_tensors(path: Path, shapes: dict[str, list[int]]) -> Path:
    """A safetensors file of zeros in fp32."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    return path


def model_folder(folder: Path, kind: str = "llama", **more) -> Path:
    """config.json, weights (one tensor) and the starter's tokenizer: enough for everything but loading it."""
    folder.mkdir(parents=True)
    paths.write_json(folder / "config.json", tiny_config(kind, **more))
    write_tensors(folder / "model.safetensors", {"embedding": [4096, 16]})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((paths.STARTER / name).read_bytes())
    return folder
