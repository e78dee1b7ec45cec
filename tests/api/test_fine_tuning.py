"""OpenAI's fine-tuning API, asked by OpenAI's own client: the whole way, preferences, what is refused, and what a failed job says."""

import csv
import io
import json

import httpx
import openai
import pytest
from openai.types import FileObject, Upload
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from tests.api.conftest import KEY, MODEL, SHORT
from tests.conftest import until
from tuner import runs
from tuner.api import model_map
from tuner.api.requests import JobRequest
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.settings import trackers

ENDED = ("succeeded", "failed", "cancelled")


def lines(n: int = 24, start: int = 0) -> list[dict]:
    return [
        {"messages": [{"role": "user", "content": f"What is {i} plus {i + 1}?"}, {"role": "assistant", "content": f"Arr, {2 * i + 1}!"}]}
        for i in range(start, start + n)
    ]


def pairs(n: int = 24) -> list[dict]:
    return [
        {
            "input": {"messages": [{"role": "user", "content": f"What is {i} plus 2?"}], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [{"role": "assistant", "content": f"It is {i + 2}."}],
            "non_preferred_output": [{"role": "assistant", "content": f"Sums are a fine subject, {i}."}],
        }
        for i in range(n)
    ]


def upload(client, rows: list, name: str = "sums.jsonl"):
    return client.files.create(
        file=(name, "\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows).encode()), purpose="fine-tune"
    )


def ended(client, id: str, seconds: float = 180) -> FineTuningJob:
    until(lambda: (job := client.fine_tuning.jobs.retrieve(id)).status in ENDED and job, seconds, 0.2)
    return client.fine_tuning.jobs.retrieve(id)


def raw(server, path: str, **query) -> dict:
    return httpx.get(f"{server.url}{path}", params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=30).raise_for_status().json()


@pytest.fixture(scope="module")
def done(server):
    """A job that has succeeded, with all that can be asked about it."""
    with server.client() as client:
        file = upload(client, lines(40))
        job = client.fine_tuning.jobs.create(
            training_file=file.id, model=MODEL, suffix="pirate", hyperparameters={"n_epochs": 2}, seed=7, metadata={"team": "sea", "n": "1"}
        )
        assert job.status == "validating_files" and job.hyperparameters.batch_size == "auto" and job.fine_tuned_model is None
        yield ended(client, job.id)


def test_the_whole_way(server, client, done):
    assert done.status == "succeeded", done.error
    assert (
        done.fine_tuned_model.startswith(f"ft:{MODEL}:tunesmith:pirate:") and done.seed == 7 and done.metadata == {"team": "sea", "n": "1"}
    )
    assert done.hyperparameters.n_epochs == 2 and isinstance(done.hyperparameters.batch_size, int) and done.trained_tokens > 100
    assert done.finished_at >= done.created_at and done.model == MODEL and done.method.type == "supervised"
    run = runs.get(server.ws, done.id)
    assert run.name == "pirate" and run.state == "finished", "an ordinary run, which the page shows"
    assert run.plan["settings"]["seed"] == 7 and run.plan["settings"]["epochs"] == 2
    ask = {"messages": [{"role": "user", "content": "What is 3 plus 4?"}], "temperature": 0, "max_tokens": 16}
    whole = client.chat.completions.create(model=done.fine_tuned_model, **ask).choices[0].message.content
    with client.chat.completions.create(model=done.fine_tuned_model, stream=True, **ask) as stream:
        assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == whole
    assert client.models.retrieve(done.fine_tuned_model).id == done.fine_tuned_model
    assert {done.fine_tuned_model, MODEL} <= {m.id for m in client.models.list()}
    assert client.chat.completions.create(model=MODEL, **ask).choices[0].message.content != whole, "the base answers beside it"


def test_the_result_file_has_each_step(client, done):
    (id,) = done.result_files
    assert client.files.retrieve(id).purpose == "fine-tune-results"
    rows = list(csv.DictReader(io.StringIO(client.files.content(id).text)))
    assert rows[0]["step"] == "1" and float(rows[0]["train_loss"]) > float(rows[-1]["train_loss"]) > 0
    assert [r for r in rows if r["valid_loss"]] and list(rows[0])[:4] == ["step", "train_loss", "train_accuracy", "valid_loss"]


def test_checkpoints_answer(client, done):
    found = client.fine_tuning.jobs.checkpoints.list(done.id).data
    assert found and [c.step_number for c in found] == sorted((c.step_number for c in found), reverse=True)
    assert found[0].metrics.valid_loss and found[0].fine_tuning_job_id == done.id
    one = found[-1].fine_tuned_model_checkpoint
    assert one.startswith(f"{done.fine_tuned_model}:ckpt-step-")
    assert client.chat.completions.create(model=one, messages=[{"role": "user", "content": "Hi"}], max_tokens=4).choices[0].message.content
    first = client.fine_tuning.jobs.checkpoints.list(done.id, limit=1)
    assert len(first.data) == 1 and first.has_more is (len(found) > 1)


def test_events_are_paged_and_followed(server, client, done):
    every = list(client.fine_tuning.jobs.list_events(done.id, limit=3))  # the client turns the pages
    assert len(every) == len({e.id for e in every}) > 8
    said = [e.message for e in reversed(every)]
    assert said[0].startswith("Created fine-tuning job") and said[-1] == "The job has successfully completed"
    assert any(f"{MODEL} is trained as starter" in s for s in said) and any("are validation rows" in s for s in said)
    steps = [e for e in every if e.type == "metrics"]
    assert steps and steps[0].data["step"] > steps[-1].data["step"] and steps[0].data["train_loss"] > 0
    url, headers = f"{server.url}/fine_tuning/jobs/{done.id}/events?stream=true", {"Authorization": f"Bearer {KEY}"}
    with httpx.stream("GET", url, headers=headers, timeout=30) as stream:
        told = [line.removeprefix("data: ") for line in stream.iter_lines() if line]
    assert told[-1] == "[DONE]" and [json.loads(t)["id"] for t in told[:-1]] == [e.id for e in reversed(every)]


def test_every_answer_is_what_the_client_declares(server, done):
    """And what it does not know is kept."""
    for path, kind in (
        (f"/fine_tuning/jobs/{done.id}", FineTuningJob),
        (f"/files/{done.training_file}", FileObject),
    ):
        kind.model_validate(raw(server, path))
    for path, kind in (
        ("/fine_tuning/jobs", FineTuningJob),
        (f"/fine_tuning/jobs/{done.id}/events", FineTuningJobEvent),
        (f"/fine_tuning/jobs/{done.id}/checkpoints", FineTuningJobCheckpoint),
        ("/files", FileObject),
    ):
        listed = raw(server, path)
        assert listed["object"] == "list" and listed["data"] and listed["first_id"] == listed["data"][0]["id"]
        for item in listed["data"]:
            kind.model_validate(item)
    assert done.tunesmith["run"] == done.id and done.tunesmith["model"] == "starter"


def test_preferences_with_a_validation_file(server, client):
    job = client.fine_tuning.jobs.create(
        training_file=upload(client, pairs(24)).id,
        validation_file=upload(client, pairs(6), "held.jsonl").id,
        model=MODEL,
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 1, "batch_size": 8, "learning_rate_multiplier": 0.5}}},
    )
    job = ended(client, job.id)
    assert job.status == "succeeded", job.error
    n = job.method.dpo.hyperparameters
    assert (n.beta, n.n_epochs, n.batch_size, n.learning_rate_multiplier) == (0.2, 1, 8, 0.5)
    run = runs.get(server.ws, job.id)
    s, ds = run.plan["settings"], store.get(server.ws, run.config["data"])
    assert s["objective"] == "preference" and s["preference_loss"] == "sigmoid" and s["beta"] == 0.2 and s["effective_batch"] == 8
    assert (ds.rows - ds.held_out, ds.held_out) == (24, 6), "the rows of the validation file, and no others"
    whole = runs.get(
        server.ws,
        ended(
            client,
            client.fine_tuning.jobs.create(training_file=job.training_file, model=MODEL, method={"type": "dpo"}, extra_body=SHORT).id,
        ).id,
    )
    assert s["learning_rate"] == pytest.approx(whole.plan["settings"]["learning_rate"] / 2), "half of what auto chooses"
    assert whole.plan["data"]["held_out"] == 0 and whole.plan["settings"]["max_steps"] == 2


