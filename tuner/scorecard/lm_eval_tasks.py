"""Public benchmarks: tasks of the LM Evaluation Harness (extra `lm-eval`), asked of a served run and of its base model.

The harness runs in a process of its own and asks our OpenAI-compatible server (its model `local-chat-completions`), so that the benchmark sees what
any other client would see. Tasks that compare log-probabilities of given texts can't be asked through a chat, the harness says so; those that
generate an answer can (`gsm8k`, `ifeval`, `bbh`, ...). Its tasks and their data come from the Hub; code from there is never run.
"""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.data.importing.import_pass import Cancelled
from tuner.errors import RequestError, WorkError
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from tuner.scorecard.evaluation import Made
from tuner.serving.gateway import Gateway
from tuner.serving.parallel import AT_ONCE
from tuner.serving.served_models import is_run, named
from tuner.settings import objectives

INSTALL = "pip install 'tunesmith[lm-eval]'"
LOOKS = 0.5  # seconds
TAIL = 4096  # bytes of the harness's output in which its newest progress stands
ASKED = re.compile(rb"Requesting API:\s+(\d+)%")
FOLDER = "benchmarks"  # of a run


def start(ws: Workspace, model: str, tasks: list[str], *, against: str | None = None, limit: int | None = None) -> str:
    """Return the id of the job that asks `tasks` (names, or YAML files of tasks of one's own) of a model and of `against` ("base" for a run).
    `limit`: questions of each task. RequestError for a model that does not chat, for no task, and where the harness is not installed."""
    require()
    if not tasks:
        raise RequestError("No task was named.", asked=tasks, available="`lm_eval ls tasks` lists them", remedy="Name one.", field="tasks")
    served = named(ws, model)
    spec = served.spec(ws)
    if spec.get("objective", "chat") not in objectives.GENERATIVE:
        raise RequestError(
            f"{model} does not write text: its objective is {spec['objective']}.",
            asked=model,
            available="models that chat or continue a text",
            remedy=f"`tunesmith evaluate {model}` measures it on its own data.",
            field="tasks",
        )
    run = is_run(ws, served.ref)
    against = against or ("base" if run and served.whole else None)
    other = f"{served.ref}/base" if against == "base" and run else against
    models = [served.ref if served.whole else model, *([other] if other else [])]
    for name in models[1:]:
        named(ws, name).spec(ws)
    files = [str(Path(t).resolve()) if t.endswith((".yaml", ".yml")) else t for t in tasks]
    arguments = {"models": models, "tasks": files, "limit": limit, "run": served.ref if run and served.whole else None}
    job = "import-benchmark-" + hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:16]
    return data_jobs.begin_anew(ws, "benchmark", job, job=job, **arguments)


def require() -> None:
    """Raise RequestError where the harness is not installed."""
    if not importlib.util.find_spec("lm_eval"):
        raise RequestError(
            "Public benchmarks need lm-eval, which is not installed.",
            asked="lm-eval",
            available="evaluation on rows of your own, which needs nothing more",
            remedy=f"Install it: {INSTALL}",
            field="tasks",
        )


