"""The samples of a run in the page: strips by prompt, what changed marked, everything as text."""

import re

from tests.jobs.test_cleanup import made
from tuner import runs
from tuner.runs import samples_file
from ui.run_views import samples_view
from ui.run_views.run_view import parts


def answers(text: str, prompt: str = "Who <b>are</b> you?", cut: bool = False) -> list[dict]:
    return [{"prompt": prompt, "answer": text, "cut": cut}]


def test_answers_stand_side_by_side_with_what_changed_marked(ws):
    run = made(ws, "watched")
    assert "No sample yet" in samples_view.drawn(run) and "run-samples" in parts(ws, run)
    for step, text in ((0, "I am a robot."), (2, "I am a pirate <script>."), (4, "I am a pirate.")):
        samples_file.write(run.path, step, answers(text, cut=step == 2))
    runs.write_status(run.path, best={"step": 4, "eval_loss": 1.0})
    found = samples_view.drawn(runs.get(ws, run.id))
    assert found.count("<article>") == 3 and "Before training" in found and "Step 2" in found
    assert "<b>are</b>" not in found and "<script>" not in found and "&lt;b&gt;are" in found
    assert re.findall(r"<mark>(.*?)</mark>", found)[0].startswith("pirate") and found.count("Kept") == 1 and found.count("Cut off") == 1


def test_a_prompt_that_was_added_later_has_a_strip_of_its_own(ws):
    run = made(ws, "asked-anew")
    samples_file.write(run.path, 0, answers("a"))
    samples_file.write(run.path, 2, answers("", "Another?"))
    found = samples_view.drawn(run)
    assert found.count("<section") == 2 and found.index("Another?") < found.index("Who "), "the newest first"
