"""Generate pairs with models: prompts, two writers, and the answers that make a pair.

The serving worker answers many at once; the work runs in a separate process (workers/data_tasks.py), is resumable answer by answer, and reports what was
dropped and why. A writer is a model (a run, the starter, a folder, a Hub id) with its sampling, the base model of a run, or the data.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from tuner.data.importing.import_pass import Cancelled
from tuner.data.schema import convert
from tuner.data.store import store
from tuner.errors import DataError, NotFoundError, RequestError, TunerError
from tuner.jobs import data_jobs
from tuner.jobs.job import JobStatus
from tuner.labels import db as files
from tuner.labels import pairs
from tuner.labels.pairs import Added, Candidate, Messages
from tuner.paths import Workspace
from tuner.serving import chat_client, parallel

TOGETHER = 64  # prompts whose pairs are added together
PROMPTS = 20_000  # maximum per generation
ASKED = ("chat", "preference", "rated", "classification", "seq2seq", "text")  # kinds of data that contain prompts
DATA = "data"  # the writer whose answers are those of the data


@dataclass(frozen=True)
class Writer:
    """The source of an answer. `model` is "data" or a model as `tunesmith chat` takes it; `base` asks a run's base model instead."""

    model: str
    base: bool = False
    temperature: float = 0.9
    top_p: float = 0.95
    seed: int = 0
    max_tokens: int = 256

    @property
    def name(self) -> str:
        """The name in the win rates."""
        return f"{self.model}/base" if self.base else self.model


@dataclass(frozen=True)
class Request:
    """A request for pairs. `prompts` come first, then those of `data`, a dataset (only its validation rows when `held_out`)."""

    writers: tuple[Writer, Writer]
    prompts: tuple[str, ...] = ()
    data: str | None = None
    held_out: bool | None = None
    limit: int | None = None
    system: str = ""

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Request":
        return cls(**document | {"writers": tuple(Writer(**w) for w in document["writers"]), "prompts": tuple(document["prompts"])})


def ask(ws: Workspace, project: str, request: Request) -> str:
    """Start a generation and return its id. RequestError for a request that can't give pairs."""
    files.file_of(ws, project)
    if all(w.model == DATA for w in request.writers):
        raise _wrong("Both answers would come from the data.", "writers", "a model on at least one side", "Choose a model for one of them.")
    if request.writers[0] == request.writers[1] and request.writers[0].temperature == 0:
        raise _wrong(
            "The same model at temperature 0 writes the same answer twice.",
            "temperature",
            "above 0, or two models",
            "Raise the temperature.",
        )
    if request.data:
        ds = store.get(ws, request.data)
        request = replace(request, data=ds.ref)  # pin the version, so that a resumed generation uses the same one
        if ds.kind not in ASKED:
            raise _wrong(f"{ds.name} ({ds.kind}) contains no prompts.", "data", list(ASKED), "Choose other data, or type the prompts.")
    elif not any(p.strip() for p in request.prompts):
        raise _wrong("There are no prompts.", "prompts", "typed prompts (one per line), a file, or a dataset", "Add some prompts.")
    if DATA in (w.model for w in request.writers) and not request.data:
        raise _wrong("Typed prompts have no answers.", "writers", "two models", "Choose a model for both sides, or a dataset.")
    for w in request.writers:
        if w.model != DATA:
            chat_client.serving_spec(ws, w.model, w.base)  # raises when it can't answer
    id = secrets.token_hex(4)
    with files.writing(ws, project) as db:
        files.put(db, f"generation/{id}", asdict(request))
    return resume(ws, project, id)


def _wrong(message: str, field: str, available: Any, remedy: str) -> RequestError:
    return RequestError(message, asked=field, available=available, remedy=remedy, field=field)


def resume(ws: Workspace, project: str, id: str) -> str:
    """Resume a generation that was stopped; answers that exist are not generated again."""
    _request(ws, project, id)
    if (ws.jobs / job_of(project, id) / "job.json").exists():
        data_jobs.forget(ws, job_of(project, id))  # raises while it is still running
    data_jobs.begin(ws, "generate", job_of(project, id), project=project, generation=id)
    return id


