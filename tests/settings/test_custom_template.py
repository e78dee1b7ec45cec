"""The setting chat_template: a name or a template, told apart and checked; a template survives YAML and is shown in short."""

import pytest

from tuner import runs
from tuner.errors import SettingError
from tuner.models import custom_template
from tuner.models.chat_templates import TEMPLATES
from tuner.settings import parsing, presets, run_config

OWN = (
    "{%- for m in messages %}\n{{- m['role'] + ': # not a comment \"quoted\"\\n' }}\n"
    "{%- generation %}{{ m['content'] }}{% endgeneration %}\n{%- endfor %}"
)


def problem_of(value) -> SettingError:
    with pytest.raises(SettingError) as caught:
        parsing.parse({"chat_template": value})
    assert caught.value.field == "chat_template" and caught.value.remedy and caught.value.available
    return caught.value


@pytest.mark.parametrize("value", [*TEMPLATES, *TEMPLATES.values(), OWN, "{{ messages }}"])
def test_names_and_templates_are_taken(value):
    assert parsing.parse({"chat_template": value}).chat_template == value


def test_the_templates_of_trl_are_read():
    """They use all that transformers adds to Jinja: loop controls and the marks of an answer."""
    assert len(custom_template.of_trl()) > 20
    assert [custom_template.problem(t) for t in custom_template.of_trl() if custom_template.problem(t)] == []


def test_lines_end_as_on_every_system():
    assert parsing.parse({"chat_template": "{{ a }}\r\n{{ b }}"}).chat_template == "{{ a }}\n{{ b }}"


def test_another_name_is_refused_with_the_names():
    wrong = problem_of("chatlm")
    assert "chatml" in wrong.remedy and "alpaca" in wrong.available and "Jinja" in wrong.available and wrong.asked == "chatlm"
    assert "{% ... %}" in problem_of("messages[0]").remedy


@pytest.mark.parametrize(
    "template, line, why",
    [
        ("{% for m in messages %}\n{{ m['content' }}\n{% endfor %}", 2, "unexpected '}'"),
        ("{% for m in messages %}\n\n{{ m }}", 3, "endfor"),
        ("\n\n{% nonsense %}", 3, "nonsense"),
        ("{% generation %}", 1, "endgeneration"),
    ],
)
def test_wrong_syntax_is_told_with_its_line(template, line, why):
    wrong = problem_of(template)
    assert f"line {line}:" in wrong.message and why in wrong.message and wrong.remedy == f"Correct line {line}."
    assert "\n" not in str(wrong.asked)


def test_what_is_too_long_or_too_deep_is_refused():
    wrong = problem_of("{{ a }}" + "x" * 50_000)
    assert "50,007 characters" in wrong.message and "50,000" in wrong.available and len(str(wrong.asked)) < 60
    assert problem_of("{{ " + "(" * 20_000 + "a" + ")" * 20_000 + " }}").remedy


def test_constants_are_not_computed_while_it_is_read():
    """Whoever only compiled this would not come back."""
    assert custom_template.problem("{{ 10 ** (10 ** 10) }}") is None


def test_a_template_survives_yaml_and_stays_readable(tmp_path):
    text = parsing.to_yaml({"model": "starter", "chat_template": OWN, "lora_targets": ["q"]})
    assert "chat_template: |-\n  {%- for m in messages %}\n" in text
    assert parsing.read_yaml(text, "it") == {"model": "starter", "chat_template": OWN, "lora_targets": ["q"]}
    runs.fill(tmp_path, {"model": "starter", "chat_template": OWN}, {"settings": {}})
    assert (tmp_path / "config.yaml").read_text().startswith("model: starter\nchat_template: |-\n  {%- for")
    assert runs.read(tmp_path, {"state": "queued"}).config["chat_template"] == OWN
    assert parsing.from_pairs([f"chat_template={OWN}", "chat_template=chatml"]) == {"chat_template": "chatml"}
    assert parsing.from_pairs([f"chat_template={OWN}"]) == {"chat_template": OWN}


def test_a_preset_keeps_a_template(ws):
    assert presets.save(ws, "Mine", {"chat_template": OWN, "epochs": 2.0}).settings == {"chat_template": OWN, "epochs": 2.0}
    assert "  chat_template: |-\n    {%- for" in (ws.presets / "mine.yaml").read_text()


def test_in_lists_a_template_is_shown_in_short():
    said = run_config.shown("chat_template", OWN)
    assert said.startswith(f"custom ({len(OWN)} characters") and run_config.shown("chat_template", "plain") == "plain"
    assert run_config.shown("chat_template", OWN.replace("role", "name")) != said, "templates of one length are told apart"
    assert run_config.shown("prompt_text", OWN) == OWN
