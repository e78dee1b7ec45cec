"""Model references (the starter, a folder, an adapter, a run, a Hub id), resolved from config.json and safetensors headers, not weights."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.errors import ModelError, NotFoundError, TunerError
from tuner.models import card_languages, hub_facts, model_files, stored_formats
from tuner.models.catalog_file import catalog, catalog_facts
from tuner.models.facts import Model, ModelFacts
from tuner.models.local import HUB_ID, base_folder, cached_snapshot, folder_facts, is_adapter
from tuner.models.model_files import document
from tuner.network import hub_token


def resolve(ref: str, ws: paths.Workspace | None = None, *, need_weights: bool = False) -> Model:
    """Return the model that `ref` names: 'starter', a folder, a run's id or a Hub id.

    Raises NotFoundError or ModelError that says what is missing. A folder with only config.json is enough for a plan;
    `need_weights` requires weights and a tokenizer as well.
    """
    ref = str(ref).strip()
    if ref == "starter":
        return Model(ref, "starter", folder_facts(paths.STARTER, need_weights=True, name="starter"), str(paths.STARTER))
    if ws is not None and paths.ID.fullmatch(ref) and (ws.runs / ref / "status.json").exists():
        return _from_run(ref, ws)
    if (folder := _folder(ref)) is not None:
        if is_adapter(folder):
            return _from_adapter(folder, need_weights)
        has_weights = bool(model_files.weights(folder))  # a model with weights is meant to be trained
        return Model(str(folder), "folder", folder_facts(folder, need_weights=need_weights or has_weights), str(folder))
    stored_formats.check_reference(ref)
    if HUB_ID.fullmatch(ref):
        return _from_hub(ref, ws.token if ws else None)
    raise NotFoundError(
        f"There is no model called {ref[:80]!r}.",
        asked=ref[:80],
        available="starter, a folder, a Hub id (owner/name) or a run's id",
        remedy="Choose one from the list, or enter the folder's full path.",
        field="model",
    )


def _folder(ref: str) -> Path | None:
    """Return `ref` as a path when it is written like one or such a folder exists, otherwise None; ModelError for a file."""
    try:
        folder = Path(ref).expanduser()
        is_folder = folder.is_dir()  # raises here, and not later, for an impossible path
        if folder.is_file():
            raise _a_file(folder)
        return folder.resolve() if ref.startswith(("/", "~", ".")) or "\\" in ref or is_folder else None
    except (OSError, RuntimeError, ValueError):  # a name that is too long, an unknown user's home, a null byte
        return None


def _a_file(file: Path) -> ModelError:
    stored_formats.check_reference(str(file))
    return ModelError(
        f"{file.name} is a file, but a model is a folder.",
        asked=str(file)[:200],
        available="folders with config.json, a tokenizer and *.safetensors",
        remedy=f"Choose the folder that contains it: {file.parent}.",
        field="model",
    )


def _from_adapter(folder: Path, need_weights: bool) -> Model:
    """Return an adapter that was trained elsewhere (or exported from here) on the base model that it names, to continue from."""
    named = document(folder / "adapter_config.json").get("base_model_name_or_path")
    named = named if isinstance(named, str) else None
    if not named or not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{folder.name} contains an adapter that " + ("names no base model." if not named else "has no adapter_model.safetensors."),
            asked=str(folder),
            available="folders that PEFT saved, with safetensors",
            remedy='Write the base model into "base_model_name_or_path" of adapter_config.json.'
            if not named
            else "Save it again with save_pretrained.",
            field="model",
        )
    base = _base_of(folder, named)
    if (found := _folder(base)) is not None and is_adapter(found):
        raise ModelError(
            f"{folder.name} contains an adapter whose base model is another adapter.",
            asked=named[:200],
            available="an adapter of a complete model",
            remedy="Merge the other adapter into its base model, and name the merged model.",
            field="model",
        )
    try:
        start = resolve(base, need_weights=need_weights)
    except TunerError as error:
        raise _no_base(folder, named, error) from error
    return Model(str(folder), start.kind, _facts_with(folder, start.facts), start.base, adapter=folder, revision=start.revision)


def _base_of(folder: Path, named: str) -> str:
    """Return the base model that an adapter names; a relative path is resolved against the adapter's folder only."""
    beside = _folder(str(folder / named))
    if beside is not None and (beside.is_dir() or named.startswith(".")):
        return str(beside)
    return named