def job_of(project: str, id: str) -> str:
    """Return the id of the job of a generation."""
    return f"import-pairs-{project[:32]}-{id}"


def _request(ws: Workspace, project: str, id: str) -> Request:
    with files.reading(ws, project) as db:
        found = files.get(db, f"generation/{id}")
    if found is None:
        raise NotFoundError(f"There is no generation {id!r}.", asked=id, available=unfinished(ws, project), remedy="Start a new one.")
    return Request.read(found)


def unfinished(ws: Workspace, project: str) -> list[str]:
    """Return the ids of generations that were started and have not finished."""
    with files.reading(ws, project) as db:
        rows = db.execute(
            "SELECT key FROM about WHERE key LIKE 'generation/%' AND key NOT IN (SELECT replace(key, 'ended/', 'generation/') FROM about WHERE key LIKE 'ended/%') ORDER BY rowid"
        )
        return [key.removeprefix("generation/") for (key,) in rows]


def prompts_of(ws: Workspace, request: Request) -> Iterator[tuple[Messages, str | None, dict[str, Any]]]:
    """Yield (prompt, the answer in the data, origin), each prompt once."""
    seen, system = set(), [{"role": "system", "content": request.system}] if request.system.strip() else []
    for prompt, answer, origin in _sources(ws, request):
        key = json.dumps(prompt, sort_keys=True)
        if key not in seen and len(seen) < min(request.limit or PROMPTS, PROMPTS):
            seen.add(key)
            yield system + prompt if system and prompt[0]["role"] != "system" else prompt, answer, origin


def _sources(ws: Workspace, request: Request) -> Iterator[tuple[Messages, str | None, dict[str, Any]]]:
    for n, text in enumerate(request.prompts):
        if text.strip():
            yield [{"role": "user", "content": text.strip()}], None, {"typed": n + 1}
    if request.data:
        ds = store.get(ws, request.data)
        for r in store.iterate(ds, held_out=request.held_out):
            if asked := question(r["value"], ds.kind):
                yield *asked, {"data": ds.ref, "row": r["row"]}


def question(value: dict[str, Any], kind: str) -> tuple[Messages, str | None] | None:
    """Return (the conversation up to its last question, the answer in the data) of a canonical row; None when it has no question."""
    if kind in ("preference", "rated"):
        return value["prompt"], pairs.text_of(value["chosen"] if kind == "preference" else value["answer"])
    if kind == "text":
        return [{"role": "user", "content": value["text"]}], None
    messages = convert.as_messages(value, kind)
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=None)
    if last is None:
        return None
    return messages[: last + 1], pairs.text_of(messages[last + 1 :]) or None


# --- the job -----------------------------------------------------------------------------------------------------------------------


def run(ws: Workspace, *, project: str, generation: str, progress, cancelled) -> Any:
    """Generate the answers, store them and make pairs; called in a separate process (workers/data_tasks.py)."""
    request = _request(ws, project, generation)
    asked = list(prompts_of(ws, request))
    if not asked:
        raise DataError(
            "There are no prompts in this data.", asked=request.data, available="rows with a question", remedy="Choose other data."
        )
    work = _Work(ws, project, generation, request)
    total, report = len(asked) * sum(w.model != DATA for w in request.writers), Added()
    for begin in range(0, len(asked), TOGETHER):
        part = list(enumerate(asked[begin : begin + TOGETHER], begin))
        questions = [(item, side, prompt, own) for side in (0, 1) for item, (prompt, own, _) in part]
        for (item, side, *_), found in parallel.completed(lambda q: work.answer(*q, leave=cancelled), questions, cancelled=cancelled):
            if not cancelled():  # what was left half-way is no answer
                work.keep(item, side, found)
                progress(work.answered, total, report.added)
        if cancelled():
            raise Cancelled
        for item, (prompt, _, origin) in part:
            work.pair(item, prompt, origin | {"generation": generation}, report)
    with files.writing(ws, project) as db:
        files.put(db, f"ended/{generation}", report.as_dict())
    return Made(project, report.added, report.as_dict())


