"""Hub datasets, tried on folders laid out like one: `datasets` resolves the files, our reader reads them, nothing is run."""

import json
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.store import store
from tuner.errors import NetworkError, NotFoundError, SettingError, TunerError
from tuner.jobs import data_jobs
from tuner.workers import hub_datasets


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def rows(n, start=0):
    return [{"question": f"What is {i}?", "answer": f"It is {i}."} for i in range(start, start + n)]


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    (folder / "data").mkdir(parents=True)
    for i in range(2):
        pq.write_table(pa.Table.from_pylist(rows(30, 30 * i)), folder / f"data/train-0000{i}-of-00002.parquet")
    (folder / "data/test-00000-of-00001.parquet").write_bytes((folder / "data/train-00000-of-00002.parquet").read_bytes())
    return folder


def test_a_split_of_several_files(ws, repository):
    ds = hub_datasets.add(ws, str(repository))
    assert (ds.name, ds.rows, ds.kind, ds.format) == ("repo", 60, "chat", "parquet")
    assert hub_datasets.add(ws, str(repository), split="test", name="mine").rows == 30


def test_configurations_are_named(ws, tmp_path):
    for name in ("small", "large"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows(12))))
    wish = [{"config_name": n, "data_files": f"{n}.jsonl"} for n in ("small", "large")]
    (tmp_path / "README.md").write_text("---\nconfigs: " + json.dumps(wish) + "\n---\n")
    with pytest.raises(SettingError, match="several configurations"):
        hub_datasets.add(ws, str(tmp_path))
    assert hub_datasets.add(ws, str(tmp_path), config="large").rows == 12


def test_what_can_not_be_had(ws, repository):
    with pytest.raises(NotFoundError, match="no split 'nose'") as caught:
        hub_datasets.add(ws, str(repository), split="nose")
    assert set(caught.value.available) == {"train", "test"}
    with pytest.raises(NetworkError):
        hub_datasets.add(ws, "nobody/nothing")


def test_pickles_and_scripts_are_never_opened(ws, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    (tmp_path / "a").mkdir()
    (tmp_path / "a/train.pkl").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/b.py").write_text(f"open({str(tmp_path / 'opened')!r}, 'w')")
    for folder in ("a", "b"):
        with pytest.raises(TunerError):
            hub_datasets.add(ws, str(tmp_path / folder))
    assert not (tmp_path / "opened").exists() and store.listing(ws) == []


def test_by_a_worker(ws, repository):
    told = []
    job = data_jobs.begin(ws, "hub", id=str(repository), split="test", config=None)
    assert data_jobs.wait(ws, job, lambda *a: told.append(a)).rows == 30 and told
    with pytest.raises(NotFoundError, match="no split") as caught:
        data_jobs.wait(ws, data_jobs.begin(ws, "hub", id=str(repository), split="nose"))
    assert set(caught.value.available) == {"train", "test"} and caught.value.field == "split"
