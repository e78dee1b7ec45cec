"""From a request to a run in the queue: the one way in for the page, the command line and the demo."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner import devices, models, paths, runs
from tuner.data.quality import language
from tuner.data.store import sample_data, store
from tuner.errors import ConflictError, NotFoundError, SettingError, TunerError, raise_all, restore
from tuner.formatting import human_bytes, numbered
from tuner.jobs import benchmarks, dry_run, queue, run_queue, template_check, token_counting
from tuner.jobs.job import Job
from tuner.models import hub
from tuner.paths import Workspace
from tuner.planning import contradictions, fitting, language_warnings, length_guess, model_suggestions, planner, token_counts
from tuner.settings import parsing, presets, run_config
from tuner.settings.run_config import Settings

LABELLED = 2000  # rows


def data_facts(
    ds: store.Dataset,
    model: models.Model,
    ws: Workspace,
    values: dict[str, Any] | None = None,
    *,
    wait: float | None = 0.0,
    each: Callable[[dict], None] | None = None,
) -> planner.DataFacts:
    """Counts of a dataset in tokens of a model. All rows are counted in a process beside this one, once for a version of the data; for those
    that are not counted within `wait` seconds (None: waits for it) a sample speaks, or a guess. `each` hears how far it is."""
    rows, labels, weighted = ds.rows - ds.held_out, labels_of(ds), "weight" in ds.mapping
    q = token_counts.question(ds, model, values or {})
    found = token_counting.counts(q, ws, wait, each)
    if found is None:
        told, counting = _guessed(ds, model.facts), q.folder is not None
        return planner.DataFacts(ds.kind, rows, ds.held_out, _mean(told), max(told, default=0), labels, weighted, told, counting=counting)
    told = found.lengths()
    labels = max(2, found.train.labels) if found.train.labels and not found.sample else labels
    return planner.DataFacts(ds.kind, rows, ds.held_out, _mean(told), int(told.max(initial=0)), labels, weighted, told, found)


def _mean(lengths: Sequence[int]) -> float:
    return float(sum(lengths)) / len(lengths) if len(lengths) else 0.0


_GUESSED: dict[tuple, list[int]] = {}  # the form asks with every key


def _guessed(ds: store.Dataset, facts: models.ModelFacts) -> list[int]:
    key = (str(ds.folder), ds.sha256, ds.rows, facts.family)
    if key not in _GUESSED:
        if len(_GUESSED) > 200:
            _GUESSED.clear()
        _GUESSED[key] = length_guess.guess([r["value"] for r in store.rows(ds, 0, length_guess.SAMPLE)], ds.kind, facts.family)
    return _GUESSED[key]


def labels_of(ds: store.Dataset) -> int:
    """How many labels the rows have: outputs of a classifier. (The first rows tell; the worker reads them all.)"""
    if ds.kind == "regression":
        return 1
    values = [r["value"] for r in store.rows(ds, 0, LABELLED)] if ds.kind in ("classification", "tokens") else []
    found = [
        label for v in values for label in (v["tags"] if "tags" in v else v["label"] if isinstance(v["label"], list) else [v["label"]])
    ]
    return max(2, len(set(found)))


def prepare(
    ws: Workspace,
    values: dict[str, Any],
    *,
    preset: str | None = None,
    device_memory: int | None = None,
    need_data: bool = False,
    wait: float | None = None,
    each: Callable[[dict], None] | None = None,
) -> tuple[planner.Plan, models.Model, store.Dataset | None, run_config.RunConfig]:
    """Check a request and plan it. Every problem is raised together, each with its field.

    `device_memory` in bytes is instead of what the device has free; where there is only a processor and none was named, of a card. `wait` and
    `each` are those of `data_facts`.
    """
    problems: list[TunerError] = []
    asked = _collect(problems, parsing.parse, values)
    model = _collect(problems, models.resolve, str(values.get("model") or ""), ws) if values.get("model") else None
    ds = _collect(problems, store.get, ws, str(values["data"])) if values.get("data") else None
    if not values.get("model"):
        problems.append(
            SettingError(
                "No model was chosen.", asked=None, available="starter, a folder, a Hub id, a run", remedy="Choose a model.", field="model"
            )
        )
    if need_data and not values.get("data"):
        problems.append(
            SettingError(
                "No data was chosen.", asked=None, available=[d.ref for d in store.listing(ws)][:20], remedy="Add data first.", field="data"
            )
        )
    raise_all([_with_field(p) for p in problems])
    device = devices.get(asked.device)
    benchmarks.ask(ws, device)
    if device_memory is not None and device.kind == "cpu" and not asked.device:
        device = devices.hypothetical(device_memory)
    device, effort = with_reclaimed(ws, device), preset_of(ws, preset)
    notes = template_check.notes_on(ws, chosen(asked, effort), ds, model)
    counts = data_facts(ds, model, ws, chosen(asked, effort), wait=wait, each=each) if ds else None
    plan = planner.plan(asked, model, counts, preset=effort, device=device, device_memory=device_memory)
    if ds:
        plan.warnings += _of_languages(plan, model, ds, counts, device, wait=wait is None)
    plan.notes += notes
    return plan, model, ds, asked


def _of_languages(
    plan: planner.Plan, model: models.Model, ds: store.Dataset, counts: planner.DataFacts, device: devices.Device, *, wait: bool
) -> list[dict[str, Any]]:
    """The plan's warnings about the languages of the rows; without `wait` none while the classifier loads (see `language.told`)."""
    found = language.of_rows(ds) if wait else language.soon_of_rows(ds)

    def suggest(wanted: list[str]) -> model_suggestions.Suggestion:
        return model_suggestions.recommended(device, plan.settings.objective, wanted, there=frozenset(h.id for h in hub.cached()))

    return language_warnings.warnings(model.facts, found, counts.counts.coverage if counts.counts else None, suggest)