def test_prompt_and_completion_are_trained_as_a_chat_and_it_is_said(client):
    rows = [{"prompt": f"What is {i} plus 1?\n\n###\n\n", "completion": f" It is {i + 1}. END"} for i in range(24)]
    job = ended(client, client.fine_tuning.jobs.create(training_file=upload(client, rows).id, model=MODEL, extra_body=SHORT).id)
    assert job.status == "succeeded", job.error
    warned = [e.message for e in client.fine_tuning.jobs.list_events(job.id) if e.level == "warn"]
    assert any("ask the model by /v1/chat/completions" in w for w in warned)


def test_a_job_goes_on_from_the_model_of_another(server, client, done):
    job = client.fine_tuning.jobs.create(training_file=done.training_file, model=done.fine_tuned_model, suffix="more", extra_body=SHORT)
    job = ended(client, job.id)
    assert job.status == "succeeded" and runs.get(server.ws, job.id).config["model"] == done.id


@pytest.mark.parametrize(
    ("rows", "method", "said"),
    (
        ([*lines(12), '{"messages": [{"role": "user", "content": "cut'], "supervised", "Line 13"),
        ([*lines(6), {"messages": [{"role": "user", "content": "no answer"}]}, *lines(6, 6)], "supervised", "Line 7"),
        (pairs(12), "supervised", "rows for preference"),
        (lines(12), "dpo", "rows for chat"),
        (["not", "json", "at", "all"], "supervised", ""),
    ),
)
def test_a_bad_file_fails_the_job_and_says_where(server, client, rows, method, said):
    before = [r.id for r in runs.listing(server.ws)], [d.ref for d in store.listing(server.ws)]
    job = ended(client, client.fine_tuning.jobs.create(training_file=upload(client, rows).id, model=MODEL, method={"type": method}).id)
    assert job.status == "failed" and job.error.code == "invalid_training_file" and job.error.param == "training_file"
    assert said in job.error.message and job.fine_tuned_model is None and job.result_files == []
    assert ([r.id for r in runs.listing(server.ws)], [d.ref for d in store.listing(server.ws)]) == before, "nothing is left of it"
    assert "The job failed" in client.fine_tuning.jobs.list_events(job.id, limit=1).data[0].message


