"""Exports of other programs: assistants' conversations, annotated texts, chats of several people.

Each module says of the first records whether they are its own, and how they become rows; what can't become rows is refused with
the export to take in its place.
"""

from tuner.data.readers.exports import assistants, label_studio, people
from tuner.data.readers.nested import Fold

READERS = (assistants.chatgpt, assistants.claude, label_studio.annotated, people.slack, people.discord, people.telegram)


def folding(records: list[dict]) -> Fold | None:
    """How the records of a known export become rows; None for any other file. DataError for an export without what can be trained."""
    return next((fold for reader in READERS if records and (fold := reader(records))), None)
