"""A person's template is tried before anything is trained: what it must do, what it is told when it does not, and that it harms nothing."""

import time

import pytest

from tests.conftest import chat_rows, write_rows
from tuner import models, paths
from tuner.data.store import store
from tuner.errors import SettingError
from tuner.jobs import template_check
from tuner.models.chat_templates import CHATML, PLAIN
from tuner.paths import Workspace
from tuner.workers.tokenization import template_sandbox
from tuner.workers.tokenization.loss_mask import Rendered
from tuner.workers.tokenization.row_view import pieces

GOOD = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}\n{{ raise_exception('No system turns.') }}{% endif %}"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Workspace:
    """One workspace for all: the process that tries templates is started once."""
    return Workspace(tmp_path_factory.mktemp("home")).prepare()


@pytest.fixture(scope="module")
def sums(home, tmp_path_factory) -> store.Dataset:
    return store.add(home, write_rows(tmp_path_factory.mktemp("sums") / "sums.jsonl", chat_rows(20)), held_out=0.2)


@pytest.fixture(scope="module")
def starter(home):
    return models.resolve("starter", home)


@pytest.fixture(autouse=True)
def _new(monkeypatch):
    monkeypatch.setattr(template_check, "_found", type(template_check._found)())


def text_of(trial, trained: bool | None = None) -> str:
    return "".join(t["text"] for t in trial.row["tokens"] if trained in (None, t["trained"]))


def test_a_row_is_shown_as_training_reads_it(home, sums, starter):
    trial = template_check.look(home, PLAIN, sums, starter)
    value = store.rows(sums, 0, 1)[0]["value"]["messages"]
    assert trial.problem is None and not trial.placeholders and not trial.sample and trial.notes == []
    assert text_of(trial) == f"User: {value[0]['content']}\nAssistant:\n{value[1]['content']}<|im_end|>\n"
    assert text_of(trial, trained=True) == f"{value[1]['content']}<|im_end|>" and trial.row["row"] == 1
    assert trial.row["length"] == len(trial.row["tokens"]) and any(t["special"] for t in trial.row["tokens"])


def test_without_a_tokenizer_special_tokens_are_placeholders_and_without_data_a_sample_speaks(home):
    trial = template_check.look(home, GOOD, None, None)
    assert trial.placeholders and trial.sample and trial.row["length"] is None
    assert text_of(trial).startswith("[system]") and text_of(trial, trained=True) == "It is 2.<eos>"


def test_system_messages_are_folded_as_in_training(home, tmp_path, starter):
    rows = [{"messages": [{"role": "system", "content": "Be kind."}, *r["messages"]]} for r in chat_rows(20)]
    ds = store.add(home, write_rows(tmp_path / "kind.jsonl", rows), held_out=0.2)
    refused = template_check.look(home, NO_SYSTEM + CHATML, ds, starter)
    assert "line 2: No system turns" in refused.problem.message, "it refuses each row of this dataset"
    folded = template_check.look(home, NO_SYSTEM + CHATML, ds, starter, fold_system=True)
    assert folded.problem is None and "Be kind.\n\n" in text_of(folded)


def test_a_template_may_refuse_some_rows(home, tmp_path, starter):
    system = {"messages": [{"role": "system", "content": "Be kind."}, *chat_rows(1)[0]["messages"]]}
    ds = store.add(home, write_rows(tmp_path / "some.jsonl", [system, *chat_rows(20)]), held_out=0.2)
    trial = template_check.look(home, NO_SYSTEM + CHATML, ds, starter)
    assert trial.problem is None and "system" in trial.row["problem"], "the row that is shown says why it is left out"


LOOP = "{% for m in messages %}\n"