def chosen(asked: run_config.RunConfig, preset: presets.Preset | None) -> dict[str, Any]:
    """What a person and the preset have settled."""
    return ({k: v for k, v in preset.settings.items() if v is not None} if preset else {}) | asked.given()


def preset_of(ws: Workspace, name: str | None) -> presets.Preset | None:
    return presets.load(name, ws) if name else None


def with_reclaimed(ws: Workspace, device: devices.Device) -> devices.Device:
    """The device with what a chat would give back to a run counted as free (the supervisor ends it then; not on a CPU)."""
    held = 0 if device.kind == "cpu" else sum(devices.used_by(device, pid) for pid in queue.sharing(ws.machine_folder(), device.id))
    return replace(device, free=min(device.total, device.free + held)) if held else device


def _collect(problems: list, work, *args: Any) -> Any:
    try:
        return work(*args)
    except TunerError as error:
        problems += getattr(error, "errors", [error])
        return None


def _with_field(error: TunerError) -> TunerError:
    if error.field is None and isinstance(error, NotFoundError):
        error.field = "data"
    return error


def start(
    ws: Workspace,
    values: dict[str, Any],
    *,
    preset: str | None = None,
    name: str | None = None,
    id: str | None = None,
    anyway: bool = False,
    about: dict[str, Any] | None = None,
    where: dict[str, Any] | None = None,
    each: Callable[[dict], None] | None = None,
) -> runs.Run:
    """Check, plan, write the run's folder (`id`: instead of one from the name) and put it into the queue. A plan that does not fit is refused
    unless `anyway`; one that loses rows is refused as `row_losses` says. `about`: more for about.json, such as its sweep. `where`: another computer that trains it
    ({"kind": "slurm" or "jobs", "options"}), whose memory is not known here. All rows are counted
    first: `each({"done", "total"})` hears how far that is."""
    plan, model, ds, asked = prepare(ws, values, preset=preset, need_data=True, each=each)
    if model.kind in ("folder", "hub") and (model.facts.path or model.kind == "folder"):
        models.folder_facts(Path(model.facts.path or model.base), need_weights=True)
    refuse(plan, anyway=anyway or bool(where))
    document, wish = _document(plan, model, ds, preset), _wish(model, ds, preset, asked)
    if where:
        require_portable(model, shared=where["kind"] == "slurm")
        document |= {"where": where}
    run = runs.create(ws, wish, document, name=name or unused_name(ws, f"{ds.name}-{model.facts.name.split('/')[-1]}"), id=id)
    if about:
        paths.write_json(run.path / "about.json", run.about | about)
    if model.kind == "hub" and not model.facts.path and not where:
        (run.path / "fetch").write_text(model.base)
    if dry_run.near(plan) and not where:
        (run.path / "measure").touch()
    run_queue.enqueue(ws, run)
    return run


