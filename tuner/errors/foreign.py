"""Foreign errors that we know: how each is told, and our words for it. `translation.translate` reads this; the first that tells wins.

Told by number or class where the library gives one, and by its text where it does not (torch's and Rust's writers). What is not here is a
defect of our own.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass

from tuner.errors.kinds import (
    ConflictError,
    DataError,
    DeviceError,
    DiskError,
    MemoryShortError,
    ModelError,
    NetworkError,
    RequestError,
    TunerError,
    WorkError,
)
from tuner.network.retries import status_of


@dataclass(frozen=True)
class Known:
    """A library's error that we know: how to tell it (by the error, its class's name, its text in small letters), and our words."""

    tell: Callable[[BaseException, str, str], bool]
    kind: type[TunerError]
    message: str
    available: str
    remedy: str


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # EFBIG: a limit on the size of one file (ulimit -f, FAT32)
FULL_WORDS = (  # torch's writer and Rust's tell it in text alone
    "no space left",
    "disk is full",
    "disk quota exceeded",
    "file too large",
    "(os error 28)",
    "pytorchstreamwriter failed writing",
    "unexpected pos ",
)
READ_ONLY_WORDS = ("read-only file system", "(os error 30)", "attempt to write a readonly database", "(os error 13)")
NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
    "failed to map segment",  # a library that finds no room
)
FAILING = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EREMOTEIO) if hasattr(errno, "EREMOTEIO") else (errno.EIO,)
TOO_LONG = (errno.ENAMETOOLONG, errno.ELOOP)
MANY_FILES = (errno.EMFILE, errno.ENFILE)
DAMAGED = ("JSONDecodeError", "YAMLError", "UnicodeDecodeError", "UnpicklingError")  # documents of ours, and of others
PACKED = ("BadGzipFile", "BadZipFile", "LZMAError", "zlib.error", "EOFError", "ArrowInvalid")
NO_ROUTE = ("gaierror", "SSLError", "SSLCertVerificationError")


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _kinds(error: BaseException) -> set[str]:
    """The names of an error's classes, with their module for those whose own name says nothing."""
    return {c.__name__ if c.__name__ != "error" else f"{c.__module__}.error" for c in type(error).__mro__}


def _of_sqlite(error: BaseException) -> bool:
    return type(error).__module__ == "sqlite3"


def _memory_is_short(error: BaseException, name: str, text: str) -> bool:
    return isinstance(error, MemoryError) or name == "OutOfMemoryError" or _number(error) == errno.ENOMEM or _any(NO_MEMORY, text)


def disk_is_full(error: BaseException, name: str, text: str) -> bool:
    return _number(error) in FULL or _any(FULL_WORDS, text)


def _may_not_write(error: BaseException, name: str, text: str) -> bool:
    return isinstance(error, PermissionError) or _number(error) == errno.EROFS or _any(READ_ONLY_WORDS, text)


def _disk_fails(error: BaseException, name: str, text: str) -> bool:
    return _number(error) in FAILING or _of_sqlite(error) and ("disk i/o error" in text or "unable to open database" in text)


def _database_is_damaged(error: BaseException, name: str, text: str) -> bool:
    return _of_sqlite(error) and ("not a database" in text or "malformed" in text or "file is encrypted" in text)


def _packed_is_damaged(error: BaseException, name: str, text: str) -> bool:
    columns = isinstance(error, OSError) and error.errno is None and _any(("corrupt", "deserializ", "parquet", "decompress"), text)
    return bool(_kinds(error) & set(PACKED)) or columns


def _any(words: tuple[str, ...], text: str) -> bool:
    return any(w in text for w in words)


UNREACHABLE = {
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "ConnectError",
    "ConnectTimeout",
    "ReadTimeout",
    "ConnectionError",
    "HfHubHTTPError",
    "ProxyError",
}
SERVERS = {"HfHubHTTPError", "LocalEntryNotFoundError"}


def _from_a_server(error: BaseException, name: str) -> bool:
    """Whether a server's answer stands behind an error of the Hub's client."""
    return bool(_kinds(error) & SERVERS)


CARD_GONE = ("cuda error", "no cuda gpus are available", "no nvidia driver", "not compiled with cuda", "nvml")

