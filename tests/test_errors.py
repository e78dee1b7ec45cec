"""What a person may read: worded asked / available / remedy everywhere, one border for foreign errors, the drawn tree true."""

import ast
import errno
import json
import os
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT, fresh
from tuner import errors, paths
from tuner.errors import Problems, RequestError, SettingError, TunerError, kinds, raise_all, translate

SOURCES = sorted([*(ROOT / "tuner").rglob("*.py"), *(ROOT / "ui").rglob("*.py"), ROOT / "app.py"])
OURS = {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, TunerError)}
LAST_RESORT = "translate("  # `translate(error) or ModelError(...)`: there is nothing that was asked for


def calls(path: Path):
    """Each call that makes one of our errors, subclasses of the same file among them, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = set(OURS) - {"Problems"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id in known for b in node.bases):
            if not any(isinstance(f, ast.FunctionDef) and f.name == "__init__" for f in node.body):
                known.add(node.name)
    last_resorts = {id(n.values[-1]) for n in ast.walk(tree) if isinstance(n, ast.BoolOp) and LAST_RESORT in ast.unparse(n.values[0])}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            yield node, id(node) in last_resorts


def test_every_error_says_what_was_asked_what_there_is_and_what_to_do():
    found, lacking = 0, []
    for path in SOURCES:
        for node, last_resort in calls(path):
            found += 1
            given = {k.arg for k in node.keywords}
            needed = {"remedy"} if last_resort else {"asked", "available", "remedy"}
            if not node.args or needed - given:
                lacking.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.func.id} lacks {sorted(needed - given)}")
    assert not lacking, "\n".join(lacking)
    assert found > 60  # the search itself works


def test_no_remedy_is_empty_and_messages_are_sentences():
    wrong = []
    for path in SOURCES:
        for node, _ in calls(path):
            first, remedy = node.args[0], next(k.value for k in node.keywords if k.arg == "remedy")
            for what in (first, remedy):
                if isinstance(what, ast.Constant) and not re.match(r"[A-Z0-9`'\"].*[.!?`]$", str(what.value), re.DOTALL):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {what.value!r}")
    assert not wrong, "\n".join(wrong)


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    drawn, above = {}, []
    for line in kinds.__doc__.splitlines():
        if match := re.match(r"( {4}[ │├└─]*)([A-Z]\w+)", line):
            depth = len(match[1]) // 4 - 1
            above[depth:] = [match[2]]
            drawn[match[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {n: c.__bases__[0].__name__ for n, c in OURS.items()}


def test_exit_codes():
    for name, kind in OURS.items():
        wanted = 2 if issubclass(kind, RequestError) else 1
        assert kind.exit_code == wanted, name


def test_as_dict_and_the_code_of_each_class():
    error = SettingError("Too many.", asked=[1, {"a"}, Path("x")], available=range(2), remedy="Choose fewer.", field="epochs")
    assert error.as_dict() == {
        "code": "setting",
        "field": "epochs",
        "message": "Too many.",
        "asked": [1, ["a"], "x"],
        "available": "range(0, 2)",
        "remedy": "Choose fewer.",
    }
    assert str(error) == "Too many. Choose fewer." and error.as_list() == [error.as_dict()]
    codes = {kinds.code_of(c) for c in OURS.values()}
    assert len(codes) == len(OURS) and {"memory_short", "not_found", "problems"} <= codes


def test_remedy_is_not_optional():
    with pytest.raises(TypeError):
        TunerError("Something happened.", asked=1, available=2)


def test_raise_all():
    one, two = (SettingError(f"{n} is wrong.", asked=n, available="1", remedy="Choose 1.", field=n) for n in "ab")
    raise_all([])
    with pytest.raises(SettingError) as single:
        raise_all([one])
    assert single.value is one
    with pytest.raises(Problems) as both:
        raise_all([one, two])
    assert [d["field"] for d in both.value.as_list()] == ["a", "b"] and both.value.exit_code == 2
    assert str(both.value).splitlines() == [str(one), str(two)]
    assert json.dumps(both.value.as_dict())


# --- the border ----------------------------------------------------------------------------------------------------------


def caught(work) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def full_disk():
    with open("/dev/full", "w") as f:
        f.write("x" * 100_000)
        f.flush()


def full_database():
    import sqlite3

    db = sqlite3.connect(":memory:")
    db.execute("PRAGMA max_page_count = 4")
    db.execute("CREATE TABLE t (x)")
    for _ in range(1000):
        db.execute("INSERT INTO t VALUES (zeroblob(1000))")


def out_of_memory():
    bytearray(1 << 62)


def forbidden():
    raise PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")


def read_only():
    raise OSError(errno.EROFS, "Read-only file system", "/mnt/x")


def damaged_weights():
    from safetensors import deserialize

    deserialize(b"\xff" * 100)


def bad_template():
    from jinja2 import Environment

    Environment().from_string("{% for %}")


def undefined_in_template():
    from jinja2 import Environment, StrictUndefined

    Environment(undefined=StrictUndefined).from_string("{{ nothing.at.all }}").render()


def refusing_template():
    from jinja2.exceptions import TemplateError

    raise TemplateError("Conversation roles must alternate user/assistant")


def unsafe_template():
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    ImmutableSandboxedEnvironment().from_string("{{ ().__class__.__base__.__subclasses__() }}").render()


def offline():
    from huggingface_hub import hf_hub_download

    hf_hub_download("someone/something", "config.json", local_files_only=True)


def hub(kind: str):
    def work():
        import httpx
        from huggingface_hub import errors as hf

        request = httpx.Request("GET", "https://huggingface.co/api/models/a/b")
        raise getattr(hf, kind)(f"{kind} for a/b", response=httpx.Response(403, request=request))

    work.__name__ = kind
    return work


def no_connection():
    import httpx

    httpx.get("http://127.0.0.1:9", trust_env=False)


def system(number: int):
    def work():
        raise OSError(number, os.strerror(number), "/some/file")

    work.__name__ = errno.errorcode[number]
    return work


def too_large():
    """A limit on the size of files, met for real in a process of its own; Rust's writer tells it in text alone."""
    code = """
import resource, sys
from safetensors.numpy import save_file
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_file({"x": np.zeros(10000)}, sys.argv[1])
except Exception as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        raise RuntimeError(fresh(code, f"{folder}/x.safetensors"))


def torch_writes_to_a_full_disk():
    code = """
