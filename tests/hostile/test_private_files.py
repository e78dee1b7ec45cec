"""What Tunesmith keeps is for its account alone: files 600, folders 700; what a person takes away is as open as their umask says."""

import os
import stat
import sys

import pytest

from tests.browser.conftest import running
from tests.conftest import chat_rows, fresh, write_rows
from tuner import locks, paths
from tuner.paths import Workspace
from ui import uploads

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")

WORK = """
import os, sys
os.umask(0o022)
from tuner import cli
raise SystemExit(cli.main(sys.argv[1:]))
"""


def open_ones(folder) -> list[str]:
    """Everything in a folder that group or others may touch."""
    return [
        f"{p} {stat.S_IMODE(p.lstat().st_mode):o}" for p in (folder, *folder.rglob("*")) if p.lstat().st_mode & 0o077 and not p.is_symlink()
    ]


def test_what_the_command_line_makes_is_private(tmp_path):
    """Data, a version, a job's leftovers: made by this process and by the worker that it starts."""
    write_rows(tmp_path / "rows.jsonl", chat_rows(8))
    fresh(WORK, "--home", str(tmp_path / "home"), "data", "add", str(tmp_path / "rows.jsonl"), "--json")
    assert (tmp_path / "home" / "me" / "datasets" / "rows").is_dir()
    assert not open_ones(tmp_path / "home")


def test_what_is_taken_away_is_as_open_as_the_persons_umask(tmp_path):
    write_rows(tmp_path / "rows.jsonl", chat_rows(8))
    home, out = str(tmp_path / "home"), tmp_path / "out.jsonl"
    fresh(WORK, "--home", home, "data", "add", str(tmp_path / "rows.jsonl"), "--json")
    fresh(WORK, "--home", home, "data", "export", "rows", "--out", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o644


def test_a_workspace_of_an_earlier_version_is_closed(tmp_path):
    ws = Workspace(tmp_path / "home", machine=tmp_path / "machine")
    for folder in (ws.root, ws.machine):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    ws.prepare()
    assert [stat.S_IMODE(f.stat().st_mode) for f in (ws.root, ws.machine)] == [0o700, 0o700]


def test_the_page_keeps_uploads_in_a_folder_of_its_own(tmp_path):
    with running(tmp_path / "home") as app:
        from gradio_client import Client, handle_file

        file = write_rows(tmp_path / "mine.jsonl", chat_rows(3))
        client = Client(app.url, verbose=False)
        assert client and handle_file(file)
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nsecret rows\r\n--x--\r\n'
        import json
        import urllib.request

        asked = urllib.request.Request(app.url + "/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
        (path,) = json.loads(urllib.request.urlopen(asked, timeout=20).read())
        assert path.startswith(str(tmp_path / "home")) and not open_ones(tmp_path / "home" / ".uploads")
        assert not open_ones(tmp_path / "home" / "me") and not open_ones(tmp_path / "home" / "machine")
        served = urllib.request.urlopen(f"{app.url}/gradio_api/file={path}", timeout=20).read()
        assert served == b"secret rows"


def test_folders_of_pages_that_are_gone_are_removed(tmp_path):
    first = uploads.own_folder(tmp_path)
    gone = tmp_path / ".uploads" / "0123456789abcdef"
    gone.mkdir()
    (gone / "left.csv").write_text("x")
    second = uploads.own_folder(tmp_path)
    assert first.is_dir() and second.is_dir() and first != second and not gone.exists()
    locks.release(first / "lock")
    locks.release(second / "lock")


def test_a_new_file_is_whole_and_never_written_over(tmp_path):
    paths.write_new(tmp_path / "key", b"one")
    with pytest.raises(FileExistsError):
        paths.write_new(tmp_path / "key", b"two")
    assert (tmp_path / "key").read_bytes() == b"one" and os.listdir(tmp_path) == ["key"]
