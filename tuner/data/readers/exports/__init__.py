"""Read exports of other programs: conversations with assistants, annotated texts, group chats.

Each module recognizes its own export from the first records and defines how they become rows. An export that can't become rows is
rejected with the name of the export to use instead.
"""

from tuner.data.readers.exports import assistants, label_studio, people
from tuner.data.readers.nested import Fold

READERS = (assistants.chatgpt, assistants.claude, label_studio.annotated, people.slack, people.discord, people.telegram)


def find_fold(records: list[dict]) -> Fold | None:
    """Return how the records of a known export become rows; None for any other file. DataError for an export without trainable content."""
    return next((fold for reader in READERS if records and (fold := reader(records))), None)
