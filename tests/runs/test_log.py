"""The end of a run's log."""

import pytest

from tuner import runs


@pytest.mark.parametrize(
    ("written", "size", "read"),
    [
        ("first line\nsecond line\n", 1000, "first line\nsecond line\n"),
        ("first line\nsecond line\n", 15, "second line\n"),
        ("one long line without an end", 8, "t an end"),
        ("", 10, ""),
    ],
)
def test_a_log_begins_with_a_whole_line(tmp_path, written, size, read):
    (tmp_path / "worker.log").write_text(written, encoding="utf-8")
    run = runs.Run("a", tmp_path, None, {}, {})
    assert runs.log_tail(run, size) == read
    (tmp_path / "worker.log").unlink()
    assert runs.log_tail(run) == ""
