"""The token for the Hugging Face Hub: where it may come from, and how libraries in this process are kept from finding it.

It comes from HF_TOKEN, from the login that the Hub's own tools keep (read, never written), or from a person who types it in the page.
It travels as `Workspace.token` to the calls that need it, and to jobs by `tuner/jobs/handover.py`; nothing writes it to the disk.
"""

import os
from pathlib import Path

NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
NO_LOGIN = "HF_HUB_DISABLE_IMPLICIT_TOKEN"  # the Hub's own switch; a Space for guests sets it, and its workers inherit it
_login: Path | None = None  # where the login lay before this process was kept from it


def from_environment() -> str | None:
    """The token that the environment names, which stays there."""
    return next((value for name in NAMES if (value := (os.environ.get(name) or "").strip())), None)


def seal(*, guests: bool) -> str | None:
    """Take the token out of this process's environment, and the stored login out of the libraries' sight; returns the token.

    Afterwards no library finds a token by itself, so no route of Gradio can use one: only calls that are given one do. With `guests`
    it is thrown away, and no process that is started from here looks for a login.
    """
    global _login
    from huggingface_hub import constants

    token = from_environment()
    for name in NAMES:
        os.environ.pop(name, None)
    if _login is None:
        _login = Path(constants.HF_TOKEN_PATH)
    constants.HF_HUB_DISABLE_IMPLICIT_TOKEN, constants.HF_TOKEN_PATH = True, os.devnull
    if guests:
        os.environ[NO_LOGIN] = "1"
    return None if guests else token


def stored_login() -> str | None:
    """The login that the Hub's own tools keep on this computer; None where guests are served."""
    if os.environ.get(NO_LOGIN):
        return None
    from huggingface_hub import constants

    try:
        return (_login or Path(constants.HF_TOKEN_PATH)).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None  # nobody has logged in, or the file is unreadable: the Hub then answers as to anybody


def for_calls(token: str | None) -> str | bool:
    """What the Hub's functions take as `token`: the one given, else that of this process, else the stored login, else False."""
    return token or from_environment() or stored_login() or False
