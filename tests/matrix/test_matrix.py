"""Every allowed cell of objective x technique x model, through its real worker: 20 steps on the CPU.

Of each cell: the loss falls by its technique's margin; exactly what is meant to be changed has changed (by hash: neither a frozen part
that moved nor a trained part that did not); half the run and a resume give the same bytes as the whole; merged it answers the same; and
a fresh process that loads what was saved computes the same outputs. A part that covers every pair runs by default (and a part of that is
resumed), all with `--long`.
"""

import hashlib
import importlib
import json
import logging
import re
import shutil

import pytest
import torch
import transformers
from safetensors.torch import save_file

from tests.conftest import fresh
from tests.matrix import cells
from tests.matrix.conftest import SIZE, rows_for
from tests.workers.test_objectives import MAPPING, SETTINGS, make, table
from tests.workers.test_peft_methods import CONFIGS
from tuner import models, paths, runs
from tuner.paths import Workspace
from tuner.settings import losses, methods, objectives, run_config
from tuner.workers.exporting import merge
from tuner.workers.modelling import load, peft_methods
from tuner.workers.training import callbacks, run_loop

MAPPING |= {"chat": {"messages": "messages"}, "text": {"text": "text"}, "preference": {k: k for k in ("prompt", "chosen", "rejected")}}
STEPS, HALF = 20, 10
SMALL = {"lora_rank": 4, "lora_alpha": 16.0, "adapter_size": 8, "virtual_tokens": 4, "last_layers": 1, "max_length": 48}
FACTS = {kind: models.facts_from_config(CONFIGS[kind]().to_dict(), name=kind) for kind in cells.MODELS}
ALL = cells.allowed(FACTS)
FEW = cells.covering(ALL)
RESUMED = cells.covering([c for c in ALL if c.name in FEW], lambda cell: cell.parts)
HEAD = r"modules_to_save|classifier|score|qa_outputs|pooler|classification_head|^head\."
ADDED = r"(classifier|score)(\.modules_to_save\.default)?(\.out_proj)?\.bias$"  # the last bias of a head
# what may move, by its name; the head of a task goes along with every technique
MEANT = {
    "lora": r"lora_", "qlora": r"lora_", "adapter": r"bottleneck|adapter", "ia3": r"ia3_l", "ln": r"ln_tuning|norm", "full": r"",
    "prompt": r"prompt_encoder", "p_tuning": r"prompt_encoder", "prefix": r"prompt_encoder",
    "last_layers": r"\.1\.|^model\.norm|ln_f|final_norm|final_layer_norm|lm_head|^head|^decoder\.|embed|wte|shared|prediction|predictions",
}  # fmt: skip
RATE = {"full": 3e-3, "last_layers": 5e-3, "lora": 5e-3, "qlora": 5e-3, "adapter": 5e-3, "ia3": 2e-2, "ln": 1e-2, "prompt": 5e-2,
        "p_tuning": 3e-3, "prefix": 1e-2}  # fmt: skip
# the share by which the loss on the rows that are learnt must be lower after 20 steps: half of the least that was seen (numbers on BERT;
# most cells fall by 5% to 80%)
MARGIN = {"full": 0.01, "last_layers": 0.005, "lora": 0.007, "qlora": 0.01, "adapter": 0.001, "ia3": 0.005, "ln": 0.003, "prompt": 0.0025,
          "p_tuning": 0.0025, "prefix": 0.003}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What the cells saved, for the fresh process at the end."""
    return tmp_path_factory.mktemp("saved")


def params():
    return [pytest.param(c, id=c.name, marks=[] if c.name in FEW else [pytest.mark.long]) for c in ALL]


def rate_of(cell: cells.Cell) -> float:
    """T5's input words are large, and so are the steps that move the invisible ones beside them (Lester et al. 2021: 0.3)."""
    return 0.3 if (cell.model, cell.method) == ("t5", "prompt") else RATE[cell.method]