import torch
try:
    torch.save({"x": torch.zeros(100000)}, "/dev/full")
except Exception as error:
    print(error)
"""
    raise RuntimeError(fresh(code))


def torch_takes_too_much():
    code = """
import torch
try:
    torch.empty(1 << 60, dtype=torch.uint8)
except Exception as error:
    print(error)
"""
    raise RuntimeError(fresh(code))


def numpy_takes_too_much():
    import numpy as np

    np.empty(1 << 58)


def arrow_takes_too_much():
    import pyarrow as pa

    pa.allocate_buffer(1 << 60)


def long_name():
    open("x" * 300)


def long_path():
    os.listdir("/" + "x/" * 3000)


def loop():
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(f"{folder}/b", f"{folder}/a")
        os.symlink(f"{folder}/a", f"{folder}/b")
        open(f"{folder}/a")


def null_in_a_name():
    open("a\0b")


def database(content: bytes, statement: str = "SELECT * FROM t"):
    def work():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "x.db").write_bytes(content)
            with closing(sqlite3.connect(f"{folder}/x.db")) as db:
                db.execute(statement)

    return work


def whole_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(f"{folder}/x.db")) as db:
            db.execute("CREATE TABLE t (x)")
            db.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 100)
            db.commit()
        return Path(folder, "x.db").read_bytes()


def no_database():
    database(b"not a database at all" * 100)()


def malformed_database():
    database(whole_database()[:4096] + b"\xff" * 8192, "SELECT count(x) FROM t")()


def locked_database():
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/x.db")) as one:
        one.execute("CREATE TABLE t (x)")
        one.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(f"{folder}/x.db", timeout=0)) as two:
            two.execute("INSERT INTO t VALUES (1)")


def read_only_database():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.db").write_bytes(whole_database())
        with closing(sqlite3.connect(f"file:{folder}/x.db?mode=ro", uri=True)) as db:
            db.execute("INSERT INTO t VALUES (1)")


def database_on_a_failing_disk():
    raise sqlite3.OperationalError("disk I/O error")


def database_in_no_folder():
    sqlite3.connect("/nowhere/at/all/x.db")


def lone_surrogate():
    "\ud800".encode()


def lone_surrogate_in_json():
    import orjson

    orjson.dumps("\ud800")


def lone_surrogate_in_a_database():
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("SELECT ?", ("\ud800",))


def lone_surrogate_in_a_column():
    import pyarrow as pa

    pa.array(["\ud800"])


def nested():
    json.loads("[" * 100_000)


def half_a_document():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "status.json").write_text('{"state": ')
        paths.read_json(Path(folder, "status.json"))


def no_text():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "status.json").write_bytes(b"\xff\xfe\x00")
        paths.read_json(Path(folder, "status.json"))


def bad_yaml():
    import yaml

    yaml.safe_load("a: [")


def broken_pipe():
    read, write = os.pipe()
    os.close(read)
    try:
        os.write(write, b"x")
    finally:
        os.close(write)


def bad_zlib():
    import zlib

    zlib.decompress(b"nonsense")


def half_a_gzip():
    import gzip

    gzip.decompress(gzip.compress(os.urandom(1000))[:500])


def no_gzip():
    import gzip

    gzip.decompress(b"nonsense")


def bad_zip():
    import io
    import zipfile

    zipfile.ZipFile(io.BytesIO(b"nonsense"))


def bad_parquet():
    import io

    import pyarrow.parquet as pq

    pq.read_table(io.BytesIO(b"PAR1" + os.urandom(2000) + b"PAR1"))


def no_parquet():
    import io

    import pyarrow.parquet as pq

    pq.read_table(io.BytesIO(b"nonsense"))


def no_such_host():
    import socket

    raise socket.gaierror(-2, "Name or service not known")


PROVOKED = (
    *((system(n), "disk") for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)),
    *((system(n), "work") for n in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EPIPE, errno.ECONNRESET)),
    *((system(n), "request") for n in (errno.ENAMETOOLONG, errno.ELOOP)),
    (system(errno.ENOMEM), "memory_short"),
    (too_large, "disk"),
    (torch_writes_to_a_full_disk, "disk"),
    (torch_takes_too_much, "memory_short"),
    (numpy_takes_too_much, "memory_short"),
    (arrow_takes_too_much, "memory_short"),
    (long_name, "request"),
    (long_path, "request"),
    (loop, "request"),
    (null_in_a_name, "request"),
    (no_database, "data"),
    (malformed_database, "data"),
    (locked_database, "conflict"),
    (read_only_database, "disk"),
    (database_on_a_failing_disk, "disk"),
    (database_in_no_folder, "disk"),
    (lone_surrogate, "data"),
    (lone_surrogate_in_json, "data"),
    (lone_surrogate_in_a_database, "data"),
    (lone_surrogate_in_a_column, "data"),
    (nested, "data"),
    (half_a_document, "data"),
    (no_text, "data"),
    (bad_yaml, "data"),
    (broken_pipe, "work"),
    (bad_zlib, "data"),
    (half_a_gzip, "data"),
    (no_gzip, "data"),
    (bad_zip, "data"),
    (bad_parquet, "data"),
    (no_parquet, "data"),
    (no_such_host, "network"),
)


@pytest.mark.parametrize(("work", "code"), PROVOKED, ids=lambda x: getattr(x, "__name__", x))
def test_every_cause_is_told(work, code):
    foreign = caught(work)
    ours = translate(foreign)
    assert ours is not None and ours.as_dict()["code"] == code, repr(foreign)
    assert ours.remedy and ours.message.endswith(".") and "{" not in ours.message
    json.dumps(ours.as_dict(), ensure_ascii=False).encode()  # whatever it holds can be written and sent


def test_a_damaged_document_is_named():
    assert "status.json" in translate(caught(half_a_document)).message
    assert "/some/file" in translate(caught(system(errno.EIO))).message


def test_a_cause_alone_is_worded():
    assert errors.example("disk").as_dict()["message"] == "The disk is full."
    assert errors.example("memory_short").as_dict()["code"] == "memory_short"


@pytest.mark.parametrize(
    "work, code",
    [
        (full_disk, "disk"),
        (full_database, "disk"),
        (out_of_memory, "memory_short"),
        (forbidden, "disk"),
        (read_only, "disk"),
        (damaged_weights, "model"),
        (bad_template, "model"),
        (undefined_in_template, "model"),
        (refusing_template, "model"),
        (unsafe_template, "model"),
        (offline, "network"),
        (hub("GatedRepoError"), "network"),
        (hub("RepositoryNotFoundError"), "network"),
        (hub("RevisionNotFoundError"), "network"),
        (hub("HfHubHTTPError"), "network"),
        (no_connection, "network"),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_foreign_errors_become_ours(work, code):
    foreign = caught(work)
    ours = translate(foreign)
    assert ours is not None and ours.as_dict()["code"] == code, repr(foreign)
    assert ours.remedy and ours.message.endswith(".") and json.dumps(ours.as_dict())


def test_the_gate_is_told_apart_from_a_wrong_name():
    gated, missing = translate(caught(hub("GatedRepoError"))), translate(caught(hub("RepositoryNotFoundError")))
    assert "accept" in gated.remedy and "spelling" in missing.remedy


def test_devices_that_fall_off_are_told():
    for words in ("CUDA error: device-side assert triggered", "No CUDA GPUs are available", "Found no NVIDIA driver on your system."):
        assert translate(RuntimeError(words)).as_dict()["code"] == "device"
    assert translate(AssertionError("Torch not compiled with CUDA enabled")).as_dict()["code"] == "device"
    assert translate(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")).as_dict()["code"] == "memory_short"


def test_defects_stay_defects_and_ours_stay_as_they_are():
    for defect in (KeyError("x"), ValueError("bad"), AttributeError("no such thing"), RuntimeError("what?")):
        assert translate(defect) is None
    mine = SettingError("No.", asked=1, available=2, remedy="Two.")
    assert translate(mine) is mine
