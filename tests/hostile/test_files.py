"""Whatever a file holds, its import ends within seconds: with rows, or with the cause and what to do; and nothing half made is left."""

import json
import os
import random
import socket
import sys
import time

import psutil
import pytest

from tests.conftest import write_rows
from tests.hostile.monsters import MONSTERS, ROW, many
from tests.hostile.warm import Warm
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import data_jobs
from tuner.labels import pair_import, projects

NEVER = ("defect", "unforeseen", "Traceback", "code 1", "from outside")
SECONDS, MEGABYTES = 20, 8
PAIRS = {"prompt": "Which?", "chosen": "This one, I think.", "rejected": "None of them at all."}


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    worker = Warm(tmp_path_factory.mktemp("warm") / "log")
    yield worker
    worker.close()


@pytest.fixture
def count(request) -> int:
    return 300 if request.config.getoption("--long") else 40


def fair(what: str, ended: dict) -> None:
    """It is done with rows, or says what is wrong and what to do."""
    if ended["state"] == "done":
        assert ended["rows"] > 0 or ended.get("document") or ended.get("report"), what
        return
    said = " ".join(f"{e['message']} {e['remedy']}" for e in ended["errors"])
    assert ended["state"] == "failed" and ended["errors"], f"{what}: {ended}"
    assert all(len(e["message"]) > 15 and len(e["remedy"]) > 10 and e["available"] for e in ended["errors"]), f"{what}: {said}"
    assert not [word for word in NEVER if word in said] and len(said) < 1500, f"{what}: {said}"


def leftovers(ws) -> list[str]:
    return [f.name for f in ws.datasets.rglob(".*")]


@pytest.mark.skipif(sys.platform == "win32", reason="the limits of memory are those of POSIX")
def test_any_file_ends_in_rows_or_in_a_reason(ws, tmp_path, warm, count):
    rng, this, grown = random.Random(count), psutil.Process(), 0.0
    id = projects.create(ws, "Hostile").id
    for name, size, seed in chosen(count):
        path = MONSTERS[name](tmp_path / "monster", random.Random(seed), size)
        task, arguments = rng.choice(
            [("add", {"path": [str(path)]}), ("check", {"path": str(path)}), ("pairs", {"project": id, "gold": False, "file": str(path)})]
        )
        begun, before = time.monotonic(), this.memory_info().rss
        ended = warm.run(ws, task, **arguments)
        took, grown = time.monotonic() - begun, max(grown, this.memory_info().rss - before)
        fair(f"{name} {size} {seed} by {task}", ended)
        assert took < SECONDS, f"{name} {size} {seed} by {task}: {took:.1f} s"
        assert not leftovers(ws), f"{name} {size} {seed}"
        path.unlink()
    assert grown < MEGABYTES * 1e6, f"{grown / 1e6:.0f} MB"


def chosen(count: int) -> list[tuple[str, int, int]]:
    """The slice of a short count goes through all formats: every second or so of the names."""
    every = list(many(max(count, len(MONSTERS)), seed=7))
    return every if count > len(every) - 1 else random.Random(5).sample(every, count)


def test_a_worker_that_comes_to_no_end_is_ended(ws, tmp_path, monkeypatch):
    """The limit of time holds against code that never gives Python's lock back."""
    folder = tmp_path / "job"
    folder.mkdir()
    code = (
        "import sys, re; from pathlib import Path; from tuner.system import limits;"
        "limits.hold(Path(sys.argv[1]), still=1.0); re.match(r'(a+)+$', 'a' * 64 + 'b')"
    )
    assert ended(code, folder) == 1
    from tuner.system import limits

    told = limits.why(folder, "rows.csv", "Nothing was added.")
    assert "rows.csv made no progress for 1 seconds" in told.message and told.remedy


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS")
@pytest.mark.parametrize("grow", ["bytearray(1 << 40)", "[bytes(1 << 20) for _ in range(1 << 20)]", "__import__('numpy').ones(1 << 37)"])
def test_memory_beyond_the_limit_is_an_error_or_the_end(tmp_path, grow):
    folder = tmp_path / "job"
    folder.mkdir()
    code = (
        "import sys; from pathlib import Path; from tuner.system import limits; limits.MOST = limits.LEAST = 300 << 20; limits.RESERVED = 1 << 28;"
        f"limits.hold(Path(sys.argv[1]))\ntry:\n    kept = {grow}\nexcept MemoryError:\n    sys.exit(7)"
    )
    code = ended(code, folder)
    from tuner.system import limits

    assert code == 7 or code == 3 and "more than the 0.3 GB" in limits.why(folder, "rows.csv", "Nothing was added.").message


