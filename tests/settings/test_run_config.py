"""Every setting has one home: complete, checked all at once, read by the engine, shown once by the form, right in every preset."""

import ast
import re

import pytest

from tests.conftest import ROOT
from tuner import paths
from tuner.errors import NotFoundError, Problems, SettingError
from tuner.settings import parsing, presets, run_config
from tuner.settings.run_config import FIELDS, RunConfig, Settings

HERE = (  # the names of the design's command line that this engine has so far
    "objective method learning_rate epochs max_steps micro_batch effective_batch max_length seed lora_rank lora_alpha lora_dropout "
    "lora_targets use_dora use_rslora gradient_checkpointing packing precision optimizer eval_steps save_steps"
).split()


def problems_of(values: dict) -> list:
    with pytest.raises((Problems, SettingError)) as caught:
        parsing.parse(values)
    return getattr(caught.value, "errors", [caught.value])


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_complete(name):
    field = FIELDS[name]
    assert field.title and field.description.endswith(".") and run_config.group_of(name) in run_config.GROUPS
    assert isinstance(run_config.is_simple(name), bool)
    bounds, default = run_config.limits(name), field.default
    if default is not None:
        assert RunConfig(**{name: default}) and (not run_config.choices(name) or default in run_config.choices(name))
        assert default > bounds.get("gt", float("-inf")) if isinstance(default, float) and "gt" in bounds else True
    if run_config.base_type(name) in (int, float) and not run_config.choices(name):
        assert bounds.keys() & {"gt", "ge"} and bounds.keys() & {"lt", "le"}, "a number has two ends"
    assert run_config.available(name)


@pytest.mark.parametrize("name", [n for n in FIELDS if run_config.limits(n)])
def test_limits_hold(name):
    bounds = run_config.limits(name)
    inside = [bounds[k] for k in ("ge", "le") if k in bounds]
    outside = [bounds[k] for k in ("gt", "lt") if k in bounds]
    outside += [bounds["ge"] - 1] if "ge" in bounds else []
    outside += [bounds["le"] + 1] if "le" in bounds else []
    for value in inside:
        assert getattr(parsing.parse({name: value}), name) == value
    for value in (*outside, float("nan"), "many"):
        (problem,) = problems_of({name: value})
        assert problem.field == name and problem.remedy == f"Choose {run_config.available(name)}." and FIELDS[name].title in problem.message


def test_the_names_scripts_rely_on():
    assert set(HERE) <= set(FIELDS)


def test_all_problems_at_once_each_beside_its_field():
    found = problems_of({"epochs": -1, "lora_rank": 0, "precision": "fp8", "learnign_rate": 1, "device": "gpu"})
    assert {p.field for p in found} == {"epochs", "lora_rank", "precision", "learnign_rate", "device"}
    unknown = next(p for p in found if p.field == "learnign_rate")
    assert "learning_rate" in unknown.remedy and "learning_rate" in unknown.available
    assert next(p for p in found if p.field == "precision").available == "bf16 or fp16 or fp32"


def test_a_list_for_a_number_is_one_problem():
    assert [p.field for p in problems_of({"lora_targets": {"q": 1}})] == ["lora_targets"]
    assert [p.field for p in problems_of({"epochs": [1, 2]})] == ["epochs"]


def test_what_is_no_mapping_is_refused():
    with pytest.raises(SettingError, match="not a list of names and values"):
        parsing.parse(["epochs"])


def test_empty_means_open():
    asked = parsing.parse({"learning_rate": "", "epochs": 2})
    assert asked.learning_rate is None and asked.given() == {"learning_rate": None, "epochs": 2.0}
    assert parsing.parse({"model": "starter", "data": "a@1", "seed": 1}).given() == {"seed": 1}


def test_pairs_are_yaml():
    pairs = ["learning_rate=1e-4", "lora_targets=[q, v]", "max_steps=null", "use_dora=true", "objective=chat", "a=b=c", "epochs= 2.5 "]
    assert parsing.from_pairs(pairs) == {
        "learning_rate": 1e-4,
        "lora_targets": ["q", "v"],
        "max_steps": None,
        "use_dora": True,
        "objective": "chat",
        "a": "b=c",
        "epochs": 2.5,
    }


def test_bad_pairs_are_told_together():
    with pytest.raises(Problems) as caught:
        parsing.from_pairs(["epochs", "lora_targets=[q,", "seed=1"])
    assert [e.field for e in caught.value.errors] == ["epochs", "lora_targets"]


