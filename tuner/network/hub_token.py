"""The Hugging Face Hub token: where it comes from, and how it is hidden from the libraries in this process.

It comes from HF_TOKEN, from the login of the Hub's own tools (read, never written), or from the page, where a person types it.
It is passed as `Workspace.token` to the calls that need it, and to jobs by `tuner/jobs/handover.py`; it is never written to disk.
"""

import os
from pathlib import Path

NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
NO_LOGIN = "HF_HUB_DISABLE_IMPLICIT_TOKEN"  # a variable of the Hub's library; a Space for guests sets it, and its workers inherit it
_login: Path | None = None  # the path of the stored login before `seal` hid it


def from_environment() -> str | None:
    """Return the token from the environment, without removing it."""
    return next((value for name in NAMES if (value := (os.environ.get(name) or "").strip())), None)


def seal(*, guests: bool) -> str | None:
    """Remove the token from this process's environment, hide the stored login from libraries, and return the token.

    Afterwards no library finds a token by itself, so no Gradio route can use one; only calls that are passed a token use it. With
    `guests`, the token is discarded, and processes started from here don't look for a login.
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
    """Return the login that the Hub's own tools keep on this computer; None when guests are served."""
    if os.environ.get(NO_LOGIN):
        return None
    from huggingface_hub import constants

    try:
        return (_login or Path(constants.HF_TOKEN_PATH)).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None  # no login, or an unreadable file: the Hub is then used anonymously


def for_calls(token: str | None) -> str | bool:
    """Return the `token` argument for the Hub's functions: the given one, that of the environment, the stored login, or False."""
    return token or from_environment() or stored_login() or False
