"""The bundled sample datasets."""

from dataclasses import dataclass
from pathlib import Path

from tuner import paths
from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.errors import NotFoundError
from tuner.paths import Workspace


@dataclass(frozen=True)
class Sample:
    name: str
    title: str
    sentence: str
    path: Path


SAMPLES = (
    ("persona.jsonl", "A character", "Short chats in a strong style: the quickest way to see a model change."),
    ("helpdesk.csv", "A help desk", "Customer questions with the answers of a help desk."),
    ("tickets.csv", "Tickets to sort", "Support tickets, each with the label of the team that takes it."),
    ("preferences.jsonl", "Better and worse answers", "Two answers to each question; the better one is marked."),
    ("translation.csv", "Translations", "Sentences with their translation."),
)


def listing() -> list[Sample]:
    """Return the bundled datasets whose files exist."""
    return [
        Sample(Path(file).stem, title, sentence, paths.SAMPLES / file)
        for file, title, sentence in SAMPLES
        if (paths.SAMPLES / file).is_file()
    ]


def add(ws: Workspace, name: str) -> Dataset:
    """Import a sample, or return the dataset if it was imported before."""
    chosen = next((s for s in listing() if s.name == name), None)
    if not chosen:
        raise NotFoundError(
            f"There is no sample {name!r}.", asked=name, available=[s.name for s in listing()], remedy="Choose one of these."
        )
    digest = paths.sha256(chosen.path)
    return next((d for d in store.listing(ws) if d.sha256 == digest), None) or store.add(ws, chosen.path, name=chosen.name, sample=True)