def test_files_are_read_as_pairs_are(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("learning_rate: 1e-4\nlora_targets: [q, v]\nmodel: starter\n# a comment\nseed: 7\n")
    assert parsing.load_yaml(file) == {"learning_rate": 1e-4, "lora_targets": ["q", "v"], "model": "starter", "seed": 7}
    values = {"method": "lora", "lora_targets": ["q"], "learning_rate": 0.0002, "seed": None}
    file.write_text(parsing.to_yaml(values))
    assert parsing.load_yaml(file) == {k: v for k, v in values.items() if v is not None}


@pytest.mark.parametrize("text", ["a: [b", "\t- x: y: z", "- just\n- a list\n", "only words", "\xff\xfe\x00"])
def test_broken_files_are_setting_errors(tmp_path, text):
    file = tmp_path / "run.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingError) as caught:
        parsing.parse(parsing.load_yaml(file))
    assert caught.value.remedy
    with pytest.raises(SettingError, match="can't be read"):
        parsing.load_yaml(tmp_path / "missing.yaml")


# --- one home ------------------------------------------------------------------------------------------------------------


def words_in(*files) -> set[str]:
    """Strings, attributes and argument names in the code, docstrings and comments left out."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                found.add(node.value)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
    return found


FOR_THE_WORKERS = [ROOT / "tuner" / "settings" / name for name in ("trainer_arguments.py", "losses.py")]  # what they hand to TRL


def test_every_setting_is_read_by_a_worker_or_the_planner():
    engine = [*(ROOT / "tuner" / "planning").glob("*.py"), ROOT / "tuner" / "jobs" / "training.py", *FOR_THE_WORKERS]
    assert not set(FIELDS) - words_in(*engine, *(ROOT / "tuner" / "workers").rglob("*.py"))


def test_every_setting_of_the_worker_reaches_the_trainer_or_the_model():
    """What only the planner reads would be planned and then forgotten."""
    planner_only = {"model", "data", "device", "objective", "lora_targets", "accept_lost_rows"}
    rooms = (ROOT / "tuner" / "workers" / room for room in ("training", "modelling", "tokenization"))
    trained = words_in(*FOR_THE_WORKERS, *(f for room in rooms for f in room.glob("*.py")))
    assert not set(FIELDS) - trained - planner_only


def test_every_setting_is_shown_once():
    from ui.train_views import form

    shown = [*form.FIRST, *(n for names in form.groups().values() for n in names), *form.OWN]
    assert sorted(shown) == sorted(FIELDS)


def test_the_form_gives_back_what_it_shows():
    from ui.train_views import form

    for name in FIELDS:
        values = [*(run_config.choices(name) or []), *([True, False] if run_config.base_type(name) is bool else [None])]
        values += [["q", "v"]] if name == "lora_targets" else []
        for value in values:
            assert form.read(name, form.show(name, value)) == value, name


def test_the_table_names_every_setting():
    table = run_config.settings_table().splitlines()
    assert [re.match(r"\| `(\w+)`", line)[1] for line in table[2:]] == [
        n for g in run_config.GROUPS for n in FIELDS if run_config.group_of(n) == g
    ]


# --- presets -------------------------------------------------------------------------------------------------------------

FILES = sorted(f for f in paths.PRESETS.glob("*.yaml") if f.name not in ("catalog.yaml", "kinds.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_preset_loads_and_says_why(file):
    preset = presets.load(file.stem)
    assert preset.title and preset.sentence.endswith(".") and parsing.parse(preset.settings)
    lines = file.read_text(encoding="utf-8").splitlines()
    begin = lines.index("settings:")
    for above, line in zip(lines[begin:], lines[begin + 1 :], strict=False):
        assert line.strip().startswith("#") or above.strip().startswith("#"), f"{file.name}: no comment above {line.strip()}"


def test_the_presets_of_the_design():
    assert [p.name for p in presets.listing()] == ["quick", "balanced", "quality"]
    with pytest.raises(NotFoundError) as caught:
        presets.load("../quick")
    assert caught.value.field == "preset" and caught.value.available == ["quick", "balanced", "quality"]


def test_settings_are_changed_by_name_and_a_name_that_is_none_is_an_error():
    one = Settings(method="ia3", epochs=2)
    other = one.replace(epochs=5, max_length=64)
    assert (one.epochs, other.epochs, other.max_length, other.method) == (2, 5, 64, "ia3")
    with pytest.raises(ValueError, match="epoch"):
        one.replace(epoch=5)
    with pytest.raises(AttributeError):
        _ = one.epoch


def test_stored_settings_of_another_version_are_read():
    stored = {"method": "lora", "lora_rank": 4, "of_tomorrow": True, "max_steps": None}
    read = Settings.from_json(stored)
    assert (read.lora_rank, read.adapter_precision, read.max_steps) == (4, "fp32", None) and not hasattr(read, "of_tomorrow")
    assert read.as_json() == {"method": "lora", "lora_rank": 4, "max_steps": None}, "only what was stored"


def test_the_form_and_the_settings_have_the_same_names_in_the_same_order():
    assert list(FIELDS) == ["model", "data", *Settings.model_fields] and set(RunConfig.model_fields) == set(FIELDS)
