"""The workers of all that is not chat or text, each on a small thing that a model of some thousand parameters can learn."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import ROOT, until, write_rows
from tests.scorecard.here import evaluated
from tuner import devices, paths, runs
from tuner.data.store import store
from tuner.models import mixed_precision
from tuner.settings import objectives

WORDS = "stone river paper window garden market bridge lamp forest street letter summer winter morning evening".split()
COLOURS = "red green blue white black".split()
SETTINGS = {
    "device": "cpu", "precision": "fp32", "method": "full", "micro_batch": 8, "effective_batch": 16, "epochs": 1000, "learning_rate": 3e-3,
    "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 1, "optimizer": "adamw", "packing": False,
    "gradient_checkpointing": False, "max_length": 64, "keep_checkpoints": 2, "class_weights": False, "quantization": None,
    "lora_rank": 8, "lora_alpha": 16.0, "lora_dropout": 0.0, "lora_targets": "all-linear", "use_dora": False, "use_rslora": False,
}  # fmt: skip
SIZES = {"bert": ("BertForMaskedLM", "bert"), "gpt2": ("GPT2LMHeadModel", "gpt2"), "t5": ("T5ForConditionalGeneration", "t5")}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A WordPiece tokenizer in the manner of BERT's that cuts unknown words: the same pieces each time, where a trained one breaks ties by chance."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    folder, special = tmp_path_factory.mktemp("tokens"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    texts = " ".join([*WORDS, *COLOURS, "which colour is it what comes next rot gruen blau weiss schwarz say ? . ,"]).split()
    letters = sorted(set("".join(texts)))
    vocabulary = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *texts])
    core = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", eos_token="[SEP]", mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory, tokens):
    """Folders of tiny models with weights of chance, by family."""
    import torch
    import transformers as t

    made = {
        "bert": lambda: t.BertForMaskedLM(
            t.BertConfig(vocab_size=400, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4)
        ),
        "gpt2": lambda: t.GPT2LMHeadModel(
            t.GPT2Config(vocab_size=400, n_embd=48, n_layer=2, n_head=4, n_positions=128, bos_token_id=2, eos_token_id=3)
        ),
        "t5": lambda: t.T5ForConditionalGeneration(
            t.T5Config(vocab_size=400, d_model=48, d_ff=96, d_kv=12, num_layers=2, num_heads=4, decoder_start_token_id=0, eos_token_id=3)
        ),
    }
    folders = {}
    for name, make in made.items():
        torch.manual_seed(0)
        folders[name] = tmp_path_factory.mktemp(name)
        make().save_pretrained(folders[name])
        for file in tokens.iterdir():
            (folders[name] / file.name).write_bytes(file.read_bytes())
    return folders


def make(ws, folder, rows, kind, objective, tmp_path, held_out=0.2, learnt_tests=False, **settings) -> runs.Run:
    """A run folder with a plan written by hand, as `training.start` leaves it; with `learnt_tests` it is tested on what it learns from."""
    file = write_rows(tmp_path / f"{objective}.jsonl", rows)
    ds = store.add(ws, file, kind=kind, mapping=MAPPING[kind], held_out=held_out, test_file=file if learnt_tests else None)
    s = SETTINGS | {"objective": objective, "max_steps": 120, "eval_steps": 60} | settings
    s["save_steps"] = s["eval_steps"]
    plan = {
        "settings": s, "reasons": [], "peak_bytes": 1, "free_bytes": 10**9, "breakdown": {"context": 0}, "seconds": 9, "steps": s["max_steps"], "device": "cpu", "device_name": "test",
        "trainable_parameters": 1, "total_parameters": 1, "versions": {}, "preset": None, "notes": [],
        "model": {
            "ref": str(folder), "kind": "folder", "base": str(folder), "revision": None, "name": folder.name, "adapter": None,
            "bytes_per_weight": 4, "licence": None,
        },
        "data": {"ref": ds.ref, "name": ds.name, "kind": ds.kind, "rows": ds.rows, "held_out": ds.held_out, "sha256": ds.sha256, "system": ""},
    }  # fmt: skip
    return runs.create(ws, {"model": str(folder), "data": ds.ref}, plan, name=objective)


MAPPING = {
    "classification": {"text": "text", "label": "label"},
    "regression": {"text": "text", "label": "label"},
    "tokens": {"tokens": "tokens", "tags": "tags"},
    "qa": {"context": "context", "question": "question", "answers": "answers"},
    "seq2seq": {"source": "source", "target": "target"},
}


def trained(ws, run) -> runs.Run:
    """The run after its worker worked in this process, which spares the imports."""
    import importlib

    from tuner.settings import objectives
    from tuner.workers.training import callbacks

    worker = importlib.import_module(f"tuner.workers.training.{objectives.get(run.plan['settings']['objective']).worker}")
    code = callbacks.guarded(run.path, worker.work)
    run = runs.get(ws, run.id)
    assert code == 0 and run.state == "finished", run.status
    return run


def table(run) -> dict[str, dict[int, float]]:
    out: dict[str, dict[int, float]] = {}
    for step, key, value in runs.metrics(run):
        out.setdefault(key, {})[step] = value
    return out


def sentence(chance, n=6) -> list[str]:
    return [chance.choice(WORDS) for _ in range(n)]


def coloured(n: int, seed: int = 1, colours=COLOURS) -> list[dict]:
    """Texts with one colour somewhere, which is the label."""
    chance, out = random.Random(seed), []
    for _ in range(n):
        words, colour = sentence(chance, chance.randint(3, 9)), chance.choice(colours)
        words.insert(chance.randint(0, len(words)), colour)
        out.append({"text": " ".join(words), "label": colour})
    return out


def test_every_model_that_does_not_chat_can_be_asked():
    from tuner.settings import objectives
    from tuner.workers.serving import task_predict

    assert set(task_predict.PREDICTORS) == set(objectives.OBJECTIVES) - set(objectives.GENERATIVE)


# --- labels and numbers ---------------------------------------------------------------------------------------------------


def test_one_label(ws, base, tmp_path, monkeypatch):
    run = trained(ws, make(ws, base["bert"], coloured(200), "classification", "classification", tmp_path))
    before, best, measured = run.status.baseline, run.status.best, table(run)
    assert before["fresh_head"] and before["accuracy"] < 0.5 and before["rows"] == run.plan["data"]["held_out"] <= 64
    assert best["accuracy"] > 0.9 and best["f1"] > 0.8 and best["eval_loss"] < before["eval_loss"] / 3
    card = evaluated(ws, run, monkeypatch)
    assert {n: card["metrics"][n]["value"] for n in ("accuracy", "f1")} == pytest.approx({n: best[n] for n in ("accuracy", "f1")})
    assert card["against"].startswith("always ") and card["baseline"]["accuracy"]["value"] < 0.5 and card["verdict"] == "better"
    assert {c["baseline"][0] for c in card["changed"]} == {card["against"].removeprefix("always ")}
    assert set(measured["accuracy"]) == set(measured["f1"]) == set(measured["eval_loss"]) == {60, 120}
    assert best["eval_loss"] == min(measured["eval_loss"].values()) and measured["tokens_per_second"]
    labels, config = (paths.read_json(run.path / "model" / f) for f in ("labels.json", "config.json"))
    assert labels["names"] == sorted(COLOURS) and labels["problem"] == config["problem_type"] == "single_label_classification"
    assert config["id2label"] == {str(i): n for i, n in enumerate(sorted(COLOURS))}


def test_several_labels_on_a_decoder(ws, base, tmp_path, monkeypatch):
    chance, rows = random.Random(2), []
    for _ in range(240):
        said = [c for c in COLOURS[:3] if chance.random() < 0.5]
        words = sentence(chance, 4) + said
        chance.shuffle(words)
        rows.append({"text": " ".join(words), "label": said})
    run = make(ws, base["gpt2"], rows, "classification", "classification", tmp_path, max_steps=150)
    run = trained(ws, run)
    before, best = run.status.baseline, run.status.best
    assert best["f1"] > 0.85 > before["f1"] and best["accuracy"] > 0.6 > before["accuracy"] and best["eval_loss"] < before["eval_loss"] / 2
    card = evaluated(ws, run, monkeypatch)
    assert card["metrics"]["f1"]["value"] == pytest.approx(best["f1"], abs=0.02) and card["verdict"] == "better"
    assert paths.read_json(run.path / "model" / "labels.json")["problem"] == "multi_label_classification"
    assert (run.path / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("objective, served", [("classification", "fp32"), ("regression", "fp32"), ("seq2seq", "fp32"), ("chat", "bf16")])
def test_a_task_head_is_served_in_the_precision_in_which_it_was_trained(objective, served):
    """Rounded to bf16, a score next to a threshold is another label: the scorecard would not be that of the model that was saved."""
    generates = objective in objectives.GENERATIVE
    assert mixed_precision.served("fp32", "full", generates, replace(devices.cpu(), bf16=True)) == served


def test_regression(ws, base, tmp_path, monkeypatch):
    chance, rows = random.Random(3), []
    for _ in range(240):
        n = chance.randint(0, 5)
        words = sentence(chance, 6 - n) + ["red"] * n
        chance.shuffle(words)
        rows.append({"text": " ".join(words), "label": 100.0 + 10 * n})
    run = trained(ws, make(ws, base["bert"], rows, "regression", "regression", tmp_path, max_steps=60))
    before, best, about = run.status.baseline, run.status.best, paths.read_json(run.path / "model" / "labels.json")
    assert best["pearson"] > 0.95 and best["mae"] < 6 < before["mae"]  # in the unit of the data, of which one red is 10
    card = evaluated(ws, run, monkeypatch)
    assert card["metrics"]["mae"]["value"] == pytest.approx(best["mae"], rel=0.01) and card["against"].startswith("always the mean, 1")
    assert card["difference"]["mae"]["better"] and card["difference"]["mae"]["value"] < 0 and card["verdict"] == "better"
    assert about["problem"] == "regression" and 115 < about["mean"] < 135 and 12 < about["std"] < 22


def test_labels_that_were_never_learnt_are_left_out_and_numbers_are_sorted_as_numbers():
    from tuner.errors import DataError
    from tuner.workers.training import sequence_classification

    rows = sequence_classification.Rows()
    for label in ("10", "9", "2", "9"):
        rows.add(input_ids=[1, 2], labels=label, weight=1.0)
    about = sequence_classification.meaning(rows, "classification", {})
    assert about == {"names": ["2", "9", "10"], "problem": "single_label_classification"}
    held = sequence_classification.Rows()
    for label in ("9", "77"):
        held.add(input_ids=[1], labels=label, weight=1.0)
    out = sequence_classification.numbered(held, about)
    assert out.columns["labels"] == [1] and out.left_out == {sequence_classification.UNKNOWN_LABEL: 1}
    weights = sequence_classification.class_weights(sequence_classification.numbered(rows, about).columns["labels"], about)
    assert weights.tolist() == pytest.approx([4 / 3, 4 / 6, 4 / 3])  # rows / (labels x count): their mean over the rows is 1
    several = sequence_classification.class_weights(
        [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]], {"names": ["a", "b"], "problem": sequence_classification.SEVERAL}
    )
    assert several.tolist() == pytest.approx([0.1, 2.0])
    assert sequence_classification.settled({"9", "2"}, about) == ["2", "9", "10"]
    with pytest.raises(DataError, match="77"):
        sequence_classification.settled({"77"}, about)
    with pytest.raises(DataError, match="same label"):
        sequence_classification.settled({"77"}, {})


def test_weights_of_rows_and_classes_change_the_loss(base, tmp_path):
    """The loss of a batch by hand: each unit times its row's weight and its class's, by the number of units."""
    import torch

    from tuner.workers.training import sequence_classification, trainer

    class Fixed(torch.nn.Module):
        def forward(self, **_):
            return type("Out", (), {"logits": torch.tensor([[2.0, 0.0], [0.0, 1.0]])})

    one = sequence_classification.Classifier.__new__(sequence_classification.Classifier)
    one.about, one.weights = {"problem": sequence_classification.ONE}, None
    one.args = type("Args", (), {"average_tokens_across_devices": False})
    batch = {"input_ids": torch.ones(2, 3), "labels": torch.tensor([0, 0]), "weight": torch.tensor([1.0, 1.0])}
    a, b = torch.nn.functional.cross_entropy(Fixed()().logits, batch["labels"], reduction="none").tolist()
    loss = trainer.TaskTrainer.compute_loss
    assert float(loss(one, Fixed(), batch)) == pytest.approx((a + b) / 2)
    assert float(loss(one, Fixed(), batch | {"weight": torch.tensor([3.0, 0.0])})) == pytest.approx(3 * a / 2)
    one.weights = torch.tensor([0.5, 2.0])
    assert float(loss(one, Fixed(), batch)) == pytest.approx((a + b) / 4)
    assert float(loss(one, Fixed(), batch, num_items_in_batch=torch.tensor(8))) == pytest.approx((a + b) * 0.5 / 8)


def test_batches_hold_rows_of_like_length_in_an_order_that_the_epoch_decides():
    import numpy as np

    from tuner.workers.training.trainer import LengthGroupedSampler

    lengths = np.random.default_rng(0).integers(1, 100, 203)
    sampler = LengthGroupedSampler(lengths, 4, seed=7)
    first = list(sampler)
    assert sorted(first) == list(range(203)) and list(LengthGroupedSampler(lengths, 4, seed=7)) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    spread = [np.ptp(lengths[first[i : i + 4]]) for i in range(0, 200, 4)]
    assert np.mean(spread) < 5 and lengths[first[:4]].max() == lengths.max()


# --- words ----------------------------------------------------------------------------------------------------------------


def test_a_tag_is_learnt_at_the_first_sub_word(base):
    from tuner.workers.modelling import load
    from tuner.workers.tokenization import task_rows
    from tuner.workers.training import token_classification

    assert task_rows.first_tokens(["Ada", "Lovelace", "x"], [(0, 0), (0, 2), (2, 3), (4, 8), (8, 12), (13, 14), (0, 0)]) == [1, 3, 5]
    assert task_rows.first_tokens(["a", "", "b"], [(0, 1), (3, 4)]) == [0, None, 1]
    assert task_rows.first_tokens(["ab", "cd"], [(0, 4), (4, 5)]) == [
        0,
        1,
    ]  # a token over the border: the next word begins in what is its own
    tokenizer = load.tokenizer(base["bert"])
    row = {"tokens": ["redstone", "river", "lampstone"], "tags": ["A", "B", "A"]}
    rows = token_classification.numbered(task_rows.words(tokenizer, [row], 64), ["A", "B"])[0]
    pieces = tokenizer.convert_ids_to_tokens(rows["input_ids"])
    starts = [i for i, p in enumerate(pieces) if not p.startswith("##") and not p.startswith("[")]
    assert len(pieces) > 5 and [i for i, x in enumerate(rows["labels"]) if x != -100] == starts
    assert [rows["labels"][i] for i in starts] == [0, 1, 0]
    starter = load.tokenizer(paths.STARTER)  # whose tokens begin with the space before a word
    rows = token_classification.numbered(task_rows.words(starter, [row], 64), ["A", "B"])[0]
    assert [x for x in rows["labels"] if x != -100] == [0, 1, 0]
    at = [i for i, x in enumerate(rows["labels"]) if x != -100]
    assert [starter.decode(rows["input_ids"][a:b]).strip() for a, b in zip(at, [*at[1:], None], strict=True)] == row["tokens"]


def test_tags(ws, base, tmp_path, monkeypatch):
    chance, rows = random.Random(4), []
    for _ in range(160):
        words = sentence(chance, chance.randint(4, 9))
        tags, at = ["O"] * len(words), chance.randint(0, len(words) - 2)
        words[at : at + 2], tags[at : at + 2] = chance.sample(COLOURS, 2), ["B-COL", "I-COL"]
        rows.append({"tokens": words, "tags": tags})
    run = trained(ws, make(ws, base["bert"], rows, "tokens", "tokens", tmp_path, max_steps=160, eval_steps=80, class_weights=True))
    before, best = run.status.baseline, run.status.best
    assert best["f1"] > 0.9 and best["precision"] > 0.85 and best["recall"] > 0.85 and before["f1"] < 0.3
    card = evaluated(ws, run, monkeypatch)
    assert (
        card["metrics"]["f1"]["value"] == pytest.approx(best["f1"], abs=0.01)
        and card["against"] == "always O"
        and card["verdict"] == "better"
    )
    assert best["eval_loss"] < before["eval_loss"] / 3
    assert paths.read_json(run.path / "model" / "labels.json")["names"] == ["B-COL", "I-COL", "O"]


# --- answers in a text ------------------------------------------------------------------------------------------------------


def asked(n: int, length: int, seed: int) -> list[dict]:
    """Which colour stands in the text? In one of four there is none."""
    chance, out = random.Random(seed), []
    for i in range(n):
        words = sentence(chance, length)
        answer = {"text": [], "answer_start": []}
        if i % 4:
            at, colour = chance.randrange(length), chance.choice(COLOURS)
            words[at] = colour
            answer = {"text": [colour], "answer_start": [len(" ".join([*words[:at], ""]))]}
        out.append({"context": " ".join(words), "question": "which colour is it?", "answers": answer})
    return out


def test_windows(base):
    import numpy as np
    import torch

    from tuner.workers.modelling import batches, load
    from tuner.workers.tokenization import task_rows
    from tuner.workers.training import question_answering

    tokenizer = load.tokenizer(base["bert"])
    words = ["stone"] * 60
    words[50] = "blue"
    text = " ".join(words)
    rows = [
        {"context": text, "question": "which colour is it?", "answers": {"text": ["blue"], "answer_start": [text.index("blue")]}},
        {"context": "stone river", "question": "which colour is it?", "answers": {"text": [], "answer_start": []}},
    ]
    windows = task_rows.windows(tokenizer, rows, 48, keep=True)
    assert windows.columns["row"][-1] == 1 and len(windows) >= 3 and windows.unanswered == 1 and windows.cut == 0
    found = [i for i in range(len(windows)) if windows[i]["labels"] != [0, 0]]
    assert 0 not in found and windows[len(windows) - 1]["labels"] == [0, 0]
    for i in found:
        a, b = windows[i]["labels"]
        assert text[windows[i]["begins"][a] : windows[i]["ends"][b]] == "blue"
    guesses = np.array([[1, 1, 0.0, 9.0]] * len(windows))
    guesses[found[0]] = [*windows[found[0]]["labels"], 8.0, 1.0]
    assert question_answering.answers(windows, guesses, nothing=True) == ["blue", ""]
    assert windows.select(range(1)).questions == windows.questions[:1] and set(windows.select(range(1)).columns["row"]) == {0}
    start, end = torch.zeros(1, 6), torch.zeros(1, 6)
    start[0, 4], end[0, 2], end[0, 5], start[0, 0] = 5.0, 9.0, 3.0, 20.0  # the best end lies before the best begin
    assert batches.best_spans(start, end, torch.tensor([[2, 6]]), 9).tolist() == [[2, 2, 9.0, 20.0]]
    assert batches.best_spans(start, end, torch.tensor([[3, 6]]), 9).tolist() == [[4, 5, 8.0, 20.0]]


def test_answers_are_found_in_long_texts(ws, base, tmp_path, monkeypatch):
    rows = asked(160, 12, 5) + asked(40, 50, 6)
    run = make(ws, base["bert"], rows, "qa", "qa", tmp_path, max_length=40, max_steps=240, eval_steps=120)
    run = trained(ws, run)
    before, best = run.status.baseline, run.status.best
    assert best["exact_match"] > 0.85 and best["f1"] >= best["exact_match"] and before["exact_match"] < 0.5
    card = evaluated(ws, run, monkeypatch)
    assert card["metrics"]["exact_match"]["value"] == pytest.approx(best["exact_match"], abs=0.03) and card["verdict"] == "better"
    assert best["eval_loss"] < before["eval_loss"] / 2 and before["rows"] == run.plan["data"]["held_out"]
    assert paths.read_json(run.path / "model" / "task.json")["no_answer"] is True


# --- one text from another ------------------------------------------------------------------------------------------------


def test_a_conversation_as_a_pair():
    from tuner.workers.tokenization import task_rows

    talk = [{"role": r, "content": c} for r, c in (("user", "Hi"), ("assistant", "Hello"), ("user", "Red?"), ("assistant", "rot"))]
    assert task_rows.as_pair({"messages": talk[:2]}, "chat") == ("Hi", "Hello")
    assert task_rows.as_pair({"messages": talk}, "chat") == ("user: Hi\nassistant: Hello\nuser: Red?", "rot")
    assert task_rows.as_pair({"messages": talk[:1]}, "chat") == ("", "")
    assert task_rows.as_pair({"source": "a", "target": "b"}, "seq2seq") == ("a", "b")


def test_translation(ws, base, tmp_path, monkeypatch):
    german, chance, rows = dict(zip(COLOURS, "rot gruen blau weiss schwarz".split(), strict=True)), random.Random(7), []
    for _ in range(200):
        a, b = chance.choice(WORDS), chance.choice(COLOURS)
        rows.append({"source": f"say {a} {b}", "target": german[b]})
    run = make(ws, base["t5"], rows, "seq2seq", "seq2seq", tmp_path, learning_rate=1e-2, max_steps=160, eval_steps=80)
    run = trained(ws, run)
    before, best, measured = run.status.baseline, run.status.best, table(run)
    assert best["chrf"] > 80 > 30 > before["chrf"] and best["eval_loss"] < before["eval_loss"] / 3 and "fresh_head" not in before
    card = evaluated(ws, run, monkeypatch)
    assert card["metrics"]["chrf"]["value"] == pytest.approx(best["chrf"], abs=8) and card["verdict"] == "better"
    assert card["against"].endswith("/base") and card["changed"][0]["answer"] != card["changed"][0]["baseline"]
    assert set(measured["chrf"]) == {80, 160}


# --- kills ----------------------------------------------------------------------------------------------------------------


def worker(run, log) -> subprocess.Popen:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with open(log, "ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "tuner.workers.training.sequence_classification", str(run.path)], stdout=out, stderr=out, env=env
        )


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(ws, base, tmp_path):
    rows = coloured(200)
    wish = {"max_steps": 150, "eval_steps": 15, "method": "lora"}
    whole = trained(ws, make(ws, base["gpt2"], rows, "classification", "classification", tmp_path, **wish))
    run, log = make(ws, base["gpt2"], rows, "classification", "classification", tmp_path, **wish), tmp_path / "log"
    process = worker(run, log)
    until(lambda: runs.newest_whole_checkpoint(run.path) or process.poll() is not None, 60, 0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    saved = int(runs.newest_whole_checkpoint(run.path).name.split("-")[-1])
    assert saved < 150 and runs.get(ws, run.id).state == "interrupted", "nobody holds its lock"
    assert worker(run, log).wait(120) == 0, log.read_text()[-3000:]
    run = runs.get(ws, run.id)
    assert run.state == "finished"
    steps = [step for step, key, _ in runs.metrics(run) if key == "eval_loss"]
    assert steps == list(range(15, 151, 15))
    once, twice = table(whole), table(run)
    for key in ("eval_loss", "accuracy", "f1"):
        assert twice[key] == pytest.approx(once[key], rel=1e-4), key
    assert json.dumps(run.detail(), allow_nan=False)
