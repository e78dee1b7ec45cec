"""Strangers' chat templates: which are known, what a trial under limits lets through, and that nobody waits for ever."""

import copy
import json
import shutil
import time

import pytest

from tuner import paths
from tuner.errors import ModelError
from tuner.models import custom_template
from tuner.workers.tokenization import template_sandbox, timeout, tokenizer_loader
from tuner.workers.tokenization.lm_rows import prepare

TALK = [{"role": "user", "content": "What is 1 plus 1?"}, {"role": "assistant", "content": "It is 2."}]
GOOD = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{{ eos_token }}\n{% endfor %}"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}" + GOOD
SLOW_ON_LONG = "{% if messages[0]['content'] | length > 3000 %}" + ENDLESS + "{% endif %}" + GOOD


@pytest.fixture(scope="module")
def starter():
    return tokenizer_loader.tokenizer(paths.STARTER)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_MACHINE", str(tmp_path))
    return tmp_path


def attempt(template: str) -> dict:
    return template_sandbox.try_out(template, {"eos_token": "<e>", "bos_token": "<b>"})


def test_a_good_template_passes_and_is_remembered(machine, monkeypatch):
    template_sandbox.check(GOOD, {"eos_token": "<e>"})
    monkeypatch.setattr(template_sandbox, "try_out", lambda *_: pytest.fail("tried twice"))
    template_sandbox.check(GOOD, {"eos_token": "<e>"})
    assert len(paths.read_json(machine / "templates.json")) == 1


def test_what_is_known_is_not_tried(machine, starter, monkeypatch):
    monkeypatch.setattr(template_sandbox, "try_out", lambda *_: pytest.fail("tried"))
    template_sandbox.check(starter.chat_template, {})
    template_sandbox.check({"default": tokenizer_loader.PLAIN_TEMPLATE, "tool_use": next(iter(template_sandbox.of_trl()))}, {})
    assert not (machine / "templates.json").exists()


@pytest.mark.parametrize(
    "template, why",
    [
        (ENDLESS, "within 2 seconds"),
        ("{{ 'x' * 4000000000 }}" + GOOD, "MB"),
        ("{% for i in range(99999) %}{{ 'many words ' * 5 }}{% endfor %}" + GOOD, "characters"),
        ("{% if %}", "refuses every conversation"),
        ("{{ raise_exception('Never.') }}", "Never."),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "refuses every conversation"),
    ],
)
def test_a_bad_template_is_refused_in_words(template, why):
    began = time.monotonic()
    verdict = attempt(template)
    assert not verdict["works"] and why in verdict["why"] and time.monotonic() - began < 30


def test_a_template_may_refuse_some_conversations():
    verdict = attempt("{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system turns.') }}{% endif %}" + GOOD)
    assert verdict["works"] and [bool(r) for r in verdict["refusals"]] == [False, False, True, False, False]


def test_a_model_with_an_endless_template_is_refused(machine, tmp_path):
    folder = tmp_path / "stranger"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(paths.STARTER / name, folder)
    (folder / "chat_template.jinja").write_text(ENDLESS)
    with pytest.raises(ModelError, match="does not finish") as caught:
        tokenizer_loader.tokenizer(folder)
    assert caught.value.field == "model" and caught.value.remedy and not (machine / "templates.json").exists()
    (folder / "chat_template.jinja").write_text(GOOD)
    assert tokenizer_loader.tokenizer(folder).chat_template == GOOD


def test_a_batch_that_hangs_ends_with_words(starter):
    """Passed the trial, and loops on one row of the data."""
    other = copy.deepcopy(starter)
    other.chat_template = SLOW_ON_LONG
    rows = [{"messages": TALK}, {"messages": [{"role": "user", "content": "a" * 4000}, TALK[1]]}]
    began = time.monotonic()
    with pytest.raises(ModelError, match="more than 0.5 seconds") as caught:
        prepare(other, rows, kind="chat", objective="chat", max_length=64, limit=0.5)
    assert "rows 1 to" in caught.value.message and time.monotonic() - began < 10
    assert len(prepare(starter, rows, kind="chat", objective="chat", max_length=4096, limit=30)) == 2


def test_a_limit_that_is_kept_leaves_no_trace():
    with timeout.limited("nothing", 0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(KeyError), timeout.limited("nothing", 5):
        raise KeyError


def test_marked_copies_are_those_of_trl(starter):
    """Read without importing TRL, and the same as what TRL itself answers."""
    from trl.chat_template_utils import get_training_chat_template

    twins = template_sandbox.of_trl()
    assert sum(twin is not None for twin in twins.values()) > 20
    for text, twin in twins.items():
        if custom_template.MARK.search(text):
            assert template_sandbox.marked(text) == (text, "own")
        elif twin:
            other = copy.deepcopy(starter)
            other.chat_template = text
            assert template_sandbox.marked(text) == (twin, "trl") and get_training_chat_template(other) == twin
            assert template_sandbox.training_template(other) == twin
        else:
            assert template_sandbox.marked(text) == (None, "prefixes")


def test_the_trial_runs_without_torch():
    from tests.conftest import fresh

    code = (
        "import sys, json, io\nsys.modules['torch'] = None\nfrom tuner.workers.tokenization import template_sandbox\n"
        "print(json.dumps([template_sandbox._attempt(sys.argv[1], {})['works'], sys.modules['torch'] is None]))"
    )
    assert json.loads(fresh(code, GOOD).splitlines()[-1]) == [True, True]