def ended(code: str, folder) -> int:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=os.environ | {"PYTHONPATH": os.getcwd()}, timeout=60, capture_output=True
    )
    return done.returncode


def test_a_library_that_breaks_is_told_with_the_file(tmp_path):
    from tuner.system import limits

    folder = tmp_path / "job"
    folder.mkdir()
    code = "import sys, os; from pathlib import Path; from tuner.system import limits; limits.hold(Path(sys.argv[1])); os.abort()"
    assert ended(code, folder) < 0
    assert "broke the library" in limits.why(folder, "rows.xlsx", "Nothing was added.").message


# --- paths ------------------------------------------------------------------------------------------------------------------------

PATHS = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a link to itself": lambda path: os.symlink(os.path.basename(path), path),
    "a link to nothing": lambda path: os.symlink("nowhere", path),
    "an endless device": lambda path: os.symlink("/dev/zero", path),
    "nothing": lambda path: None,
    "a socket": lambda path: socket.socket(socket.AF_UNIX).bind(path),
}
NAMES = {"long": "n" * 300 + ".csv", "zero": "a\0b.csv", "dots": "..", "nobody's": "~nobody-of-this-name/a.csv"}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
@pytest.mark.parametrize("what", [*PATHS, *NAMES])
def test_what_is_no_file_is_told_at_once_by_every_way(ws, tmp_path, what, monkeypatch, capsys):
    from tuner.cli import main

    monkeypatch.chdir(tmp_path)  # a socket's name may have 100 letters
    path = "it.csv" if what in PATHS else NAMES[what]
    if what in PATHS:
        PATHS[what](path)
    for command in (
        ["data", "check", path],
        ["data", "add", path],
        ["data", "add", path, "--reference"],
        ["label", "import", path, "--project", "p"],
    ):
        begun = time.monotonic()
        code = main([*command, "--json", "--home", str(ws.home)])
        told = capsys.readouterr()
        errors = json.loads(told.out)["errors"]
        assert code in (1, 2) and all(e["message"] and e["remedy"] and e["available"] for e in errors), (command, errors)
        assert not [word for word in NEVER if word in told.out + told.err] and time.monotonic() - begun < 5, (command, told)
    for start in (lambda p: data_jobs.start(ws, p), lambda p: pair_import.from_file(ws, projects.ensure(ws, "p").id, p)):
        with pytest.raises(TunerError):
            start(path)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are bytes")
def test_a_name_that_is_no_text(ws, tmp_path):
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/r\xff\xe9.csv")
    with open(path, "w") as f:
        f.write("prompt,answer\na,b\n")
    ds = data_jobs.wait(ws, data_jobs.start(ws, path, reference=True))
    assert ds.rows == 1 and ds.source_name == "r??.csv" and json.dumps(ds.sources).encode()
    assert data_jobs.check(ws, path)["usable"] == 1


# --- no stranger's file is parsed by the page or the terminal ---------------------------------------------------------------------------


