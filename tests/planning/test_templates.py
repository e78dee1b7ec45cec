"""What a plan says about a person's chat template, and that it reaches the count of all rows."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tuner import models, paths
from tuner.errors import SettingError
from tuner.jobs import training
from tuner.planning import decisions, planner, templates, token_counts
from tuner.settings import parsing
from ui.run_views import compare

OWN = (
    "{% for m in messages %}{{ m['role'] + ': ' }}{% generation %}{{ m['content'] + eos_token }}{% endgeneration %}\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
MANY = OWN.replace("': '", "': ' + 'word ' * 50")


def planned(ws, data, **settings):
    return training.prepare(ws, {"model": "starter", "data": data.ref, "device": "cpu"} | settings)[0]


def named(plan, name: str) -> list:
    return [w for w in plan.warnings if w["name"] == name]


@pytest.fixture
def bare(tmp_path):
    """The starter without its template."""
    folder = tmp_path / "bare"
    shutil.copytree(paths.STARTER, folder, ignore=shutil.ignore_patterns("chat_template.jinja"))
    return folder


def test_a_template_replaces_the_models_own_and_a_name_does_not(ws, data):
    assert not named(planned(ws, data), "template_replaced")
    plan = planned(ws, data, chat_template=OWN)
    (warning,) = named(plan, "template_replaced")
    assert "taught another format" in warning["message"] and plan.settings.chat_template == OWN and not plan.ignored
    own = (paths.STARTER / "chat_template.jinja").read_text()
    assert not named(planned(ws, data, chat_template=own + "\n"), "template_replaced"), "it is the model's own, written out"
    plan = planned(ws, data, chat_template="alpaca")
    assert not named(plan, "template_replaced") and "own chat template" in plan.ignored["chat_template"]


def test_for_a_model_without_one_it_replaces_nothing(ws, data, bare):
    plan = planned(ws, data, model=str(bare), chat_template=OWN)
    assert not plan.warnings or not named(plan, "template_replaced")
    assert any("written with yours" in n for n in plan.notes) and not any("look like this" in n for n in plan.notes)
    assert any("look like this" in n for n in planned(ws, data, model=str(bare), chat_template="chatml").notes)


def test_where_no_conversation_is_written_it_has_no_effect(ws, data):
    plan = planned(ws, data, chat_template=OWN, objective="text")
    assert "chat_template" in plan.ignored and not named(plan, "template_replaced")
    facts = replace(models.resolve("starter").facts, family="encoder")
    assert templates.ignored(OWN, facts) == "Only decoder models have one."


def test_all_rows_are_counted_with_it(ws, data):
    few, many = (planned(ws, data, chat_template=t) for t in (OWN, MANY))
    assert few.rows and many.rows and many.settings.max_length > few.settings.max_length + 50
    model = models.resolve("starter", ws)
    files = {token_counts.question(data, model, {"chat_template": t}).file for t in (OWN, MANY, "plain", None)}
    assert len(files) == 3, "a name has no effect on a model with a template"


def test_tables_show_it_in_short_and_the_settings_whole(ws, data):
    document = planned(ws, data, chat_template=OWN).as_dict()
    (reason,) = [r for r in document["reasons"] if r["setting"] == "chat_template"]
    assert reason["value"].startswith("custom (") and len(reason["value"]) < 50 and document["settings"]["chat_template"] == OWN


def test_one_that_does_not_work_is_refused_before_the_start(ws, data):
    with pytest.raises(SettingError, match="line 1: 'nope' is undefined") as caught:
        planned(ws, data, chat_template="{{ nope.x }}")
    assert caught.value.field == "chat_template"
    planned(ws, data, chat_template="{{ nope.x }}", objective="text")  # there it has no effect


def test_what_a_chat_would_ask_otherwise_is_a_note(ws, data):
    marked = OWN.split("{% if add")[0]
    assert any("add_generation_prompt" in n for n in planned(ws, data, chat_template=marked).notes)


def test_a_preset_may_bring_one(ws, data):
    choices = decisions.Choices(parsing.parse({}).given(), None)
    choices.put("chat_template", OWN, "preset", "")
    assert templates.warnings(choices, models.resolve("starter")) == [], "the objective is open"
    choices.put("objective", "chat", "planner", "")
    assert [w["name"] for w in templates.warnings(choices, models.resolve("starter"))] == ["template_replaced"]
    assert (
        planner.ignored(choices, planner.methods.get("lora"), models.resolve("starter").facts, decisions.DataFacts("chat", 9, 1, 9, 9))
        == {}
    )


@pytest.mark.parametrize("objective, used", [("chat", OWN), ("preference", OWN), ("text", None), ("classification", None)])
def test_only_objectives_with_conversations_use_one(objective, used):
    assert parsing.parse({"objective": objective, "chat_template": OWN}).template == used


@pytest.mark.parametrize("own", [True, False])
def test_an_adapter_brings_the_template_that_its_base_lacks(ws, data, bare, tmp_path, own):
    """What was trained with a named template has one of its own from then on: another name would not be used."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(f'{{"peft_type": "LORA", "base_model_name_or_path": "{bare}"}}')
    (folder / "adapter_model.safetensors").touch()
    shutil.copy(paths.STARTER / "tokenizer.json", folder)
    if own:
        (folder / "chat_template.jinja").write_text(OWN)
    model = models.resolve(str(folder), ws)
    assert model.facts.has_template is own and (templates.own(model) or "") == (OWN if own else "")


def test_runs_are_compared_by_templates_in_short(tmp_path):
    def run(template: str):
        plan = {"settings": {"chat_template": template}, "model": {"name": "starter"}}
        return SimpleNamespace(
            plan=plan, brief=plan["model"] | {"model": "starter"}, config={"data": "a@1"}, name="run", id="run", best=None, path=tmp_path
        )

    said = compare.differences([run(OWN), run(OWN.replace("role", "name"))])
    assert said.count("custom (") == 2 and "messages" not in said
