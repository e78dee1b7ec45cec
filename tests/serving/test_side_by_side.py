"""Two to four models answer the same questions."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from tuner.cli import compare
from tuner.errors import TunerError
from tuner.serving import side_by_side

QUESTIONS = "What is 3 plus 3?\n\nWhat is 4 plus 4?\n"


def command(house, *args: str) -> subprocess.CompletedProcess:
    env = os.environ | {"TUNESMITH_HOME": str(house.ws.home), "TUNESMITH_MACHINE": str(house.ws.machine_folder())}
    return subprocess.run([sys.executable, "-m", "tuner.cli", "compare", *args], env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def three(house, tmp_path_factory) -> dict:
    """A run, its checkpoint and its base model on two questions of a file."""
    file = tmp_path_factory.mktemp("questions") / "q.txt"
    file.write_text(QUESTIONS)
    names = (house.lora, f"{house.lora}@8", f"{house.lora}/base")
    done = command(house, *names, "--prompts", str(file), "--max-tokens", "24", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_each_model_answers_each_question(house, three):
    from tuner.serving import chat_client

    assert [m["model"] for m in three["models"]] == [house.lora, f"{house.lora}@8", f"{house.lora}/base"]
    assert [row["question"] for row in three["answers"]] == ["What is 3 plus 3?", "What is 4 plus 4?"], "an empty line asks nothing"
    client = chat_client.Client(house.ws)
    for n, spec in enumerate((chat_client.serving_spec(house.ws, house.lora), chat_client.serving_spec(house.ws, house.lora, step=8))):
        for row in three["answers"]:
            messages = [{"role": "user", "content": row["question"]}]
            assert row["answers"][n] == client.answer(spec, messages, temperature=0.0, max_tokens=24).text
    assert three["answers"][0]["answers"][0] != three["answers"][0]["answers"][2], "the base model is another"
    for m in three["models"]:
        assert m["tokens_per_second"] > 0 and m["first_token_seconds"] > 0 and 0 < m["tokens"] <= 48 and 0 <= m["cut"] <= 2


def test_the_questions_of_a_dataset_as_a_table(house):
    done = command(house, house.lora, "starter", "--data", house.data.ref, "--rows", "3", "--prompt", "=1+1?", "--max-tokens", "8", "--csv")
    table = list(csv.reader(io.StringIO(done.stdout)))
    assert table[0] == ["question", house.lora, "starter"] and table[1][0] == "'=1+1?" and len(table) == 5, "a question of one's own first"
    assert all("plus" in row[0] for row in table[2:])


def test_the_terminal_shows_them_below_each_question(three):
    said = compare.as_text(three)
    assert said.startswith("What is 3 plus 3?\n  tuned") and said.count("tokens/s, first token after") == 3
    assert all(line in said for line in ("tuned@8", "tuned/base"))
    cut = {"models": [three["models"][0] | {"cut": 2}], "answers": [{"question": "Q", "answers": [""]}]}
    assert "2 cut at the limit" in compare.as_text(cut) and "(no answer)" in compare.as_text(cut)


def test_what_can_not_be_compared_is_refused(house):
    for names, said in (
        ([house.lora], "1 model was named"),
        ([house.lora] * 2, "named twice"),
        (list("abcde"), "5 models"),
        (["no-such", "starter"], "no-such"),
        ([house.lora, f"{house.lora}@999"], "no complete checkpoint"),
    ):
        with pytest.raises(TunerError, match=said):
            side_by_side.require(house.ws, names)
    done = command(house, house.lora, "starter")
    assert done.returncode == 2 and "No question was given" in done.stderr + done.stdout
    done = command(house, house.lora, "starter", "--prompts", "/no/such/file")
    assert done.returncode == 2 and "can't be read as text" in done.stderr + done.stdout
