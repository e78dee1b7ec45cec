"""How well a tokenizer covers the text of a dataset."""

import pytest
from transformers import AutoTokenizer

from tests.conftest import write_rows
from tests.workers.test_objectives import tokens  # noqa: F401 (fixture)
from tuner import paths
from tuner.data.store import store
from tuner.workers.tokenization import text_coverage


@pytest.fixture
def measured(ws, tmp_path):
    def measure(folder, texts: list[str]):
        rows = write_rows(tmp_path / "rows.jsonl", [{"text": t} for t in texts])
        return text_coverage.measure(AutoTokenizer.from_pretrained(folder), store.add(ws, rows, kind="text", held_out=0.0))

    return measure


def test_a_tokenizer_of_bytes_has_no_unknown_tokens(measured):
    found = measured(paths.STARTER, ["A cat is an animal that says meow.", "Все люди рождаются свободными."])
    (english, russian), (size, cut) = found["rows"], found["english"][::-1]
    assert found["unknown"] == [] and english[2] == russian[2] == 0
    assert english[1] == 34 and english[0] / english[1] < 0.4 and russian[0] >= 0.95 * russian[1], "nearly a token for each byte"
    assert 0.2 < cut / size < 0.35


def test_unknown_tokens_are_counted_and_their_characters_told(measured, tokens):  # noqa: F811
    found = measured(tokens, ["rot gruen 東京 blau", "rot blau 東 東"])
    assert [row[2] for row in found["rows"]] == [2, 2] and found["unknown"] == ["東", "京"]
    assert sum(row[2] for row in measured(tokens, ["rot gruen blau weiss"])["rows"]) == 0
