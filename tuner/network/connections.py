"""Every connection to another computer that Tunesmith may make, and when; shown in Settings and docs/security.md.

`tests/hostile/test_silence.py` records all connections of a complete workflow and fails on one that is not listed here.
"""

from typing import NamedTuple


class Connection(NamedTuple):
    to: str
    when: str
    sends: str


HUB = "huggingface.co (or HF_ENDPOINT) and its download servers"
CONNECTIONS = (
    Connection(
        HUB,
        "You type at least three letters of a model's name in Train (never for text that looks like a path).",
        "The letters.",
    ),
    Connection(
        HUB,
        "You choose a Hub model that is not on this computer, and its size is looked up.",
        "The model's id; your token, if there is one.",
    ),
    Connection(HUB, "You start a run with such a model or press Download, and its files are downloaded.", "The same."),
    Connection(HUB, "You add a dataset by its Hub id.", "The dataset's id; your token, if there is one."),
    Connection(HUB, "You push an export to the Hub.", "The folder of the export, your token and the name of the repository."),
    Connection(
        "The package index of pip: pypi.org, or the one that pip is set to",
        "You export a GGUF for the first time on this computer, and llama.cpp's converter is fetched.",
        "The name and version of the package that contains it.",
    ),
    Connection(
        "The webhook that you set (Settings, or `tunesmith notify set`)",
        "A run ends, or you press Test.",
        "The run's id, name, state, reason, step and best validation loss.",
    ),
    Connection(
        "The address that you enter for an AI judge",
        "You let an AI judge label pairs.",
        "The questions and answers of the project; the API key that you enter for it.",
    ),
)
NEVER = (
    "No telemetry, no update checks, no fonts or scripts from other servers. With HF_HUB_OFFLINE=1 the Hub is never contacted. "
    "When the Hub is contacted, its library also downloads its list of known coding agents, once a day. "
    "The page, the background process and the models communicate on this computer only."
)


def table() -> str:
    """Return the connections as a Markdown table."""
    lines = ["| to | when | what is sent |", "| --- | --- | --- |", *(f"| {c.to} | {c.when} | {c.sends} |" for c in CONNECTIONS)]
    return "\n".join(lines)
