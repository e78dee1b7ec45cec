"""Push an export to the Hugging Face Hub: a repository of one's own, private unless asked otherwise.

The export is made and checked first, then a process of its own uploads its folder by the Hub's own client; the token is told to that process and
written nowhere.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner import runs
from tuner.data.importing.import_pass import Cancelled
from tuner.errors import ConflictError, ModelError, RequestError, WorkError
from tuner.export import formats, making, sizes
from tuner.formatting import human_bytes
from tuner.jobs import data_jobs
from tuner.network import hub_token, retries
from tuner.paths import Workspace

FORMATS = ("adapter", "merged", "gguf")  # in the order in which one is chosen


@dataclass(frozen=True)
class Pushed:
    """The result that the process of the upload writes."""

    document: dict[str, Any]
    ref: str | None = None
    rows: int = 0


def push(
    ws: Workspace,
    id: str,
    repo: str,
    *,
    kind: str | None = None,
    quantize: str = "q8_0",
    public: bool = False,
    waiting: making.Waiting | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Export a run, upload it as `repo` (OWNER/NAME, or NAME for the token's own account) and return {"url", "repo", "private", "commit"} and the export.

    RequestError for a name that is none, or without a token; ModelError for a format that the run does not have, or one that would not load from the
    Hub; ConflictError where the repository is public and a private one was asked for.
    """
    run = runs.get(ws, id)
    kind = kind or next(iter(choices(run)), "merged")
    formats.require_known(kind, quantize)
    formats.require_possible(run, kind)
    _require(ws, run, repo, kind)
    made = making.make(ws, id, kind, quantize=quantize, waiting=waiting, cancelled=cancelled)
    job = data_jobs.begin(ws, "push", folder=made["path"], repo=repo, private=not public, title=run.name)
    began = time.monotonic()

    def tell(done: int, total: int, _: int) -> None:
        if waiting:
            waiting(time.monotonic() - began, f"Uploading {human_bytes(made['bytes'])} to {repo}.")
        if cancelled():
            data_jobs.cancel(ws, job)

    try:
        return data_jobs.follow(ws, job, tell).result["document"] | {"export": made}
    except Cancelled as error:
        raise WorkError(
            "The upload was cancelled.", asked=repo, available=f"the export, in {made['path']}", remedy="Push again."
        ) from error


def choices(run: runs.Run) -> list[str]:
    """Return the formats of a run that others could load from the Hub, the usual one first."""
    return [kind for kind in FORMATS if kind in formats.kinds(run) and not _unreachable(run, kind)]


def _require(ws: Workspace, run: runs.Run, repo: str, kind: str) -> None:
    """Refuse what would fail after a long export."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise RequestError(
            f"{repo!r} is no name of a repository.",
            asked=repo,
            available="OWNER/NAME: letters, digits, - _ and .",
            remedy="Choose another name.",
            field="repo",
        ) from error
    if not hub_token.for_calls(ws.token):
        raise RequestError(
            "Nothing can be uploaded without an access token.",
            asked=repo,
            available="a token with the permission to write, from huggingface.co/settings/tokens",
            remedy="Set HF_TOKEN, log in with `hf auth login`, or enter the token in Settings.",
            field="token",
        )
    if _unreachable(run, kind):
        raise ModelError(
            f"The base model of this adapter ({run.plan['model']['name']}) lies in a folder here, so that nobody could load it from the Hub.",
            asked=kind,
            available=choices(run),
            remedy="Push the merged model.",
            field="to",
        )


def _unreachable(run: runs.Run, kind: str) -> bool:
    """Return whether an adapter's base model can't be downloaded by others."""
    return kind == "adapter" and (run.plan["model"]["kind"] != "hub" or sizes.shipped_base(run) is not None)


def upload(
    ws: Workspace, *, folder: str, repo: str, private: bool, title: str, progress: Callable, cancelled: Callable[[], bool]
) -> Pushed:
    """Upload a folder; called in a process of its own with the token in its environment (workers/data_tasks.py)."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    api = HfApi(token=hub_token.for_calls(None))
    try:
        known = api.model_info(repo if "/" in repo else f"{api.whoami()['name']}/{repo}")
    except RepositoryNotFoundError:
        known = None
    if known is not None and private and not known.private:
        raise ConflictError(
            f"{known.id} exists and is public.",
            asked="a private repository",
            available="another name; or --public, if everybody may see this model",
            remedy="Choose another name.",
            field="repo",
        )
    try:
        place = api.create_repo(repo, private=private, exist_ok=True).repo_id
        made = api.upload_folder(repo_id=place, folder_path=Path(folder), commit_message=f"{title}, exported by Tunesmith")
    except HfHubHTTPError as error:
        if retries.status_of(error) != 403:
            raise
        raise RequestError(
            f"The access token has no permission to write to {repo} (403).",
            asked=repo,
            available="repositories of the token's own account, with a token that may write",
            remedy="Make a token with the permission to write at huggingface.co/settings/tokens, or choose a repository of your own.",
            field="token",
        ) from error
    told = {"url": f"{api.endpoint}/{place}", "repo": place, "private": bool(known.private) if known is not None else private}
    return Pushed(told | {"commit": made.oid, "was_there": known is not None})