def require_portable(model: models.Model, *, shared: bool = False) -> None:
    """Raise ConflictError for a model that another computer can't get; with `shared` disks it sees folders as well, and no runs of this workspace."""
    if model.kind in ("hub", "starter") or shared and model.kind == "folder" and not model.adapter:
        return
    raise ConflictError(
        f"{model.ref} is on this computer only, so another one can't load it.",
        asked=model.ref,
        available="the starter, or a model by its Hub id",
        remedy="Push the model to the Hub first, or choose one from there.",
        field="model",
    )


def refuse(plan: planner.Plan, *, anyway: bool = False) -> None:
    """Raise what keeps a plan from being started: too little memory (unless `anyway`), or rows that would be lost."""
    if not plan.fits and not anyway:
        raise _unfit(plan)
    if plan.question:
        raise restore(plan.question)


def _unfit(plan: planner.Plan) -> SettingError:
    """The error of a plan that does not fit, with what would."""
    return SettingError(
        f"This needs {human_bytes(plan.peak_bytes)}; {human_bytes(plan.free_bytes)} are free on {plan.device}.",
        asked=plan.peak_bytes,
        available=plan.free_bytes,
        remedy="; ".join(str(r) for r in plan.remedies if r.fits) or "Choose a smaller model.",
        field="model",
    )


def _wish(model: models.Model, ds: store.Dataset, preset: str | None, asked: run_config.RunConfig) -> dict[str, Any]:
    """The document of config.yaml."""
    return {"model": model.ref, "data": ds.ref, **({"preset": preset} if preset else {}), **asked.given()}


def _document(plan: planner.Plan, model: models.Model, ds: store.Dataset, preset: str | None) -> dict[str, Any]:
    """The document of plan.json."""
    return plan.as_dict() | {
        "model": {
            "ref": model.ref,
            "kind": model.kind,
            "base": model.base,
            "revision": model.revision,
            "name": model.facts.name,
            "adapter": str(model.adapter) if model.adapter else None,
            "bytes_per_weight": model.facts.bytes_per_weight,
            "licence": model.facts.licence,
            "languages": list(model.facts.languages),
        },
        "data": {
            "ref": ds.ref,
            "name": ds.name,
            "kind": ds.kind,
            "rows": ds.rows,
            "held_out": ds.held_out,
            "sha256": ds.sha256,
            "system": ds.system,
        },
        "device_name": devices.get(plan.device).name,
        "preset": preset,
        "versions": devices.versions(),
    }


def measure(
    ws: Workspace, values: dict[str, Any], *, preset: str | None = None, device_memory: int | None = None
) -> tuple[planner.Plan, str]:
    """(the plan of a request, the id of its dry run, which now waits for the device); see `dry_run.look` and `dry_run.wait`."""
    values = {"device": devices.get(None).id} | values  # only a device that is here can be measured
    plan, model, ds, asked = prepare(ws, values, preset=preset, device_memory=device_memory, need_data=True)
    if model.kind == "hub" and not model.facts.path:
        raise ConflictError(
            f"{model.base} is not on this computer yet, so it can't be measured.",
            asked=model.base,
            available="models that were downloaded",
            remedy="Start the run: it downloads the model, and measures first where the estimate is close to the limit.",
            field="model",
        )
    if model.kind in ("folder", "hub"):
        models.folder_facts(Path(model.facts.path or model.base), need_weights=True)
    return plan, dry_run.ask(ws, _document(plan, model, ds, preset), _wish(model, ds, preset, asked))


