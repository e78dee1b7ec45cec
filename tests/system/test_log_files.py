"""Logs: their end, without terminal codes and secrets; and shortened while somebody writes."""

import pytest

from tuner.system import log_files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("token hf_abcdefghijklmnopqrstuvwxyz0123 used", "token [secret] used"),
        ("OPENAI sk-proj-AbC_123-456789abcdefg.", "OPENAI [secret]."),
        ("wandb: ghp_0123456789abcdefghijABCDEFGHIJ012345", "wandb: [secret]"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [secret]"),
        ("{'authorization': 'Basic dXNlcjpwYXNz', 'x': 1}", "{'authorization': 'Basic [secret]', 'x': 1}"),
        ("https://me:pa55word@hub.example/x", "https://me:[secret]@hub.example/x"),
        ("postgres://u:p%40ss@db:5432/name", "postgres://u:[secret]@db:5432/name"),
        ("api_key=abcd1234&x=1", "api_key=[secret]&x=1"),
        ('"password": "hunter22"', '"password": "[secret]"'),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sflKxwRJSMeKKF2QT4", "[secret]"),
    ],
)
def test_secrets_are_left_out(text, expected):
    assert log_files.redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{'loss': 2.31, 'grad_norm': 1.2, 'learning_rate': 3e-4}",
        "http://127.0.0.1:7860/runs?run=tickets-starter",
        "Loading /home/me/.cache/huggingface/hub/models--Qwen--Qwen3-0.6B/snapshots/c1899de289a04d12100db370d81485cdf75e47ca",
        "12:30:45 pad_token_id=0 tokens_per_second 1,234",
    ],
)
def test_what_is_no_secret_stays(text):
    assert log_files.redacted(text) == text


def test_terminal_codes_and_bars_that_were_written_over():
    bar = "Loading:   0%|          | 0/3\rLoading:  33%|###       | 1/3\rLoading: 100%|##########| 3/3\r\nDone\x1b[1m!\x1b[0m\n"
    assert log_files.plain(bar) == "Loading: 100%|##########| 3/3\nDone!\n"
    assert log_files.plain("\x1b]0;title\x07a\x1b[2K\x1b[1;31mb") == "ab"


def test_the_end_of_a_log_begins_with_a_whole_line(tmp_path):
    file = tmp_path / "worker.log"
    assert log_files.tail(file, 100) == "" and not log_files.shorten(file)
    file.write_bytes(b"first\nsecond\nthird\n")
    assert log_files.tail(file, 10) == "third\n" and log_files.tail(file, 3) == "rd\n" and log_files.tail(file, 99).startswith("first")


def test_a_log_is_shortened_while_somebody_appends(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MOST", 10_000)
    monkeypatch.setattr(log_files, "KEPT", 1000)
    file = tmp_path / "worker.log"
    with open(file, "ab", buffering=0) as writer:
        for n in range(2000):
            writer.write(b"line %06d\n" % n)
        assert log_files.shorten(file) and not log_files.shorten(file)
        writer.write(b"the next line\n")
    text = file.read_text()
    assert text.startswith("[23,000 bytes of this log were removed") and text.endswith("line 001999\nthe next line\n") and len(text) < 1200