@pytest.mark.parametrize(
    "template, why, remedy",
    [
        (LOOP + "{{ m['content'] | nope }}\n{% endfor %}", "line 2: No filter named 'nope'", "line 2"),
        (LOOP + "\n{{ m['content'] + nope }}\n{% endfor %}", "line 3: 'nope' is undefined", "line 3"),
        (LOOP + "{{ raise_exception('Never.') }}\n{% endfor %}", "line 2: Never", "line 2"),
        ("a\n{{ messages.__class__.__mro__[1].__subclasses__() }}", "line 2: access to attribute '__class__'", "line 2"),
        ("\n{% for i in range(10**9) %}{% endfor %}" + GOOD, "line 2: OverflowError: Range too big", "line 2"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "line 1: RecursionError", "line 1"),
        (ENDLESS + GOOD, "does not finish within 2 seconds", "loops"),
        ("{{ 10 ** (10 ** 10) }}" + GOOD, "does not finish within 2 seconds", "loops"),
        ("{{ 'x' * 4000000000 }}" + GOOD, "more than 512 MB", "less"),
        ("{% for i in range(99999) %}{{ 'many words ' * 5 }}{% endfor %}" + GOOD, "writes 5,500", "less"),
        ("Hello {{ 'you' }}", "does not write the answers", "generation"),
        (LOOP + "{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}", "does not write the answers", "generation"),
        (LOOP + "{% generation %}x{% endgeneration %}{{ m.content }}{% endfor %}", "does not contain the whole answer", "endgeneration"),
        (LOOP + "{% generation %}x{% endgeneration %}{% endfor %}", "is not in the text", "message['content']"),
        ("{% generation %}{{ messages[-1].content }}{% endgeneration %}", "", ""),  # the last message is enough for one turn
    ],
)
def test_a_template_that_can_not_be_used_is_refused_in_words_and_in_time(home, sums, starter, template, why, remedy):
    began = time.monotonic()
    trial = template_check.look(home, template, sums, starter)
    assert time.monotonic() - began < 60
    if not why:
        assert trial.problem is None
        return
    assert why in trial.problem.message and remedy in trial.problem.remedy and trial.problem.available, trial.problem.message
    assert trial.problem.field == "chat_template" and len(str(trial.problem.asked)) <= 80 and trial.row is None


def test_a_constant_answer_is_seen_by_asking_for_another(home, tmp_path, starter):
    same = [{"messages": [{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": "Yes."}]} for i in range(20)]
    ds = store.add(home, write_rows(tmp_path / "same.jsonl", same), held_out=0.2)
    template = LOOP + "{{ m.content if m.role == 'user' }}{% endfor %}{% generation %}Yes.{% endgeneration %}"
    assert "does not change with the answer" in template_check.look(home, template, ds, starter).problem.message


def test_turns_that_are_written_otherwise_later_need_marks(home, tmp_path, starter):
    rows = [{"messages": chat_rows(20)[i]["messages"] * 2} for i in range(20)]
    ds = store.add(home, write_rows(tmp_path / "turns.jsonl", rows), held_out=0.2)
    numbered = "{{ messages | length }}" + LOOP + "{{ m.content }}{% endfor %}"
    refused = template_check.look(home, numbered, ds, starter).problem
    assert "earlier messages in another way" in refused.message and "{% generation %}" in refused.remedy
    mark = "{% if m.role == 'assistant' %}{% generation %}"
    marked = "{{ messages | length }}" + LOOP + mark + "{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    assert template_check.look(home, marked, ds, starter).problem is None


def test_a_prompt_that_training_did_not_have_is_noted(home, sums, starter):
    asks = "{% if add_generation_prompt %}[assistant]{% endif %}"
    assert not any("add_generation_prompt" in n for n in template_check.look(home, GOOD, sums, starter).notes)
    for template in (GOOD.removesuffix(asks), CHATML[: CHATML.index("{%- if add_generation_prompt")]):
        assert any("add_generation_prompt" in n for n in template_check.look(home, template, sums, starter).notes)


def test_after_one_that_hangs_the_next_is_answered(home, sums, starter):
    template_check.look(home, ENDLESS + GOOD, sums, starter)
    assert template_check.look(home, GOOD, sums, starter).problem is None


def test_the_same_question_is_asked_once_but_a_slow_computer_gets_another_chance(home, sums, starter, monkeypatch):
    asked = []
    monkeypatch.setattr(template_check, "_answer", lambda ask: asked.append(ask) or {"ended": "it does not finish"})
    assert [bool(template_check.look(home, GOOD, sums, starter).problem) for _ in range(2)] == [True, True] and len(asked) == 2
    done = {"problem": None, "notes": ["n"], "row": None, "sample": False, "placeholders": False}
    monkeypatch.setattr(template_check, "_answer", lambda ask: asked.append(ask) or dict(done))
    assert [template_check.look(home, GOOD, sums, starter).notes for _ in range(2)] == [["n"], ["n"]] and len(asked) == 3


def test_one_that_passed_is_not_tried_again_by_the_count(home, sums, starter, monkeypatch):
    template_check.look(home, GOOD, sums, starter)
    assert template_sandbox._key(GOOD) in paths.read_json(paths.machine_folder() / "templates.json")


def test_wrong_syntax_needs_no_process(home, monkeypatch):
    monkeypatch.setattr(template_check, "_answer", lambda ask: pytest.fail("asked"))
    assert isinstance(template_check.look(home, "{% if %}", None, None).problem, SettingError)


def test_parts_of_a_text_join_to_the_text():
    row = pieces(Rendered("abcdef", [(0, 2), (4, 6)]))
    assert [(t["text"], t["trained"]) for t in row["tokens"]] == [("ab", True), ("cd", False), ("ef", True)]