KNOWN = (  # the first that tells wins
    Known(
        _memory_is_short,
        MemoryShortError,
        "The device ran out of memory.",
        "what the device had free",
        "Choose a smaller micro-batch or maximum length, switch gradient checkpointing on, or a smaller model.",
    ),
    Known(
        disk_is_full,
        DiskError,
        "The disk is full.",
        "0 bytes free",
        "Free some space or move the workspace (TUNESMITH_HOME); what was saved before is kept.",
    ),
    Known(
        _may_not_write,
        DiskError,
        "No permission to write to {file}.",
        "a folder you own",
        "Give yourself write permission there, or name another folder in TUNESMITH_HOME.",
    ),
    Known(
        _disk_fails,
        DiskError,
        "The disk could not read or write {file}.",
        "a disk that answers, with space left on it",
        "Check that it is connected and has free space; copy the workspace to another disk if it happens again.",
    ),
    Known(
        lambda e, name, text: _number(e) in TOO_LONG,
        RequestError,
        "A name or path is too long for this disk: {file}.",
        "names of up to 255 bytes, paths of up to 4,096",
        "Choose a shorter name, or move the file or the workspace closer to the root of the disk.",
    ),
    Known(
        lambda e, name, text: isinstance(e, ValueError) and text.startswith("embedded null"),
        RequestError,
        "A name holds a null character, which no file name may.",
        "names without control characters",
        "Type the name anew.",
    ),
    Known(
        lambda e, name, text: _number(e) in MANY_FILES or "too many open files" in text,
        WorkError,
        "Too many files are open at once.",
        "what the system lets one program open (`ulimit -n`)",
        "Close other programs, or raise the limit (`ulimit -n 4096`), and try again.",
    ),
    Known(
        lambda e, name, text: isinstance(e, BlockingIOError) or "can't start new thread" in text,
        WorkError,
        "The system starts no further process or thread.",
        "what the system lets one account run (`ulimit -u`)",
        "Close other programs and try again.",
    ),
    Known(
        lambda e, name, text: isinstance(e, (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)),
        WorkError,
        "The program at the other end of a connection has ended.",
        "a program that listens to the end",
        "Try again; what was saved before is kept.",
    ),
    Known(
        lambda e, name, text: _of_sqlite(e) and ("locked" in text or "busy" in text),
        ConflictError,
        "Another process is writing to the same database.",
        "one writer at a time",
        "Wait a moment and try again.",
    ),
    Known(
        _database_is_damaged,
        DataError,
        "A database of the workspace is damaged.",
        "metrics.db of a run, labels.db of a project, queue.db of the computer",
        "Put a copy of it back. Without one, remove the file: what it held is lost, everything else is kept.",
    ),
    Known(
        lambda e, name, text: isinstance(e, UnicodeEncodeError) or "surrogates not allowed" in text,
        DataError,
        "The text holds half of a character (a lone surrogate), which can't be stored.",
        "text that can be written as UTF-8",
        "Remove that character, or copy the text anew from where it came.",
    ),
    Known(
        lambda e, name, text: bool(_kinds(e) & set(DAMAGED)),
        DataError,
        "{document} is damaged.",
        "the file as it was written",
        "Put a copy of it back, or remove it and what belongs to it.",
    ),
    Known(
        _packed_is_damaged,
        DataError,
        "A compressed file is damaged or ends too early.",
        "the file as it was written",
        "Copy or import it again.",
    ),
    Known(
        lambda e, name, text: isinstance(e, RecursionError),
        DataError,
        "Something is nested too deeply to be read.",
        "a few hundred levels",
        "Flatten the data, or remove the row that holds it.",
    ),
    Known(
        lambda e, name, text: bool(_kinds(e) & set(NO_ROUTE)),
        NetworkError,
        "The network can't be reached, or the other side can't be trusted.",
        "what is on this computer",
        "Check the network, its certificates and the clock of this computer.",
    ),
    Known(
        lambda e, name, text: name == "GatedRepoError",
        NetworkError,
        "This model is gated: its owner wants you to agree to terms first.",
        "models without a gate",
        "Open the model's page on the Hub, agree to its terms, type an access token in Settings or run `hf auth login`, and try again.",
    ),
    Known(
        lambda e, name, text: name in ("RepositoryNotFoundError", "RevisionNotFoundError"),
        NetworkError,
        "The Hub knows no such model, or it is private.",
        "public models, or private ones after `hf auth login`",
        "Check the spelling of the id (owner/name).",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and status_of(e) == 429,
        NetworkError,
        "The Hub takes no more requests from here for now (429).",
        "a few hundred requests in five minutes, more after a login",
        "Wait some minutes and try again; type an access token in Settings, or run `hf auth login`, which raises the limit.",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and (status_of(e) or 0) >= 500,
        NetworkError,
        "The Hub has a fault of its own ({status}).",
        "models on this computer",
        "Try again in a while (status.huggingface.co tells); what was downloaded is kept.",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and status_of(e) == 401,
        NetworkError,
        "The Hub does not accept the access token (401).",
        "public models without a token, or a token that is valid",
        "Type another token in Settings, or run `hf auth login` anew.",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and status_of(e) == 403,
        NetworkError,
        "The access token may not read this (403).",
        "models that its owner may read",
        "Ask the model's owner for access, or use a token with read access to it.",
    ),
    Known(
        lambda e, name, text: name == "EntryNotFoundError" or _from_a_server(e, name) and status_of(e) == 404,
        NetworkError,
        "The Hub has no such model, dataset or file (404).",
        "ids as the Hub writes them (owner/name)",
        "Check the spelling; for private ones type an access token in Settings.",
    ),
    Known(
        lambda e, name, text: name in UNREACHABLE,
        NetworkError,
        "The Hugging Face Hub can't be reached from here.",
        "models on this computer",
        "Check the network, or choose the starter or a folder that holds a model.",
    ),
    Known(
        lambda e, name, text: (
            name == "SafetensorError" or "pytorchstreamreader failed" in text or "unexpected end" in text and "safetensors" in text
        ),
        ModelError,
        "A weights file of the model is damaged or incomplete.",
        "whole safetensors files",
        "Copy or download the model again.",
    ),
    Known(
        lambda e, name, text: any(c.__name__ == "TemplateError" for c in type(e).__mro__),  # jinja2's, whichever
        ModelError,
        "The model's chat template refuses these messages.",
        "the turns its template knows",
        "Check the order of the roles, remove system turns, or choose another model.",
    ),
    Known(
        lambda e, name, text: name == "AcceleratorError" or any(words in text for words in CARD_GONE),
        DeviceError,
        "The graphics card stopped answering.",
        "the CPU, or the card after a restart of its driver",
        "Check `nvidia-smi`; resume the run when the card is back.",
    ),
)