def digests(model) -> dict[str, str]:
    return {n: hashlib.sha256(p.detach().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest() for n, p in model.named_parameters()}


def settings_of(cell: cells.Cell) -> dict:
    method = methods.get(cell.method)
    checkpointing = cell.model in cells.CHECKPOINTED and method.checkpointing
    own = {k: f.default for k, f in run_config.FIELDS.items() if k not in SETTINGS and k not in ("model", "data", "objective")}
    asked = {"method": cell.method, "max_steps": STEPS, "eval_steps": HALF, "learning_rate": rate_of(cell)}
    if cell.objective == "preference":
        loss = losses.get(cell.more.get("preference_loss", "sigmoid"))
        asked |= {"preference_loss": loss.name, "beta": loss.beta, "precompute_reference": cell.method == "full"}
    return own | SMALL | asked | {"gradient_checkpointing": checkpointing} | cell.more


def worked(run: runs.Run, patch) -> tuple[runs.Run, dict[str, str], torch.nn.Module]:
    """The run after its worker; what each tensor was before, and the model after."""
    seen = {}

    def build(*args, **kwargs):
        seen["model"] = model = ORIGINAL(*args, **kwargs)
        seen["before"] = digests(model)
        return model

    patch.setattr(run_loop, "build", build)
    worker = importlib.import_module(f"tuner.workers.training.{objectives.get(run.plan['settings']['objective']).worker}")
    code = callbacks.guarded(run.path, worker.work)
    run = runs.get(Workspace(run.path.parents[2], machine=run.path.parents[2] / "machine"), run.id)
    assert code == 0 and run.state == "finished", run.status
    return run, seen["before"], seen["model"]


ORIGINAL = run_loop.build


@torch.no_grad()
def outputs(model, family: str) -> torch.Tensor:
    """Scores for three rows of twelve tokens, the second shorter."""
    torch.manual_seed(1)
    ids, mask = torch.randint(5, SIZE, (3, 12)), torch.ones(3, 12, dtype=torch.long)
    ids[1, 8:], mask[1, 8:] = 0, 0
    if family == "encoder-decoder":
        ids[:, -1], ids[1, 7] = 3, 3
        ids[1, 8:] = 0
    more = {}
    if hasattr(model, "get_output_embeddings") and model.get_output_embeddings() is not None and family == "encoder-decoder":
        more = {"decoder_input_ids": torch.tensor([[2, 7, 9]] * 3)}
    out = model.eval()(input_ids=ids, attention_mask=mask, **more)
    return torch.stack([out.start_logits, out.end_logits]) if "start_logits" in out else out.logits


def checkpoint(run: runs.Run, step: int) -> dict[str, str]:
    """Hashes of the weights that a checkpoint holds."""
    return {f.name: paths.sha256(f) for f in cells.files(run.path / "checkpoints" / f"checkpoint-{step}")}


@pytest.mark.parametrize("cell", params())
def test_a_cell(ws, tiny, tmp_path, saved, monkeypatch, cell, request):
    base, family = tiny[cell.model], FACTS[cell.model].family
    s = settings_of(cell)
    run = make(
        ws, base, rows_for(cell.objective), objectives.get(cell.objective).kinds[0], cell.objective, tmp_path, learnt_tests=True, **s
    )
    run, before, model = worked(run, monkeypatch)

    # what moved
    after = digests(model)
    moved, trained = {n for n in after if after[n] != before[n]}, {n for n, p in model.named_parameters() if p.requires_grad}
    if cell.objective == "reward":  # only differences are learnt: what is added to every number has no gradient
        trained = {n for n in trained if not re.search(ADDED, n)}
    assert moved == trained, f"frozen and moved: {sorted(moved - trained)[:5]}, meant to move: {sorted(trained - moved)[:5]}"
    strange = [n for n in moved if not re.search(f"{MEANT[cell.method]}|{HEAD}", n)]
    assert not strange and (cell.method != "full" or moved == set(after)), strange[:5]

    # the loss
    assert len(table(run)["loss"]) == STEPS
    first, last = table(run)["loss"][1], table(run)["eval_loss"][STEPS]  # a step reads all rows, the first one before anything changed
    print(f"FELL {cell.method} {cell.objective} {cell.name} {1 - last / first:.4f}")
    assert last < first * (1 - MARGIN[cell.method])

    # merged
    tuned = outputs(model, family)
    kind = KIND.get(peft_methods.kind(run.path / "model"), "")
    if methods.get(cell.method).merges:
        wish = {"run": str(run.path), "base": str(base), "precision": "fp32", "objective": cell.objective, "method": cell.method}
        check = merge.scored(tmp_path / "merged", wish, merge.write(tmp_path / "merged", wish, lambda said: None))
        assert check["passed"] and check["max_kl"] < 1e-4
        if cell.method != "qlora":
            whole = load.base_model(tmp_path / "merged", "fp32", "cpu", objective=cell.objective)
            near = 2e-4 * max(1.0, tuned.abs().max().item())
            torch.testing.assert_close(outputs(whole, family), tuned, atol=near, rtol=2e-4)

    # for the fresh process
    place = saved / cell.name
    shutil.copytree(run.path / "model", place / "model")
    save_file({"outputs": tuned.contiguous()}, place / "expected.safetensors")
    about = {
        "base": str(base),
        "objective": cell.objective,
        "quantization": s.get("quantization"),
    }
    paths.write_json(place / "about.json", about | {"family": family, "kind": kind})

    # resumed from the middle it ends in the same bytes
    if cell.name not in RESUMED and not request.config.getoption("--long"):
        return
    at_the_end, metrics = checkpoint(run, STEPS), table(run)
    assert at_the_end and checkpoint(run, HALF) != at_the_end
    shutil.rmtree(run.path / "checkpoints" / f"checkpoint-{STEPS}")
    shutil.rmtree(run.path / "model")
    runs.write_status(run.path, state="interrupted")
    run, _, _ = worked(run, monkeypatch)
    assert checkpoint(run, STEPS) == at_the_end and table(run)["loss"] == metrics["loss"]


KIND = {"whole": "whole"}
LOAD = """
import json, sys
from pathlib import Path
import torch
from safetensors.torch import load_file
from tests.matrix.test_matrix import outputs
from tuner.workers.modelling import load
from tuner.workers.modelling import peft_methods

torch.set_num_threads(1)
wrong = {}
for place in sorted(p for p in Path(sys.argv[1]).iterdir() if (p / "about.json").exists()):
    about = json.loads((place / "about.json").read_text())
    whole = peft_methods.kind(place / "model") == "whole"
    head = load.head_of(place / "model")
    torch.manual_seed(77)  # another head of chance than in training
    model = load.base_model(
        place / "model" if whole else Path(about["base"]), "fp32", "cpu", objective=about["objective"],
        quantization=None if whole else about["quantization"], **head)
    model = model if whole else peft_methods.load_saved(model, place / "model")
    expected = load_file(place / "expected.safetensors")["outputs"]
    far = (outputs(model, about["family"]) - expected).abs().max().item() / max(1.0, expected.abs().max().item())
    if not far < 2e-5:
        wrong[place.name] = far
print(json.dumps(wrong))
"""


def test_what_was_saved_gives_the_same_in_a_fresh_process(saved):
    tried = [p.name for p in saved.iterdir()]
    assert tried
    assert json.loads(fresh(LOAD, str(saved), timeout=1200).splitlines()[-1]) == {}


def test_a_few_cells_cover_every_pair():
    held = set().union(*(c.pairs for c in ALL if c.name in FEW))
    assert held == set().union(*(c.pairs for c in ALL)) and len(FEW) < len(ALL) / 4
    for objective in objectives.OBJECTIVES:
        assert {c.method for c in ALL if c.objective == objective and c.name in FEW} == {c.method for c in ALL if c.objective == objective}
