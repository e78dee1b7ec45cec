"""Presets: the app's own with a comment above each key, a person's kept from the form, and files that can't be read."""

import pytest

from tuner import paths
from tuner.data.store import sample_data
from tuner.errors import NotFoundError, SettingError
from tuner.jobs import training
from tuner.planning import planner
from tuner.planning.decisions import Decision
from tuner.settings import parsing, presets, run_config


def test_each_preset_explains_each_of_its_keys():
    for file in paths.PRESETS.glob("*.yaml"):
        lines = file.read_text(encoding="utf-8").splitlines()
        if file.stem in ("catalog", "kinds"):
            continue
        keys = [i for i, line in enumerate(lines) if line.startswith("  ") and not line.strip().startswith("#")]
        assert keys and all(lines[i - 1].strip().startswith("# ") for i in keys), file.name


def test_a_preset_is_kept_from_the_form_and_used(ws):
    ds = sample_data.add(ws, "persona")
    kept = presets.save(
        ws, "  Long   letters ", {"epochs": 7, "lora_targets": ["q", "v"], "learning_rate": 3e-4, "model": "starter", "device": "cpu"}
    )
    assert (kept.name, kept.title, kept.own) == ("long-letters", "Long letters", True)
    assert kept.settings == {"epochs": 7, "lora_targets": ["q", "v"], "learning_rate": 3e-4}, "model and device are no effort"
    text = (ws.presets / "long-letters.yaml").read_text(encoding="utf-8")
    assert text.count("  # ") == 3 and run_config.FIELDS["epochs"].title in text
    assert [p.name for p in presets.listing(ws)] == [*presets.ORDER, "long-letters"] and len(presets.listing()) == 3
    plan, *_ = training.prepare(ws, {"model": "starter", "data": ds.ref}, preset="long-letters")
    assert plan.settings.epochs == 7
    (told,) = (r for r in plan.reasons if r.setting == "epochs")
    assert told == Decision("epochs", 7, "From the preset 'Long letters'.", "preset")
    assert presets.save(ws, "Long letters", {"epochs": 2}).settings == {"epochs": 2}, "the same name replaces it"
    presets.delete(ws, "long-letters")
    assert [p.name for p in presets.listing(ws)] == list(presets.ORDER)


def test_letters_of_a_title_are_kept_in_its_id_and_an_older_spelling_is_replaced(ws):
    assert presets.save(ws, "Für Läden", {"epochs": 2}).name == "fuer-laeden"
    (ws.presets / "fuer-laeden.yaml").rename(ws.presets / "f-r-l-den.yaml")  # as an earlier version spelled it
    assert presets.save(ws, "Für Läden", {"epochs": 3}).name == "f-r-l-den" and len(list(ws.presets.glob("*.yaml"))) == 1


def test_what_can_not_be_kept(ws):
    for title, settings in (
        ("", {"epochs": 2}),
        ("!!!", {"epochs": 2}),
        ("Balanced", {"epochs": 2}),
        ("mine", {}),
        ("mine", {"model": "starter"}),
    ):
        with pytest.raises(SettingError) as caught:
            presets.save(ws, title, settings)
        assert caught.value.field == "preset"
    with pytest.raises(SettingError) as caught:
        presets.save(ws, "mine", {"epochs": -1})
    assert caught.value.field == "epochs" and not list(ws.presets.glob("*")) if ws.presets.exists() else True
    with pytest.raises(SettingError):
        presets.delete(ws, "balanced")


def test_a_file_that_can_not_be_read_is_left_out_and_says_why_by_name(ws, capsys):
    ws.presets.mkdir(parents=True)
    (ws.presets / "broken.yaml").write_text("settings: [")
    (ws.presets / "strange.yaml").write_text("title: X\nsettings:\n  nose: 3\n")
    (ws.presets / "flat.yaml").write_text("settings: 3\n")
    (ws.presets / "Not An Id.yaml").write_text("settings:\n  epochs: 1\n")
    assert [p.name for p in presets.listing(ws)] == list(presets.ORDER)
    assert "nose" in capsys.readouterr().out
    for name in ("broken", "strange", "flat"):
        with pytest.raises(SettingError):
            presets.load(name, ws)
    for name in ("../balanced", "nowhere", "Not An Id"):
        with pytest.raises(NotFoundError) as caught:
            presets.load(name, ws)
        assert caught.value.available[:3] == list(presets.ORDER)


def test_a_preset_is_handed_to_the_planner_as_it_is(ws):
    mine = presets.save(ws, "short", {"max_steps": 5})
    found = planner.plan(parsing.parse({}), training.models.resolve("starter"), None, preset=mine)
    assert found.steps == 5
