"""A run that is trained elsewhere: the bundle, its notebook executed as Jupyter does, and the result taken in as an ordinary run."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.conftest import model_folder
from tuner import cli, models, paths, runs
from tuner.data.store import sample_data, store
from tuner.errors import ConflictError, DataError, RequestError
from tuner.jobs import bundles
from tuner.runs import run_archive

WISH = {"model": "starter", "method": "lora", "max_steps": 6, "eval_steps": 3}


@pytest.fixture
def packed(house, tmp_path) -> Path:
    return run_archive.pack(house.run(house.lora), tmp_path / "tuned.zip", checkpoints=True)


def rewritten(file: Path, change) -> Path:
    """Return a copy of an archive whose members ({name: bytes}) `change` has changed."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members) or members
    out = file.with_name("changed.zip")
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out


def listed(members: dict[str, bytes], change) -> dict[str, bytes]:
    about = json.loads(members[run_archive.LIST])
    change(about)
    return members | {run_archive.LIST: json.dumps(about).encode()}


def test_the_notebook_trains_it_and_the_result_is_an_ordinary_run(ws, tmp_path, monkeypatch):
    ds = sample_data.add(ws, "tickets")
    there = tmp_path / "there"
    there.mkdir()
    made = bundles.write(ws, WISH | {"data": ds.ref}, there / "tickets.zip", name="Tickets, elsewhere")
    monkeypatch.setenv("TUNESMITH_MACHINE", str(tmp_path / "other-machine"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    book = nbformat.read(made["notebook"], as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(there)}}).execute()
    said = "".join(out.get("text", "") for cell in book.cells for out in cell.get("outputs", []))
    assert "step" in said and "finished" in said
    run = bundles.take_in(ws, there / bundles.RESULT)
    assert run.name == "Tickets, elsewhere" and run.state == "finished" and run.can_answer and run.best is not None
    assert run.config["data"] == ds.ref and run.plan["data"]["name"] == ds.name, "it belongs to the dataset here"
    assert [s for s, k, _ in runs.metrics(run) if k == "loss"] == [1, 2, 3, 4, 5, 6]
    assert run.checkpoints and all(runs.is_whole(c) for c in runs.checkpoints(run.path)) and runs.log_tail(run)
    assert run.status.prepared["rows"] == ds.rows - ds.held_out and run.status.prepared["held_out"]["rows"] == ds.held_out
    assert models.resolve(run.id, ws, need_weights=True).kind == "run"
    again = bundles.carry_out(Path(made["file"]), there / "tunesmith-tickets" / "work", there / "again.zip")
    assert again.state == "finished" and (there / "again.zip").exists(), "done again, it is packed again and not trained again"


def test_what_another_computer_can_not_get_is_refused(ws, house, tmp_path, data):
    folder = model_folder(tmp_path / "mine")
    for model in (str(folder), house.lora):
        place = house.ws if model == house.lora else ws
        ref = house.data.ref if model == house.lora else data.ref
        with pytest.raises(ConflictError, match="on this computer only") as caught:
            bundles.write(place, WISH | {"model": model, "data": ref}, tmp_path / "x.zip")
        assert caught.value.remedy and not list(tmp_path.glob("*x.zip*"))


def test_a_preset_of_ones_own_goes_along_as_its_settings(ws, data, tmp_path):
    (ws.presets / "mine.yaml").parent.mkdir(parents=True, exist_ok=True)
    (ws.presets / "mine.yaml").write_text("title: Mine\nsentence: Of my own.\nsettings:\n  epochs: 2\n  lora_rank: 4\n")
    made = bundles.write(ws, {"model": "starter", "data": data.ref, "device": "cpu", "lora_rank": 6}, tmp_path / "b.zip", preset="mine")
    about = json.loads(zipfile.ZipFile(made["file"]).read(bundles.ABOUT))
    assert about["preset"] is None and about["values"] == {"model": "starter", "epochs": 2, "lora_rank": 6}


def test_what_is_installed_there_leaves_the_page_out():
    found = bundles.requirements()
    assert any(r.startswith("torch") for r in found) and not any(r.startswith("gradio") for r in found)


def test_a_packed_run_comes_back_whole(ws, house, packed):
    run, origin = run_archive.take_in(ws, packed), house.run(house.lora)
    assert runs.metrics(run) == runs.metrics(origin) and run.best == origin.best and run.plan["settings"] == origin.plan["settings"]
    for file in (origin.path / "model").glob("*.safetensors"):
        assert paths.sha256(run.path / "model" / file.name) == paths.sha256(file)
    assert not list(run.path.rglob("*.pt")) and not list(run.path.rglob("*.bin")), "no pickles"
    assert run_archive.take_in(ws, packed, name="Second <b>").name == "Second <b>"
    assert run.about["taken_in"] and not list(ws.runs.glob(".new-*"))
    with pytest.raises(RequestError):
        runs.write_status(run.path, state="running")
        run_archive.pack(runs.get(ws, run.id).with_status(runs.RunStatus(state="running")), packed)


