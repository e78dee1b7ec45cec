"""Import datasets of the Hugging Face Hub: `datasets` resolves the files of a split, Tunesmith's own reader reads them.

So no code from the Hub runs (no dataset scripts, no pickles), and problems are reported per row as for any file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from tuner import paths
from tuner.data.importing.import_pass import Progress, tick
from tuner.data.readers.decompress import suffix
from tuner.data.readers.file_format import SUFFIXES
from tuner.data.store import store
from tuner.errors import DataError, NetworkError, NotFoundError, SettingError, translate
from tuner.network.retries import with_retries
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
    tick(progress, cancelled, 0, 0, 0)
    options["name"] = options.get("name") or id.rpartition("/")[2]
    found = list(files(id, config, split, cancelled))
    limits.waiting(limits.STILL)  # a download may pause for long, a file on disk may not
    return store.add(ws, found, progress=progress, cancelled=cancelled, **options)


def files(id: str, config: str | None = None, split: str | None = None, cancelled: Callable[[], bool] | None = None) -> Iterator[Path]:
    """Yield the files of a split, downloaded (or from a folder laid out like a Hub dataset); of 'train' when no split is named.

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
    unsupported = [f for f in found if suffix(f.rpartition("/")[2]) not in SUFFIXES]
    if unsupported or len(found) > MOST_FILES:
        raise DataError(
            f"The split {chosen} of {id} consists of {len(found)} files such as {(unsupported or found)[0].rpartition('/')[2]}.",
            asked=id,
            available=f"up to {MOST_FILES} files of {', '.join(sorted(SUFFIXES))}",
            remedy="Choose another split or dataset, or download what you need and add the files.",
        )
    for file in found:
        tick(None, cancelled, 0, 0, 0)
        yield _fetched(file)


def _splits(id: str, config: str | None) -> dict[str, list[str]]:
    """Return {split: files} as `datasets` resolves them; nothing is built and no rows are downloaded."""
    from datasets import load_dataset_builder

    try:
        builder = with_retries(lambda: load_dataset_builder(id, config))
        return {str(name): [str(f) for f in listed] for name, listed in (builder.config.data_files or {}).items()}
    except (ValueError, FileNotFoundError, RuntimeError, ConnectionError, OSError) as error:
        raise _as_tuner_error(error, id, config) from error


def _as_tuner_error(error: Exception, id: str, config: str | None):
    text = str(error)
    if "Config name is missing" in text or "BuilderConfig" in text:
        return SettingError(
            f"{id} has several configurations{f', and none is called {config!r}' if config else ''}.",
            asked=config,
            available=text[-300:],
            remedy="Choose one of them.",
            field="config",
        )
    if "script" in text:
        return DataError(
            f"{id} is built by its own script, and scripts are never run here.",
            asked=id,
            available="datasets that are plain files",
            remedy="Look for a copy as Parquet or JSONL on the Hub.",
        )
    return translate(error) or NetworkError(
        f"The dataset {id} can't be found or reached: {text[:200]}",
        asked=id,
        available="public datasets, with a network connection",
        remedy="Check its name (owner/name) and the network; for private ones run `hf auth login`.",
    )


def _fetched(url: str) -> Path:
    """Download `hf://datasets/owner/name@revision/path` into the Hub's cache and return its path; a local path is returned unchanged."""
    if not url.startswith("hf://datasets/"):
        return Path(url)
    from huggingface_hub import hf_hub_download

    rest = url.removeprefix("hf://datasets/")
    repo, _, rest_of_path = rest.partition("@")
    revision, _, name = rest_of_path.partition("/")
    with paths.with_user_umask():
        return with_retries(lambda: Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision.replace("%2F", "/"))))