def run(
    ws: Workspace,
    *,
    job: str,
    models: list[str],
    tasks: list[str],
    limit: int | None,
    run: str | None,
    progress: Callable[[int, int, int], None],
    cancelled: Callable[[], bool],
) -> Made:
    """Ask all tasks of each model; called in a process of its own (workers/data_tasks.py). The result is kept with the run."""
    began, found = time.monotonic(), []
    gateway = Gateway(ws, models).start()
    try:
        for n, model in enumerate(models):
            found.append(
                _asked(
                    gateway,
                    model,
                    tasks,
                    limit,
                    tell=lambda share, n=n: progress(100 * n + share, 100 * len(models), 0),
                    cancelled=cancelled,
                )
            )
    finally:
        gateway.stop()
    document = {"models": models, "tasks": tasks, "limit": limit, "results": _table(found), "seconds": round(time.monotonic() - began, 1)}
    document |= {"made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "lm_eval": found[0].get("lm_eval_version")}
    if run:
        (ws.run(run) / FOLDER).mkdir(exist_ok=True)
        paths.write_json(ws.run(run) / FOLDER / f"{job}.json", document)
    return Made(document)


def _asked(
    gateway: Gateway, model: str, tasks: list[str], limit: int | None, *, tell: Callable[[int], None], cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Return what the harness writes of one model. WorkError with its last line when it fails; Cancelled ends it."""
    asked = {
        "model": model,
        "base_url": f"{gateway.url}/chat/completions",
        "num_concurrent": AT_ONCE,
        "max_retries": 2,
        "timeout": 3600,
        "tokenizer_backend": "None",
    }
    with tempfile.TemporaryDirectory(prefix="tunesmith-benchmark-") as folder:
        log, out = Path(folder, "log"), Path(folder, "out")
        command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-chat-completions", "--apply_chat_template"]
        command += ["--model_args", ",".join(f"{k}={v}" for k, v in asked.items()), "--tasks", ",".join(tasks), "--output_path", str(out)]
        command += ["--limit", str(limit)] if limit else []
        with open(log, "wb") as output:  # a file and never a pipe
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | {"OPENAI_API_KEY": gateway.key}
            )
        try:
            while child.poll() is None:
                if cancelled():
                    raise Cancelled
                tell(_share(log))
                time.sleep(LOOKS)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
        results = sorted(out.rglob("results*.json"))
        if child.returncode or not results:
            raise _failure(log.read_text(encoding="utf-8", errors="replace"), tasks)
        return json.loads(results[-1].read_text(encoding="utf-8"))


def _share(log: Path) -> int:
    """Return how far the harness is with its requests, in percent."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        found = ASKED.findall(file.read())
    return int(found[-1]) if found else 0


def _failure(log: str, tasks: list[str]) -> WorkError:
    """Return what the harness said last as an error; the whole of it goes into the job's log."""
    print(log, flush=True)
    said = [line for line in log.strip().splitlines() if line.strip()]
    return WorkError(
        f"lm-eval could not ask these tasks: {(said or ['it said nothing'])[-1][:300]}",
        asked=tasks,
        available="tasks that generate an answer, such as gsm8k or ifeval; `lm_eval ls tasks` lists all",
        remedy="Choose another task, or look into the job's log.",
    )


def _table(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each task and metric: {"task", "metric", "rises", "questions", "values": [{"value", "error"} of each model], "real"}.

    `error` is the standard error. `real`: whether two models differ by more than chance explains (95 %, by these errors, as of independent samples,
    which is careful: both were asked the same questions); None where the harness gives no error.
    """
    rows = []
    for task, metrics in found[0]["results"].items():
        for key, value in metrics.items():
            name, _, kind = key.partition(",")
            if not isinstance(value, int | float) or isinstance(value, bool) or name.endswith("_stderr") or not kind:
                continue
            values = [_value(f["results"].get(task, {}), name, kind) for f in found]
            row = {"task": task, "metric": name if kind == "none" else f"{name} ({kind})", "values": values, "real": _real(values)}
            row["rises"] = found[0].get("higher_is_better", {}).get(task, {}).get(name, True)
            row["questions"] = found[0].get("n-samples", {}).get(task, {}).get("effective")
            rows.append(row)
    return rows


def _value(metrics: dict[str, Any], name: str, kind: str) -> dict[str, float | None]:
    error = metrics.get(f"{name}_stderr,{kind}")
    return {"value": metrics.get(f"{name},{kind}"), "error": error if isinstance(error, int | float) else None}


def _real(values: list[dict[str, float | None]]) -> bool | None:
    if len(values) < 2 or any(v["value"] is None or v["error"] is None for v in values):
        return None
    one, other = values[:2]
    return abs(one["value"] - other["value"]) > 1.96 * (one["error"] ** 2 + other["error"] ** 2) ** 0.5


def kept(ws: Workspace, run_id: str) -> list[dict[str, Any]]:
    """Return the benchmarks of a run, the newest first."""
    found = [paths.read_json(file) for file in (runs.get(ws, run_id).path / FOLDER).glob("*.json")]
    return sorted((f for f in found if f), key=lambda f: f["made"], reverse=True)


def as_text(document: dict[str, Any]) -> str:
    """Return the results for a terminal."""
    lines = [f"{'task':24} {'metric':32} " + " ".join(f"{m[-24:]:>24}" for m in document["models"])]
    for row in document["results"]:
        shown = (f"{v['value']:.3f}" + (f" ± {v['error']:.3f}" if v["error"] is not None else "") for v in row["values"])
        real = {True: "  a real difference", False: "  no difference that these questions could show", None: ""}[row["real"]]
        lines.append(f"{row['task'][:24]:24} {row['metric'][:32]:32} " + " ".join(f"{s:>24}" for s in shown) + real)
    asked = ", ".join(f"{row['task']}: {row['questions']} questions" for row in {r["task"]: r for r in document["results"]}.values())
    return "\n".join([*lines, asked])
