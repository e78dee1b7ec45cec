"""Every connection to another computer that Tunesmith may make, each with who asks for it; shown in Settings and docs/security.md.

`tests/hostile/test_silence.py` runs the whole flow beside a listener and fails on a packet that is not in this list.
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
        "You type at least three letters of a model's name in Train; not for what is written like a path.",
        "The letters.",
    ),
    Connection(
        HUB,
        "You choose a Hub model that is not on this computer: its size is looked up.",
        "The model's id; your token, if there is one.",
    ),
    Connection(HUB, "You start a run with such a model, or press Download: its files are fetched.", "The same."),
    Connection(HUB, "You add a dataset by its Hub id.", "The dataset's id; your token, if there is one."),
    Connection(
        "The address that you enter for a judge model",
        "You let a judge model judge pairs.",
        "Questions and answers of the project; the key that you enter for it.",
    ),
)
NEVER = (
    "No telemetry, no look for new versions, no fonts or scripts from elsewhere. With HF_HUB_OFFLINE=1 the Hub is never asked. "
    "When the Hub is asked, its library also fetches the list of coding agents that it tells apart, once a day. "
    "The page, the background process and the models talk to each other on this computer only."
)


def table() -> str:
    """The rows as Markdown."""
    lines = ["| to | when | what is sent |", "| --- | --- | --- |", *(f"| {c.to} | {c.when} | {c.sends} |" for c in CONNECTIONS)]
    return "\n".join(lines)