def test_what_can_not_be_done_is_refused(client, done):
    file = done.training_file

    def refused(kind=openai.BadRequestError, **asked):
        with pytest.raises(kind) as error:
            client.fine_tuning.jobs.create(**{"training_file": file, "model": MODEL} | asked)
        return error.value

    assert refused(training_file="file-abc").param == "training_file"
    assert refused(training_file="../../etc/passwd").code == "invalid_file"
    assert refused(validation_file=done.result_files[0]).param == "validation_file"
    assert "reinforcement" in refused(method={"type": "reinforcement"}).message
    assert "not installed" in refused(integrations=[{"type": "wandb", "wandb": {"project": "p"}}]).message
    assert "integrations" in refused(integrations=[{"type": "mlflow"}]).param
    assert "not known here" in refused(extra_body={"learning_rate": 3}).message
    assert "can't be set here" in refused(extra_body={"tunesmith": {"settings": {"data": "of-another@1"}}}).message
    assert refused(suffix="x" * 65).param == "suffix" and refused(seed=-1).param == "seed"
    assert "n_epochs" in refused(hyperparameters={"n_epochs": 0}).message
    assert "below method.dpo" in refused(method={"type": "dpo", "supervised": {"hyperparameters": {"n_epochs": 1}}}).message
    unmapped = refused(openai.NotFoundError, model="gpt-4.1-nano-2025-04-14")
    assert unmapped.code == "model_not_found" and "tunesmith serve --map gpt-4.1-nano-2025-04-14=" in unmapped.message
    for work in (client.fine_tuning.jobs.retrieve, client.fine_tuning.jobs.cancel, client.files.retrieve, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            work("ftjob-000000000000000000000000" if work.__self__ is client.fine_tuning.jobs else "file-..%2f..")
    with pytest.raises(openai.BadRequestError, match="already"):
        client.fine_tuning.jobs.cancel(done.id)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a.jsonl", b"{}"), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="empty"):
        client.files.create(file=("a.jsonl", b""), purpose="fine-tune")


def test_files_are_listed_read_and_deleted(client):
    first, second = upload(client, lines(2), "a.jsonl"), upload(client, lines(3), "b.jsonl")
    assert [f.id for f in client.files.list(limit=2, purpose="fine-tune").data] == [second.id, first.id]
    assert client.files.content(second.id).read().decode().count("\n") == 2 and second.bytes == len(client.files.content(second.id).read())
    assert client.files.delete(first.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(first.id)
    assert client.files.wait_for_processing(second.id).status == "processed"


def test_an_upload_in_parts_is_the_file(client, tmp_path):
    content = "\n".join(map(json.dumps, lines(500))).encode()
    (tmp_path / "big.jsonl").write_bytes(content)
    done = client.uploads.upload_file_chunked(file=tmp_path / "big.jsonl", mime_type="text/jsonl", purpose="fine-tune", part_size=7000)
    assert done.status == "completed" and client.files.content(done.file.id).read() == content
    begun = client.uploads.create(bytes=10, filename="x.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    Upload.model_validate(begun.to_dict())
    part = client.uploads.parts.create(begun.id, data=b"12345")
    with pytest.raises(openai.BadRequestError, match="5 bytes; 10 were announced"):
        client.uploads.complete(begun.id, part_ids=[part.id])
    with pytest.raises(openai.BadRequestError, match="MD5"):
        client.uploads.complete(begun.id, part_ids=[part.id, part.id], md5="0" * 32)
    assert client.uploads.cancel(begun.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        client.uploads.parts.create(begun.id, data=b"12345")


def test_jobs_are_listed_by_metadata(client, done):
    assert [j.id for j in client.fine_tuning.jobs.list(metadata={"team": "sea"}).data] == [done.id]
    assert client.fine_tuning.jobs.list(metadata={"team": "land"}).data == []
    page = client.fine_tuning.jobs.list(limit=1)
    assert len(page.data) == 1 and (not page.has_more or page.get_next_page().data[0].id != page.data[0].id)


def test_cancel_pause_and_resume(server, client, done):
    long = {"tunesmith": {"settings": {"epochs": 400}}}
    create = client.fine_tuning.jobs.create
    job = create(training_file=done.training_file, model=MODEL, extra_body=long)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled" == ended(client, job.id).status, "before its file was read"
    job = create(training_file=done.training_file, model=MODEL, extra_body=long)
    until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running" and runs.get(server.ws, job.id).progress.step, 90)
    client.fine_tuning.jobs.pause(job.id)
    until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "queued" and runs.get(server.ws, job.id).state == "stopped", 90)
    at = runs.get(server.ws, job.id).progress.step
    client.fine_tuning.jobs.resume(job.id)
    until(lambda: runs.get(server.ws, job.id).progress.step > at, 90)
    client.fine_tuning.jobs.cancel(job.id)
    found = ended(client, job.id)
    assert found.status == "cancelled" and found.fine_tuned_model is None and found.error is None and found.finished_at


def test_a_model_is_deleted_by_who_made_it(server, client, done):
    job = ended(client, client.fine_tuning.jobs.create(training_file=done.training_file, model=MODEL, extra_body=SHORT).id)
    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=job.fine_tuned_model, messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.NotFoundError):
        client.models.delete("starter")
    assert client.fine_tuning.jobs.retrieve(job.id) == job, "what has succeeded stays so"


def test_the_map_takes_models_that_are_there(server):
    before = model_map.read(server.ws)
    for wrong in ("gpt-4o", "=starter", "a=/no/such/folder"):
        with pytest.raises(TunerError):
            model_map.add(server.ws, [wrong])
    assert model_map.read(server.ws) == before
    assert model_map.add(server.ws, ["x=starter"])["x"] == "starter" and "x" not in model_map.add(server.ws, ["x="])


@pytest.mark.parametrize("version", ("2025-04-01-preview", "v1"))
def test_azures_client_takes_the_same_way(server, version, done):
    base = server.url.removesuffix("/v1")
    how = {"base_url": f"{base}/openai/v1/"} if version == "v1" else {"azure_endpoint": base}
    with openai.AzureOpenAI(**how, api_key=KEY, api_version=version, max_retries=0) as azure:
        file = upload(azure, lines(12))
        job = ended(azure, azure.fine_tuning.jobs.create(training_file=file.id, model=MODEL, suffix="azure", extra_body=SHORT).id)
        assert job.status == "succeeded" and azure.fine_tuning.jobs.checkpoints.list(job.id).data
        ask = {"messages": [{"role": "user", "content": "What is 3 plus 4?"}], "max_tokens": 4, "temperature": 0}
        said = azure.chat.completions.create(model=job.fine_tuned_model, **ask).choices[0].message.content
        with server.client() as plain:
            assert said == plain.chat.completions.create(model=job.fine_tuned_model, **ask).choices[0].message.content
        with pytest.raises(openai.NotFoundError):
            azure.chat.completions.create(model="no/such:model", **ask)
    with pytest.raises(openai.AuthenticationError), openai.AzureOpenAI(**how, api_key="wrong", api_version=version, max_retries=0) as azure:
        azure.files.list()


def test_a_job_may_name_weights_and_biases(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: object())
    asked = JobRequest.model_validate(
        {"model": "m", "training_file": "f", "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["x"], "name": None}}]}
    )
    assert asked.settings()["report_to"] == "wandb" and asked.about() == {"wandb": {"project": "p", "tags": ["x"]}}
    with pytest.raises(ValueError):
        JobRequest.model_validate({"model": "m", "training_file": "f", "integrations": [{"type": "wandb"}]})
