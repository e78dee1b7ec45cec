"""Datasets of the Hugging Face Hub: `datasets` says which files make up a split, our own reader reads them.

So nothing on the Hub is run (no dataset scripts, no pickles), and what is wrong with which row is told as for any file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from tuner import paths
from tuner.data.importing.import_pass import Progress, beat
from tuner.data.readers.decompress import suffix
from tuner.data.readers.file_format import SUFFIXES
from tuner.data.store import store
from tuner.errors import DataError, NetworkError, NotFoundError, SettingError, translate
from tuner.network.retries import patiently
from tuner.paths import Workspace
from tuner.system import limits

MOST_FILES = 200


def add(
    ws: Workspace,
    id: str,
    *,
    config: str | None = None,
    split: str | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options,
) -> store.Dataset:
    """Download a split and import it; the options are those of `store.add`."""
    beat(progress, cancelled, 0, 0, 0)
    options["name"] = options.get("name") or id.rpartition("/")[2]
    found = list(files(id, config, split, cancelled))
    limits.waiting(limits.STILL)  # a download may stand still for long, a file on the disk may not
    return store.add(ws, found, progress=progress, cancelled=cancelled, **options)


def files(id: str, config: str | None = None, split: str | None = None, cancelled: Callable[[], bool] | None = None) -> Iterator[Path]:
    """The files of a split, downloaded (or those of a folder laid out like a Hub dataset); of 'train' when none is named.

    Raises NotFoundError (no such split), SettingError (a configuration is missing or unknown), DataError (files that hold no rows
    of text), NetworkError.
    """
    splits = _splits(id, config)
    chosen = split or ("train" if "train" in splits else next(iter(splits)))
    if chosen not in splits:
        raise NotFoundError(
            f"{id} has no split {chosen!r}.", asked=chosen, available=list(splits), remedy="Choose one of these.", field="split"
        )
    found = splits[chosen]
    strange = [f for f in found if suffix(f.rpartition("/")[2]) not in SUFFIXES]
    if strange or len(found) > MOST_FILES:
        raise DataError(
            f"The split {chosen} of {id} lies in {len(found)} files such as {(strange or found)[0].rpartition('/')[2]}.",
            asked=id,
            available=f"up to {MOST_FILES} files of {', '.join(sorted(SUFFIXES))}",
            remedy="Choose another split or dataset, or download what you need and add the files.",
        )
    for file in found:
        beat(None, cancelled, 0, 0, 0)
        yield _fetched(file)


def _splits(id: str, config: str | None) -> dict[str, list[str]]:
    """{split: files} as `datasets` resolves them; it builds nothing and downloads no rows here."""
    from datasets import load_dataset_builder

    try:
        builder = patiently(lambda: load_dataset_builder(id, config))
        return {str(name): [str(f) for f in listed] for name, listed in (builder.config.data_files or {}).items()}
    except (ValueError, FileNotFoundError, RuntimeError, ConnectionError, OSError) as error:
        raise _worded(error, id, config) from error


def _worded(error: Exception, id: str, config: str | None):
    text = str(error)
    if "Config name is missing" in text or "BuilderConfig" in text:
        return SettingError(
            f"{id} has several configurations{f', and none is called {config!r}' if config else ''}.",
            asked=config,
            available=text[-300:],
            remedy="Name one of them.",
            field="config",
        )
    if "script" in text:
        return DataError(
            f"{id} is made by a script of its own, which is never run here.",
            asked=id,
            available="datasets that are plain files",
            remedy="Look on the Hub for a copy as Parquet or JSONL.",
        )
    return translate(error) or NetworkError(
        f"The dataset {id} can't be found or reached: {text[:200]}",
        asked=id,
        available="public datasets, while there is a network",
        remedy="Check its name (owner/name) and the network; for private ones run `hf auth login`.",
    )


def _fetched(url: str) -> Path:
    """`hf://datasets/owner/name@revision/path` → a file in the Hub's cache; a path stays what it is."""
    if not url.startswith("hf://datasets/"):
        return Path(url)
    from huggingface_hub import hf_hub_download

    rest = url.removeprefix("hf://datasets/")
    repo, _, tail = rest.partition("@")
    revision, _, name = tail.partition("/")
    with paths.as_shared():
        return patiently(lambda: Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision.replace("%2F", "/"))))
