"""What the Data page says of a dataset: one sum of what was left out, in the visitor's language; nothing of the data as markup."""

from types import SimpleNamespace

import gradio as gr
import pytest

from tests.conftest import chat_rows, write_rows
from tuner.data.quality import finding
from tuner.data.schema import column_aliases
from tuner.data.store import store
from tuner.data.versions import new_version
from tuner.jobs import data_jobs
from tuner.jobs.job import JobStatus
from ui import text
from ui.data_views import activity, columns_view, library_view, quality_view, summaries
from ui.session import AppContext

LEFT_OUT = [  # left out, of these empty, English, German
    (0, 0, "", ""),
    (
        14,
        14,
        "14 of 2,540 rows were left out because a needed field is empty.",
        "14 von 2.540 Zeilen wurden ausgelassen, weil ein nötiges Feld leer ist.",
    ),
    (
        1,
        1,
        "1 of 2,540 rows was left out because a needed field is empty.",
        "1 von 2.540 Zeilen wurde ausgelassen, weil ein nötiges Feld leer ist.",
    ),
    (20, 0, "20 of 2,540 rows were left out.", "20 von 2.540 Zeilen wurden ausgelassen."),
    (
        20,
        14,
        "20 of 2,540 rows were left out, 14 of them because a needed field is empty.",
        "20 von 2.540 Zeilen wurden ausgelassen, 14 davon, weil ein nötiges Feld leer ist.",
    ),
    (
        20,
        1,
        "20 of 2,540 rows were left out, 1 of them because a needed field is empty.",
        "20 von 2.540 Zeilen wurden ausgelassen, 1 davon, weil ein nötiges Feld leer ist.",
    ),
]


@pytest.mark.parametrize(("problems", "empty", "english", "german"), LEFT_OUT)
def test_empty_rows_are_among_those_that_were_left_out(problems, empty, english, german, monkeypatch):
    ds = SimpleNamespace(problem_count=problems, health={"empty": empty}, records=2540)
    assert summaries.left_out(ds) == english
    monkeypatch.setenv("TUNESMITH_LANGUAGE", "de")
    assert summaries.left_out(ds) == german


def test_the_numbers_of_a_real_file_add_up(ws, tmp_path):
    rows = [*chat_rows(40), *({"prompt": "", "answer": ""} for _ in range(14))]
    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", rows))
    assert "14 of 54 rows were left out because a needed field is empty." in summaries.summary(ds) and ds.rows == 40
    assert summaries.warnings(ds) == 1 and "1 warning" in summaries.summary(ds)
    assert f"{ds.rows - ds.held_out} training / {ds.held_out} validation rows" in summaries.summary(ds)


def test_a_name_is_text_and_is_shown_whole_in_the_title(ws, tmp_path):
    nasty = '<img src=x onerror="alert(1)">'
    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", chat_rows(40)), name=nasty)
    for drawn in (summaries.summary(ds), library_view.drawn(ws, ds.ref), library_view.drawn(ws, None, nasty), columns_view.how_read(ds)):
        assert "<img" not in drawn
    assert 'title="&lt;img' in summaries.summary(ds) and 'aria-current="true"' in library_view.drawn(ws, ds.ref)
    assert library_view.matching(ws, "ONERROR chat") and not library_view.matching(ws, "onerror regression")


def test_the_engines_kinds_roles_and_fixes_have_their_words():
    for language in text.LANGUAGES:
        there = text.catalogue(language).patterns
        wanted = [f"data-kind-{kind}" for kind in column_aliases.KINDS]
        wanted += [f"data-role-{role}.{part}" for role in columns_view.ROLES for part in ("label", "info")]
        wanted += [f"data-fix-{fix.replace('_', '-')}" for fix in finding.FIXES] + [
            f"data-made-{fix.replace('_', '-')}" for fix in finding.FIXES
        ]
        assert [key for key in wanted if key not in there] == [], language
    assert set(columns_view.ROLES) == set(column_aliases.ROLES) - {"weight"}


def test_a_finding_offers_its_fixes_and_names_the_version_that_they_are_for():
    found = finding.finding("duplicates", "{n} rows repeat", "It is <b>so</b>.", [3, 5], ["keep_first"], details={"examples": ["<i>"]})
    drawn = quality_view.card(found.as_dict(), "customers@3", "warning", 244)
    assert 'data-value="customers@3|duplicates|keep_first"' in drawn and "Keep only the first of each" in drawn
    assert "<b>so" not in drawn and "<i>" not in drawn and "Rows 3, 5" in drawn


def test_an_import_says_what_how_far_and_how_long_and_what_was_kept():
    drawn = activity.bar(JobStatus("running", done=3, total=12, rows=4508, eta_seconds=40), "<b>customers</b>.csv")
    assert 'aria-valuenow="25"' in drawn and "25% · 4,508 rows" in drawn and "left" in drawn and "<b>customers" not in drawn
    drawn = activity.failed([{"message": "It is <i>empty</i>.", "remedy": "Choose another."}])
    assert "The import failed" in drawn and "Choose another." in drawn and "your datasets are unchanged" in drawn and "<i>" not in drawn


def test_an_import_can_be_cancelled_and_leaves_nothing(ws, tmp_path):
    file = write_rows(tmp_path / "rows.jsonl", [{"text": f"passage {i} " * 40} for i in range(60_000)])
    with gr.Blocks():
        work = activity.Activity(AppContext(ws.home, ws.machine))
    seen = []
    for values in work.follow(lambda ws: data_jobs.start(ws, str(file)), None):
        seen.append(values)
        work.on_cancel(values[2], None)
    told, _, _, made = seen[-1]
    assert "Cancelled. Nothing was added" in told and made is None and not store.listing(ws)


def test_that_reading_the_file_again_undoes_fixes_is_said_before_it_is_done(ws, tmp_path):
    ds = store.add(ws, write_rows(tmp_path / "sums.jsonl", chat_rows(12)))
    assert columns_view.undone(ds) == ""
    fixed = new_version.edit(ws, ds.ref, {1: None, 2: None})
    said = columns_view.undone(fixed)
    assert "reads the file again" in said and summaries.made_by(fixed.made_by[0]) in said


def test_a_list_of_rows_that_is_not_whole_says_so():
    def drawn(rows: int, count: int) -> str:
        found = {"key": "k", "title": "t", "why": "w", "count": count, "rows": list(range(1, rows + 1)), "remedies": [], "details": {}}
        return quality_view.card(found, "sums@1", "warning", 100)

    assert "and more" not in drawn(8, 8) and "and more" in drawn(20, 20)
    assert "and more" in drawn(20, 4), "the count may be that of groups"