WRONG = {
    "a name that leads elsewhere": lambda m: listed(m, lambda a: a["files"].update({"model/../../../evil": {"bytes": 1, "sha256": "0"}})),
    "an absolute name": lambda m: listed(m, lambda a: a["files"].update({"/etc/passwd": {"bytes": 1, "sha256": "0"}})),
    "a name of Windows": lambda m: listed(m, lambda a: a["files"].update({"model\\..\\evil": {"bytes": 1, "sha256": "0"}})),
    "a file that no run has": lambda m: listed(m, lambda a: a["files"].update({"lock": {"bytes": 1, "sha256": "0"}})),
    "a pickle": lambda m: listed(m | {"model/x.bin": b"1"}, lambda a: a["files"].update({"model/x.bin": {"bytes": 1, "sha256": "0"}})),
    "other bytes": lambda m: m | {"config.yaml": m["config.yaml"] + b"#"},
    "fewer bytes": lambda m: m | {"config.yaml": m["config.yaml"][:-1]},
    "a missing member": lambda m: {k: v for k, v in m.items() if k != "plan.json"},
    "too many files": lambda m: listed(m, lambda a: a.update(files={f"model/{n}": {"bytes": 0, "sha256": ""} for n in range(20_001)})),
    "no list": lambda m: {k: v for k, v in m.items() if k != run_archive.LIST},
    "a list that is none": lambda m: m | {run_archive.LIST: b"[]"},
    "no JSON": lambda m: m | {run_archive.LIST: b"\xff{"},
    "a later form": lambda m: listed(m, lambda a: a.update(form=99)),
    "a run under way": lambda m: _with_status(m, {"state": "running"}),
    "a status that is none": lambda m: _with_status(m, [1]),
}


def _with_status(members: dict[str, bytes], status) -> dict[str, bytes]:
    import hashlib

    content = json.dumps(status).encode()
    told = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return listed(members | {"status.json": content}, lambda a: a["files"].update({"status.json": told}))


@pytest.mark.parametrize("what", WRONG)
def test_what_is_damaged_or_from_a_stranger_is_refused_and_nothing_is_left(ws, packed, what):
    with pytest.raises(DataError) as caught:
        run_archive.take_in(ws, rewritten(packed, WRONG[what]))
    assert caught.value.available and caught.value.remedy
    assert not list(ws.runs.glob("*")) and not list(ws.root.rglob("evil")), "nothing is left"


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_archive_is_refused(ws, tmp_path, content, capsys):
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    with pytest.raises(DataError):
        run_archive.take_in(ws, file)
    assert cli.main(["--home", str(ws.home), "take-in", str(file)]) != 0 and "x.zip" in capsys.readouterr().err
    assert cli.main(["--home", str(ws.home), "take-in", str(tmp_path / "gone.zip")]) != 0


def test_a_zip_that_unpacks_to_more_than_it_lists_is_stopped(ws, packed):
    def grown(members):
        return members | {"worker.log": b"\0" * 50_000_000}

    file = rewritten(packed, grown)
    buffer = io.BytesIO(file.read_bytes())
    assert zipfile.ZipFile(buffer).getinfo("worker.log").file_size == 50_000_000
    with pytest.raises(DataError, match="longer than listed"):
        run_archive.take_in(ws, file)
    assert shutil.disk_usage(ws.root).free > 0 and not list(ws.runs.glob("*"))


def test_from_the_terminal(ws, house, tmp_path, capsys):
    home = ["--home", str(house.ws.home)]
    assert cli.main([*home, "pack", house.lora, str(tmp_path / "p.zip"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] > 0
    assert cli.main(["--home", str(ws.home), "take-in", str(tmp_path / "p.zip"), "--name", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "mine"
    ds = store.listing(house.ws)[0]
    words = ["bundle", "--model", "starter", "--data", ds.ref, "-s", "max_steps=2", "--out", str(tmp_path / "b.zip"), "--json"]
    assert cli.main([*home, *words]) == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["notebook"]).exists() and zipfile.ZipFile(made["file"]).testzip() is None
    assert cli.main([*home, "run-bundle", str(tmp_path / "p.zip"), "--folder", str(tmp_path / "w")]) != 0
    assert "is no bundle" in capsys.readouterr().err