@pytest.fixture
def nobody_reads(monkeypatch):
    """In this process every reader refuses; the workers are processes of their own, in which all is as ever."""
    import python_calamine

    from tuner.data.readers.reader import Reader

    def refuse(*_, **__):
        raise AssertionError(f"a stranger's file is parsed in process {os.getpid()}")

    monkeypatch.setattr(Reader, "__init__", refuse)
    monkeypatch.setattr(python_calamine.CalamineWorkbook, "from_path", refuse)
    with pytest.raises(AssertionError):
        Reader("any.csv")


def test_the_terminal_parses_nothing_itself(ws, tmp_path, nobody_reads, capsys):
    from tuner.cli import main

    path, home = (
        write_rows(
            tmp_path / "rows.jsonl", [PAIRS | {"prompt": f"Which of {i}?", "chosen": f"This one of {i}, I think."} for i in range(30)]
        ),
        ["--json", "--home", str(ws.home)],
    )
    assert main(["data", "check", str(path), *home]) == 0 and json.loads(capsys.readouterr().out)["usable"] == 30
    assert main(["data", "add", str(path), *home]) == 0
    assert main(["data", "add", str(path), str(path), "--test-file", str(path), *home]) == 0
    capsys.readouterr()
    for source in (str(path), "rows@1"):
        assert main(["label", "import", source, "--project", f"p-{len(source)}", *home]) == 0
        assert json.loads(capsys.readouterr().out)["added"] == 30


def test_the_page_parses_nothing_itself(ws, tmp_path, nobody_reads):
    import gradio as gr

    from ui.data_views.upload import _written
    from ui.label_views.pairs_view import PairsView
    from ui.pages.data import DataPage
    from ui.session import AppContext

    path = write_rows(
        tmp_path / "rows.jsonl", [PAIRS | {"prompt": f"Which of {i}?", "chosen": f"This one of {i}, I think."} for i in range(30)]
    )
    project = projects.create(ws, "Pairs").id
    with gr.Blocks():
        house = AppContext(ws.home, ws.machine)
        tab, view = DataPage(house, gr.BrowserState({})), PairsView(house, gr.Dropdown([]))
    text = "\n".join(json.dumps(ROW | {"n": i}) for i in range(5))
    ways = {way.event: way.work for way in tab.bring.ways()}
    brought = [
        lambda ws: ways[tab.bring.file.upload](ws, [str(path)]),
        lambda ws: ways[tab.bring.paste.click](ws, text),
        lambda ws: _written(ws, "chat", [["a", "b"], ["c", "d"]]),
        lambda ws: ways[tab.bring.by_path.click](ws, f'"{path}"'),
        lambda ws: ways[tab.bring.both.click](ws, [str(path)], str(path)),
    ]
    for work in brought:
        *_, (told, _, _, made) = tab.bring.activity.follow(work, None)
        assert made and store.get(ws, made).rows and not told, told
    ref = next(d for d in store.listing(ws) if d.kind == "preference").ref
    columns = tab.columns
    again = columns.activity.follow(lambda ws: columns.remapped(ws, ref, "preference", 10, "", 0, "", *[[] for _ in columns.roles]), None)
    *_, (told, _, _, made) = again
    assert made == f"{ref.partition('@')[0]}@2" and not told, told
    for steps in (view.on_file(project, str(path), False, None), view.on_data(project, ref, False, None)):
        *_, last = steps
        assert "30 pairs added" in last[0] or "already" in last[0], last[0]


def test_adding_pairs_can_be_cancelled(ws, tmp_path):
    rows = [PAIRS | {"prompt": f"Which of {i}?", "chosen": f"This, {i} times better. " * 20} for i in range(60_000)]
    id = projects.create(ws, "Many").id
    job = pair_import.from_file(ws, id, write_rows(tmp_path / "rows.jsonl", rows))
    while not (now := data_jobs.progress(ws, job)).rows:
        assert now.state == "running", now
        time.sleep(0.02)
    data_jobs.cancel(ws, job)
    while (now := data_jobs.progress(ws, job)).state == "running":
        time.sleep(0.05)
    assert now.state == "cancelled" and 0 < projects.find(ws, id).pairs < 60_000, "what was added before stays"
