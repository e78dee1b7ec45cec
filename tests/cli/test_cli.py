"""The command line as scripts use it: one JSON document on standard output, true exit codes, errors as documents."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT, chat_rows, until, write_rows
from tuner import cli, paths, runs
from tuner.data.store import store
from tuner.jobs import queue, training

ENV = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def command(*args) -> list[str]:
    return [sys.executable, "-m", "tuner.cli", *map(str, args)]


def call(ws, *args, code: int = 0, raw: bool = False, stdin=subprocess.DEVNULL):
    """The document that the command prints, from another folder than the checkout."""
    env = os.environ | ENV | {"TUNESMITH_HOME": str(ws.home), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    args = args if raw else (*args, "--json")
    done = subprocess.run(command(*args), capture_output=True, text=True, cwd=ws.home, env=env, timeout=300, stdin=stdin)
    assert done.returncode == code, (done.returncode, done.stdout[-1000:], done.stderr[-3000:])
    assert "Traceback" not in done.stderr
    return done if raw else json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def refused(ws, *args, code: int = 2) -> list[dict]:
    """The errors of a command that is refused, each whole."""
    document = call(ws, *args, code=code)
    assert list(document) == ["errors"] and document["errors"]
    for error in document["errors"]:
        assert set(error) == {"code", "field", "message", "asked", "available", "remedy"} and error["message"] and error["remedy"]
    return document["errors"]


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "sums.jsonl", chat_rows())


# --- how commands are written --------------------------------------------------------------------------------------------


def test_json_and_home_stand_anywhere(ws, tmp_path):
    other = tmp_path / "other"
    for args in (
        ["--json", "--home", other, "runs"],
        ["runs", "--home", other, "--json"],
        ["--home=" + str(other), "runs", "--json"],
        ["--json", "data", "--home", other, "list"],
    ):
        done = call(ws, *args, raw=True)
        assert json.loads(done.stdout) in ({"runs": []}, {"datasets": []}) and (other / "me" / "runs").is_dir()


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["deploy", "starter"],
        ["label", "stats"],
        ["data"],
        ["data", "nonsense"],
        ["show"],
        ["plan", "--nonsense"],
        ["train", "a", "b"],
        ["runs", "--home"],
        ["chat", "x", "--temperature", "hot"],
    ],
    ids=" ".join,
)
def test_an_unknown_command_is_refused(ws, args):
    (error,) = refused(ws, *args)
    assert error["remedy"].startswith("`tunesmith")


def test_without_json_people_are_spoken_to(ws):
    done = call(ws, "show", "nothing", raw=True, code=2)
    assert done.stdout == "" and "There is no run called 'nothing'." in done.stderr and "{" not in done.stderr
    done = call(ws, "data", "list", raw=True)
    assert done.stdout == "datasets: []\n\n"


def test_help_and_version(ws):
    assert "fine-tune" in call(ws, "--help", raw=True).stdout.lower()
    assert call(ws, "--version", raw=True).stdout.strip()


def test_doctor(ws, tmp_path):
    found = call(ws, "doctor")
    assert {"devices", "versions", "problems", "summary"} <= set(found) and found["versions"]["torch"] and found["python"]
    assert any(d["id"] == "cpu" and isinstance(d["total_bytes"], int) for d in found["devices"])
    assert all(p["message"] and p["remedy"] for p in found["problems"])
    (tmp_path / "file").write_text("")
    found = call(ws, "doctor", "--home", tmp_path / "file")
    assert found["workspace"]["free_bytes"] is None and any("file" in p["message"] for p in found["problems"])
    (error,) = refused(ws, "runs", "--home", tmp_path / "file", code=1)
    assert error["code"] == "disk" and error["remedy"]


def test_a_library_that_is_missing_or_of_another_version_is_told(monkeypatch):
    from tuner import diagnostics

    assert diagnostics.libraries() == []  # the environment of these tests is a right one
    needs = ["nothing-like-it>=2", "pandas<1", 'winonly>=1; sys_platform == "never"']
    monkeypatch.setattr(diagnostics.metadata, "requires", lambda name: needs)
    missing, old = diagnostics.libraries()
    assert "nothing-like-it" in missing["message"] and "pip install" in missing["remedy"]
    assert "pandas" in old["message"] and "<1" in old["message"] and '"pandas<1"' in old["remedy"]


@pytest.mark.parametrize("command", [["-m", "tuner.cli"], [str(ROOT / "app.py")]], ids=["tunesmith", "app.py"])
def test_the_page_takes_its_options_without_being_named(ws, tmp_path, command):
    """`tunesmith --port P` and `python app.py --port P` are `tunesmith app --port P`."""
    env = os.environ | ENV | {"TUNESMITH_HOME": str(ws.home), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    args = [sys.executable, *command, "--no-browser", "--port", "99999"]
    done = subprocess.run(args, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60)
    assert done.returncode == 2 and "no port 99999" in done.stderr and "Traceback" not in done.stderr


def test_the_page_is_not_opened_with_what_makes_no_sense(ws, tmp_path, monkeypatch, capsys):
    import app
    from tuner import cli
    from ui import server

    monkeypatch.setenv("TUNESMITH_UPLOAD_LIMIT", "lots")
    assert app.main(["--no-browser"]) == 2 and "'lots' is not a size" in capsys.readouterr().err
    monkeypatch.setenv("TUNESMITH_UPLOAD_LIMIT", "3MB")
    assert server.context_of(ws).limit_bytes == 3_000_000
    (tmp_path / "file").write_text("")
    assert cli.main(["--no-browser", "--home", str(tmp_path / "file")]) == 1 and "file" in capsys.readouterr().err
    monkeypatch.setenv("SPACE_ID", "someone/tunesmith")
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "file"))
    assert app.main([]) == 1 and "file" in capsys.readouterr().err
    stays = paths.Workspace(Path("/data/kept"))
    house = server.context_of(stays)
    assert house.guest and house.home != stays.home and house.home.is_dir(), "what guests make is never put on a disk that stays"


@pytest.mark.parametrize("args, field", [(["--host", "0.0.0.0"], "host"), (["--port"], "port")], ids=["host", "port"])
def test_a_page_that_can_not_be_opened(ws, args, field, monkeypatch):
    monkeypatch.delenv("TUNESMITH_PASSWORD", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (error,) = refused(ws, "app", "--no-browser", *args, *([taken.getsockname()[1]] if field == "port" else []))
    assert error["field"] == field


# --- data ----------------------------------------------------------------------------------------------------------------


def test_data_check(ws, rows, tmp_path):
    document = call(ws, "data", "check", rows)
    assert {"format", "kind", "mapping", "rows", "usable", "problems", "health"} <= set(document)
    assert (document["format"], document["kind"], document["rows"], document["usable"]) == ("jsonl", "chat", 40, 40)
    (tmp_path / "odd.csv").write_text("question,answer\nWhat?,\nWho?,Me\n")
    document = call(ws, "data", "check", tmp_path / "odd.csv")
    assert document["usable"] == 1 and document["problems"][0]["row"] == 1
    assert all(p["message"] and p["remedy"] for p in document["problems"])
    turned = call(ws, "data", "check", tmp_path / "odd.csv", "--map", "prompt=answer", "--map", "answer=question")
    assert turned["mapping"] == {"prompt": "answer", "answer": "question"}
    (tmp_path / "none.csv").write_text("question,answer\nWhat?,\nWho?,\n")
    document = call(ws, "data", "check", tmp_path / "none.csv", "--map", "prompt=question", "--map", "answer=answer", code=1)
    assert document["usable"] == 0 and len(document["problems"]) == 2, "the document is printed all the same"
    assert store.listing(ws) == []


@pytest.mark.parametrize("content, code", [(None, 2), (b"", 1), (b"question,answer\n", 1), (b"\x89PNG\r\n\x1a\n\0\0\0\0", 1)])
def test_files_that_are_no_data(ws, tmp_path, content, code):
    file = tmp_path / "file.csv"
    if content is not None:
        file.write_bytes(content)
    for what in ("check", "add"):
        document = call(ws, "data", what, file, code=code)
        assert document.get("errors") or document["usable"] == 0
    assert store.listing(ws) == []


def test_data_from_several_files_by_reference_and_mixed(ws, rows, tmp_path):
    more, test = tmp_path / "more.jsonl", tmp_path / "test.jsonl"
    more.write_bytes(rows.read_bytes())
    test.write_bytes(rows.read_bytes())
    added = call(ws, "data", "add", rows, more, "--reference", "--system", "Be kind.", "--test-file", test, "--name", "both")
    assert (added["rows"], added["held_out"], added["system"]) == (120, 40, "Be kind.") and len(added["sources"]) == 3
    call(ws, "data", "add", rows, "--name", "one", "--seed", 3, "--held-out", 0.2)
    mixed = call(ws, "data", "mix", "both=0.5", "one", "--name", "mix")
    assert mixed["kind"] == "chat" and [p["weight"] for p in mixed["mix"]] == [0.5, 1.0]
    (error,) = refused(ws, "data", "mix", "both=lots", "one")
    assert error["field"] == "mix"
    written = call(ws, "data", "export", "one", "--out", tmp_path / "out.jsonl")
    assert written == {"path": str(tmp_path / "out.jsonl"), "rows": 40} and len((tmp_path / "out.jsonl").read_text().splitlines()) == 40
    (error,) = refused(ws, "data", "export", "one", "--out", tmp_path / "out.jsonl")
    assert "there already" in error["message"]


def test_data_add_list_show_preview(ws, rows):
    added = call(ws, "data", "add", rows, "--name", "My sums")
    assert (added["dataset"], added["version"], added["rows"], added["kind"]) == ("my-sums", 1, 40, "chat")
    (listed,) = call(ws, "data", "list")["datasets"]
    assert listed["dataset"] == "my-sums" and listed["name"] == "My sums"
    for ref in ("my-sums", "my-sums@1"):
        assert call(ws, "data", "show", ref)["sha256"] == paths.sha256(rows)
    preview = call(ws, "data", "preview", "my-sums", "--rows", 2)
    assert preview["dataset"] == "my-sums@1" and preview["rows"] == chat_rows(2)
    for ref in ("nothing", "my-sums@2", "../my-sums"):
        (error,) = refused(ws, "data", "show", ref)
        assert error["code"] == "not_found"
    (error,) = refused(ws, "data", "add", rows, "--map", "prompt")
    assert "ROLE=COLUMN" in error["message"]


# --- plan ----------------------------------------------------------------------------------------------------------------


def test_plan(ws, rows):
    call(ws, "data", "add", rows)
    p = call(ws, "plan", "--model", "starter", "--data", "sums", "--preset", "quick", "-s", "lora_targets=[q,v]", "-s", "learning_rate=1e-4",
             "-s", "max_steps=null")  # fmt: skip
    assert {"fits", "peak_bytes", "breakdown", "trainable_parameters", "total_parameters", "settings", "reasons", "remedies"} <= set(p)
    assert p["fits"] is True and sum(p["breakdown"].values()) == p["peak_bytes"] and isinstance(p["peak_bytes"], int)
    assert p["settings"]["lora_targets"] == ["q", "v"] and p["settings"]["learning_rate"] == 1e-4 and p["settings"]["epochs"] == 1
    assert {r["by"] for r in p["reasons"]} == {"you", "preset", "planner", "default"}
    small = call(ws, "plan", "--model", "Qwen/Qwen2.5-7B-Instruct", "--method", "full", "--device-memory", "24GB")
    assert small["fits"] is False and small["remedies"] and small["free_bytes"] == 24 * 10**9, "what does not fit is a plan, not an error"
    assert call(ws, "plan", "--model", "starter", "--device-memory", "24GiB")["free_bytes"] == 24 * 2**30


def test_a_plan_as_a_page_of_text(ws, capsys):
    line = ["--home", str(ws.home), "plan", "--model", "Qwen/Qwen2.5-7B-Instruct", "--device-memory", "7GB", "--cards"]
    assert cli.main(line) == 0
    text = capsys.readouterr().out
    for told in (
        "It does not fit",
        "model weights",
        "█",
        "A smaller model:",
        "--model ",
        "On other cards:",
        " 80 GB  yes",
        "learning_rate",
    ):
        assert told in text, told
    assert cli.main([*line, "--json"]) == 0
    assert [c["gigabytes"] for c in json.loads(capsys.readouterr().out)["cards"]] == [8, 12, 16, 24, 48, 80]
    assert cli.main(["--home", str(ws.home), "plan", "--model", "starter", "-s", "device=cpu"]) == 0
    assert "It fits" in capsys.readouterr().out


def test_plans_that_can_not_be(ws):
    fields = {e["field"] for e in refused(ws, "plan", "--model", "nonsense", "-s", "epochs=-1", "-s", "lora_rnak=4")}
    assert fields == {"model", "epochs", "lora_rnak"}
    for args, field in (
        (["--model", "starter", "-s", "micro_batch=3", "-s", "effective_batch=4"], "micro_batch"),
        (["--model", "starter", "--objective", "wisdom"], "objective"),
        (["--model", "starter", "--method", "magic"], "method"),
        (["--model", "starter", "--preset", "best"], "preset"),
        (["--model", "starter", "--device-memory", "lots"], "device_memory"),
        (["--model", "starter", "-s", "epochs"], "epochs"),
        (["--model", "starter", "--data", "nothing"], "data"),
        ([], "model"),
    ):
        assert [e["field"] for e in refused(ws, "plan", *args)] == [field], args
    (error,) = refused(ws, "plan", "--model", "someone/something", code=1)
    assert error["code"] == "network"
    (error,) = refused(ws, "plan", "--model", "starter", "-s", "device=cuda:7", code=1)
    assert error["code"] == "device"


# --- runs ----------------------------------------------------------------------------------------------------------------


def test_train_plain_text_from_a_file_of_settings(ws, tmp_path):
    (tmp_path / "tales.txt").write_text("\n\n".join(f"Once upon a time there were {i} hens." for i in range(30)))
    call(ws, "data", "add", tmp_path / "tales.txt", "--name", "tales")
    (tmp_path / "run.yaml").write_text("model: starter\ndata: tales\npreset: quick\nmax_steps: 3\nlearning_rate: 1e-3\nlora_rank: 2\n")
    done = call(ws, "train", tmp_path / "run.yaml", "--name", "tales", "-s", "max_steps=2", "--json", raw=True)
    document = json.loads(done.stdout)
    assert document["state"] == "finished" and document["best"] < document["baseline"] * 1.5 and "step" in done.stderr
    assert document["evaluation"] in done.stderr and "TUNESMITH_EVALUATE is 0" in document["evaluation"]
    shown = call(ws, "show", document["run"])
    assert shown["settings"]["objective"] == "text" and shown["progress"]["steps"] == 2 and shown["settings"]["lora_rank"] == 2
    run = runs.get(ws, document["run"])
    assert run.status.prepared["learnt_tokens"] == run.status.prepared["tokens"]
    again = call(ws, "train", run.path / "config.yaml", "--detach")  # what was asked is enough to ask it again
    assert again["run"] != run.id and again["state"] in ("queued", "preparing")
    assert runs.get(ws, again["run"]).config == run.config
    assert training.wait(ws, again["run"]).best == run.best, "the same once more"
    until(lambda: not runs.get(ws, again["run"]).live, 90)
    assert runs.get(ws, again["run"]).state in ("stopped", "finished")
    assert call(ws, "delete", again["run"])["deleted"] is True and [r["id"] for r in call(ws, "runs")["runs"]] == [run.id]


def test_train_that_is_refused(ws, tmp_path):
    assert {e["field"] for e in refused(ws, "train")} == {"model", "data"}
    assert {e["field"] for e in refused(ws, "train", "--model", "starter", "--data", "nothing", "-s", "seed=x")} == {"data", "seed"}
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    for file in (tmp_path / "missing.yaml", tmp_path / "list.yaml", tmp_path):
        (error,) = refused(ws, "train", file)
        assert error["code"] == "setting", file
    assert call(ws, "runs") == {"runs": []}


def test_ctrl_c_saves_and_stops(ws, data):
    args = ("train", "--model", "starter", "--data", data.ref, "-s", "max_steps=3000", "-s", "epochs=1000", "-s", "device=cpu", "--json")
    env = os.environ | ENV | {"TUNESMITH_HOME": str(ws.home), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    process = subprocess.Popen(
        command(*args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # whatever pytest itself was started with
    )
    run = until(lambda: next(iter(runs.listing(ws)), None), 60)
    until(lambda: runs.get(ws, run.id).progress.step >= 3, 90)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err[-2000:]
    document = json.loads(out)
    assert document["run"] == run.id and document["state"] == "stopped" and "Saving, then stopping" in err
    assert runs.get(ws, run.id).can_answer and runs.newest_whole_checkpoint(run.path)


def test_what_is_known_of_a_run(house):
    listed = {r["id"]: r for r in call(house.ws, "runs")["runs"]}
    assert {"id", "state", "model", "data", "best", "created"} <= set(listed[house.lora])
    assert listed[house.lora]["state"] == "finished" and listed[house.lora]["data"] == house.data.ref
    shown = call(house.ws, "show", house.lora)
    assert {"id", "state", "reason", "model", "data", "settings", "reasons", "predicted", "measured", "progress", "best", "error"} <= set(
        shown
    )
    assert set(shown["progress"]) == {"step", "steps", "epoch", "eta_seconds", "eta_low", "eta_high"} and shown["error"] is None
    assert shown["predicted"]["peak_bytes"] > 0 and shown["measured"]["peak_bytes"] > 0
    table = call(house.ws, "metrics", house.lora)
    assert table["columns"][0] == "step" and {"loss", "eval_loss"} <= set(table["columns"]) and len(table["rows"]) == 12
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    memory = [row[table["columns"].index("memory_bytes")] for row in table["rows"]]
    assert all(isinstance(m, int) for m in memory if m is not None) and any(memory)
    assert "prepared:" in call(house.ws, "logs", house.lora)["log"]
    assert "\nprepared:" in call(house.ws, "logs", house.lora, raw=True).stdout, "without --json the log as it is"
    (error,) = refused(house.ws, "chat", house.lora)
    assert error["field"] == "prompt"
    (error,) = refused(house.ws, "data", "preview", house.data.ref, "--rows", "-3")
    assert "--rows" in error["message"]
    for word in ("show", "metrics", "logs", "stop", "resume", "delete", "export", "chat"):
        (error,) = refused(
            house.ws, word, "nothing", *(["--prompt", "Hi"] if word == "chat" else []), *(["--to", "merged"] if word == "export" else [])
        )
        assert error["code"] == "not_found", word
    for word in ("stop", "resume"):
        (error,) = refused(house.ws, word, house.lora)
        assert error["code"] == "conflict"


def test_what_is_no_number_is_null(house):
    place = house.ws.runs / "odd-numbers"
    place.mkdir()
    for name in ("config.yaml", "plan.json", "about.json"):
        (place / name).write_bytes((house.ws.runs / house.lora / name).read_bytes())
    runs.write_status(place, state="failed", best={"eval_loss": float("nan"), "step": 1}, measured={"seconds": float("inf")})
    with closing(runs.metrics_db(place)) as db:
        runs.write_metrics(db, 1, {"loss": float("nan"), "grad_norm": float("inf")})
    shown = call(house.ws, "show", "odd-numbers")
    assert shown["best"] == {"eval_loss": None, "step": 1} and shown["measured"]["seconds"] is None
    table = call(house.ws, "metrics", "odd-numbers")
    assert dict(zip(table["columns"], table["rows"][0], strict=True)) == {"step": 1, "loss": None, "grad_norm": None}
    assert next(r for r in call(house.ws, "runs")["runs"] if r["id"] == "odd-numbers")["best"] is None
    assert call(house.ws, "delete", "odd-numbers")["deleted"] is True


def test_chat(house):
    document = call(house.ws, "chat", house.lora, "--prompt", "What is 3 plus 3?", "--base", "--max-tokens", 24)
    assert set(document) == {"answer", "base_answer", "prompt_tokens", "completion_tokens", "stop_reason"}
    assert document["answer"] and document["base_answer"] and document["answer"] != document["base_answer"]
    assert document["prompt_tokens"] > 5 and 0 < document["completion_tokens"] <= 24 and document["stop_reason"] in ("stop", "length")
    alone = call(house.ws, "chat", house.lora, "--prompt", "What is 3 plus 3?", "--max-tokens", 24)
    assert alone["base_answer"] is None and alone["answer"] == document["answer"]
    assert call(house.ws, "chat", house.lora, raw=True).returncode == 0  # nobody at the keyboard


def test_export(house, tmp_path):
    document = call(house.ws, "export", house.lora, "--to", "adapter", "--out", tmp_path / "mine")
    assert document["path"] == str(tmp_path / "mine") and document["bytes"] > 1000 and document["check"]["passed"] is True
    assert (tmp_path / "mine" / "adapter_model.safetensors").is_file()
    (error,) = refused(house.ws, "export", house.lora, "--to", "stone")
    assert error["field"] == "to"


@pytest.mark.long
def test_demo(ws):
    document = call(ws, "demo")
    assert document["state"] == "finished" and document["loss"]["after"] < document["loss"]["before"]
    assert len(document["answers"]) == 3 and all(a["before"] != a["after"] for a in document["answers"])


def test_a_run_that_was_stopped_is_resumed_to_its_end(ws, data):
    wish = ("--model", "starter", "--data", data.ref, "-s", "max_steps=100", "-s", "epochs=1000", "-s", "device=cpu", "-s", "eval_steps=50")
    run = call(ws, "train", *wish, "--detach")["run"]
    until(lambda: runs.get(ws, run).progress.step >= 3, 90)
    runs.ask_to_stop(ws, run)
    stopped = until(lambda: r if not (r := runs.get(ws, run)).live else None, 90)
    assert stopped.state == "stopped" and 3 <= stopped.progress.step < 100
    ended = call(ws, "resume", run)
    assert ended["state"] == "finished" and ended["best"] is not None
    steps = [row[0] for row in call(ws, "metrics", run)["rows"]]
    assert steps == sorted(set(steps)) and steps[-1] == 100


def test_a_run_that_ends_badly_says_so_as_an_error(ws, data):
    from tuner.cli.train import ended_badly

    run = call(ws, "train", "--model", "starter", "--data", data.ref, "-s", "max_steps=3000", "-s", "epochs=1000", "--detach")["run"]
    until(lambda: runs.get(ws, run).progress.step >= 1, 90)
    with closing(queue.connect(ws.machine_folder())) as db:
        os.kill(db.execute("SELECT pid FROM jobs WHERE kind = 'train'").fetchone()[0], signal.SIGKILL)
    run = until(lambda: r if not (r := runs.get(ws, run)).live else None, 60)
    (error,) = ended_badly(run)["errors"]
    assert run.state == "interrupted" and error["code"] == "interrupted" and "killed" in error["message"] and run.id in error["remedy"]
    assert set(error) == {"code", "field", "message", "asked", "available", "remedy"}


@pytest.mark.long
def test_a_merged_model_is_exported(house, tmp_path):
    made = call(house.ws, "export", house.lora, "--to", "merged", "--out", tmp_path / "model")
    assert made["check"]["passed"] and made["bytes"] > 0 and (tmp_path / "model" / "model.safetensors").exists()
    (tmp_path / "file").write_text("x")
    (error,) = refused(house.ws, "export", house.lora, "--out", tmp_path / "file" / "model")
    assert "is a file" in error["message"] and error["field"] == "out"