@dataclass(frozen=True)
class Made:
    """The result that the process of the job writes."""

    ref: str
    rows: int
    report: dict[str, Any]


class _Work:
    def __init__(self, ws: Workspace, project: str, generation: str, request: Request):
        self.ws, self.project, self.generation, self.request = ws, project, generation, request
        self.known = [None if w.model == DATA else chat_client.serving_spec(ws, w.model, w.base) for w in request.writers]
        self.client, self.answered = chat_client.Client(ws), 0
        with files.reading(ws, project) as db:
            rows = db.execute("SELECT item, side, answer FROM answers WHERE generation = ?", (generation,)).fetchall()
        self.answers = {(r["item"], r["side"]): json.loads(r["answer"]) for r in rows}

    def answer(self, item: int, side: int, prompt: Messages, own: str | None, leave: Callable[[], bool]) -> dict[str, Any] | None:
        """Return one answer, None when it is stored already. A prompt that a model rejects drops the pair and doesn't stop the job."""
        writer = self.request.writers[side]
        if writer.model == DATA:
            return {"text": own or "", "stop": "stop"}
        if (item, side) in self.answers:
            return None
        try:
            piece = self.client.answer(
                self.known[side],
                prompt,
                leave=leave,
                temperature=writer.temperature,
                top_p=writer.top_p,
                max_tokens=writer.max_tokens,
                seed=(writer.seed * 1_000_003 + item * 2 + side) % 2**31,
            )
            return {"text": piece.text, "stop": piece.stop_reason}
        except chat_client.TunerErrorFromWorker as error:
            return {"text": "", "stop": "error", "error": str(error)}

    def keep(self, item: int, side: int, found: dict[str, Any] | None) -> None:
        """Store an answer as soon as it is there."""
        if self.request.writers[side].model == DATA:
            self.answers[item, side] = found
            return
        self.answered += 1
        if found is None:
            return
        self.answers[item, side] = found
        with files.writing(self.ws, self.project) as db:
            db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (self.generation, item, side, json.dumps(found)))

    def pair(self, item: int, prompt: Messages, origin: dict[str, Any], report: Added) -> None:
        """Add the pair of a prompt, or count why it was dropped."""
        one, other = self.answers[item, 0], self.answers[item, 1]
        stops = (one["stop"], other["stop"])
        if "error" in stops or "length" in stops:
            report.dropped[pairs.FAILED if "error" in stops else pairs.CUT] += 1
            return
        sides = [[{"role": "assistant", "content": text["text"].strip()}] for text in (one, other)]
        by = tuple(w.name for w in self.request.writers)
        candidate = Candidate(prompt, *sides, by, origin)
        found = pairs.add_pairs(self.ws, self.project, [candidate])
        if found.dropped[pairs.KNOWN] and pairs.made_by(self.ws, self.project, candidate) == self.generation:
            found = Added(1)  # added by this generation before it was stopped
        report.added += found.added
        report.dropped.update(found.dropped)


def state(ws: Workspace, project: str, id: str) -> JobStatus:
    """Return the state of a generation; when it is done, its result has the `report` of what was dropped."""
    with files.reading(ws, project) as db:
        report = files.get(db, f"ended/{id}")
    if report is not None:
        return JobStatus("done", result={"report": report})
    try:
        return data_jobs.progress(ws, job_of(project, id))
    except NotFoundError:
        return JobStatus("failed", errors=_stopped(id).as_list())


def _stopped(id: str) -> TunerError:
    return DataError(
        "The generation was stopped before all pairs were made. The answers so far are kept.",
        asked=id,
        available="the remaining pairs",
        remedy="Resume it.",
    )


def cancel(ws: Workspace, project: str, id: str) -> None:
    """Stop a generation; it can be resumed."""
    data_jobs.cancel(ws, job_of(project, id))


__all__ = ["DATA", "Made", "Request", "Writer", "ask", "cancel", "job_of", "prompts_of", "question", "resume", "run", "state", "unfinished"]