def remedies(ws: Workspace, wish: dict[str, Any], plan: dict[str, Any], found: dict[str, Any]) -> list[fitting.Remedy]:
    """What would make a request fit whose dry run found that it does not: planned again, the micro-batch as it was, with so much less
    memory as the estimate was too low."""
    least = max(found["peak_bytes"], found["free_bytes"] + 1)
    room = found["free_bytes"] * plan["peak_bytes"] / least
    room = min(room, 0.99 * plan["peak_bytes"] / fitting.ROOM)
    same = {name: plan["settings"][name] for name in ("micro_batch", "effective_batch", "gradient_checkpointing", "device")}
    values = {k: v for k, v in wish.items() if k != "preset"} | same
    return prepare(ws, values, preset=wish.get("preset"), device_memory=int(room))[0].remedies


def replan(ws: Workspace, id: str) -> None:
    """Plan a run anew whose model has come meanwhile: its rows can be counted only now. Raises what `start` would have refused."""
    run = runs.get(ws, id)
    preset = run.config.get("preset")
    plan, model, ds, _ = prepare(ws, {k: v for k, v in run.config.items() if k != "preset"}, preset=preset, need_data=True)
    if not plan.fits and run.plan["fits"]:
        raise _unfit(plan)
    if plan.question:
        raise restore(plan.question)
    if dry_run.near(plan):
        (run.path / "measure").touch()
    paths.write_json(run.path / "plan.json", run.plan | _document(plan, model, ds, preset))
    runs.write_status(run.path, warnings=plan.warnings)


def resume(ws: Workspace, id: str, *, processes: int | None = None) -> runs.Run:
    """Put a run that ended early back into the queue; it goes on from its newest whole checkpoint, with the settings it had. `processes`: in
    another number of processes, with the same effective batch."""
    run = runs.get_settled(ws, id)
    if run.state not in ("stopped", "failed", "interrupted") or runs.alive(run, patience=3):
        raise ConflictError(
            f"The run {run.name} is {run.state}.",
            asked=id,
            available="runs that were stopped, failed or interrupted",
            remedy="Start a new run from this one to train it further." if run.state == "finished" else "Wait until it has ended.",
            field="run",
        )
    if processes is not None:
        _share_otherwise(run, processes)
    (run.path / "control").unlink(missing_ok=True)
    runs.write_status(run.path, state="queued", reason=None, error=None, exit_code=None)
    run_queue.enqueue(ws, run)
    return runs.get(ws, id)


def _share_otherwise(run: runs.Run, processes: int) -> None:
    """Write into the plan of a run that another number of processes trains it from now on; SettingError where the batch can't be shared so."""
    settings, plan = run.plan["settings"], run.plan
    other = Settings.from_json(settings).replace(processes=processes)
    raise_all(contradictions.shared(other, devices.get(plan["device"])))
    settings["processes"], settings["device"] = processes, plan["device"]
    plan["devices"] = [d.id for d in devices.together(devices.get(plan["device"]), processes)]
    for reason in plan["reasons"]:
        if reason["setting"] == "processes":
            reason |= {"value": processes, "reason": "Your choice when it was resumed.", "by": "you"}
    paths.write_json(run.path / "plan.json", plan)


def wait(ws: Workspace, id: str, *, each: Callable[[runs.Run], None] | None = None, poll: float = 0.3) -> runs.Run:
    """Wait for a run's end, calling `each(run)` on the way."""

    def look() -> runs.Run:
        run = runs.get(ws, id)
        if each:
            each(run)
        return run

    return Job(ws, "train", ws.run(id)).wait(look, lambda run: run.live, poll=poll)


def demo(ws: Workspace) -> runs.Run:
    """Start the one-minute demo of presets/demo.yaml."""
    p = presets.load("demo")
    ds = sample_data.add(ws, p.data)
    return start(ws, {"model": p.model, "data": ds.ref, **p.settings}, name=unused_name(ws, "demo"))


def unused_name(ws: Workspace, name: str) -> str:
    """Return a name that no run has yet: "demo", "demo 2" ... Two runs of one name can't be told apart in a table."""
    taken = {run.name for run in runs.listing(ws)}
    return numbered(name, taken.__contains__)