def _no_base(folder: Path, named: str, error: TunerError) -> ModelError:
    remedy = f'{error.remedy.rstrip()} Or write the path of the base model into "base_model_name_or_path" of adapter_config.json.'
    return ModelError(
        f"The base model of the adapter in {folder.name}, {named[:200]}, can't be used: {error.message}",
        asked=named[:200],
        available=error.available,
        remedy=remedy,
        field="model",
    )


def _from_run(id: str, ws: paths.Workspace) -> Model:
    plan = paths.read_json(ws.run(id) / "plan.json", {})
    folder = ws.run(id) / "model"
    if not folder.is_dir() or not plan:
        raise ModelError(
            f"The run {id} has no model to start from.",
            asked=id,
            available="runs that finished or were stopped after their first save",
            remedy="Choose another run, or resume this one.",
            field="model",
        )
    if plan["settings"]["method"] == "full":
        facts = folder_facts(folder, need_weights=True, name=id)
        return Model(id, "run", replace(facts, languages=facts.languages or _of_base(plan["model"])), str(folder))
    start = resolve(plan["model"]["base"], None)
    facts = _facts_with(folder, start.facts)
    return Model(id, "run", facts, start.base, adapter=folder, revision=plan["model"].get("revision"))


def _facts_with(adapter: Path, base: ModelFacts) -> ModelFacts:
    """Return the facts of a base model with an adapter, whose tokenizer may have a chat template that the base model lacks."""
    own = (adapter / "tokenizer.json").exists() and model_files.has_template(adapter)
    return replace(base, has_template=True) if own and not base.has_template else base


def _of_base(trained: dict[str, Any]) -> tuple[str, ...]:
    """Return the languages of the model that a run was trained from: as its plan has them, else as they are known here."""
    base = trained["base"]
    if "languages" in trained:
        return tuple(trained["languages"])
    entry = next((e for e in catalog() if e["id"] == base), None)
    folder = base_folder(base)
    return (card_languages.of_entry(entry) if entry else ()) or (card_languages.of_card(folder) if folder else ())


def _from_hub(id: str, token: str | None) -> Model:
    entry = next((e for e in catalog() if e["id"].lower() == id.lower()), None)
    if (folder := cached_snapshot(id)) is not None:
        facts = folder_facts(folder, name=id, need_weights=True)
        facts = replace(facts, languages=card_languages.of_entry(entry) or facts.languages) if entry else facts
        return Model(id, "hub", facts, id, revision=folder.name)
    if entry:
        return Model(entry["id"], "hub", catalog_facts(entry), entry["id"])
    return Model(id, "hub", hub_facts.facts(id, hub_token.for_calls(token)), id)


FAMILIES = {"decoder": "generates text", "encoder": "labels text", "encoder-decoder": "turns one text into another"}


def listing(ws: paths.Workspace, *, most: int | None = None) -> list[tuple[str, str]]:
    """Return (title, ref) of the models to start from: the starter, the workspace's runs (only the `most` newest), the catalog."""
    out = [("Starter (4 million parameters, comes with the app)", "starter")]
    out += [(f"{r.name} (fine-tuned here)", r.id) for r in islice((r for r in runs.listing(ws) if r.can_answer), most)]
    for entry in catalog():
        facts = catalog_facts(entry)
        title = f"{entry['id']} · {facts.parameters / 1e9:.2g}B · {FAMILIES[facts.family]} · {entry['licence']}"
        out.append((title + (" · gated" if facts.gated else ""), entry["id"]))
    return out


def describe(model: Model) -> str:
    """Describe a model in one line for the form: size, family, context, location, licence."""
    f = model.facts
    size = f"{f.parameters / 1e9:.1f} billion parameters" if f.parameters >= 1e9 else f"{f.parameters / 1e6:.1f} million parameters"
    where = {"starter": "comes with the app", "folder": "a folder on this computer", "run": "fine-tuned here"}.get(
        model.kind, "on this computer" if f.path else f"will be downloaded ({f.parameters * 2 / 1e9:.1f} GB)"
    )
    parts = [size, FAMILIES[f.family], f"reads up to {f.context:,} tokens", where]
    return " · ".join(parts + ([f.licence] if f.licence else []) + (["gated: accept its terms on the Hub first"] if f.gated else []))
