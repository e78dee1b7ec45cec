"""The known errors of libraries and the system: how each is recognized, and its message. Used by `translation.translate`; the first match wins.

They are recognized by number or class where the library has one, otherwise by their text (torch's and Rust's writers). An error that is
not listed here is a bug in Tunesmith.
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
    """A known error of a library. `tell` recognizes it from the error, its class name and its text in lower case."""

    tell: Callable[[BaseException, str, str], bool]
    kind: type[TunerError]
    message: str
    available: str
    remedy: str


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # EFBIG: a limit on the size of one file (ulimit -f, FAT32)
FULL_WORDS = (  # torch's and Rust's writers only report it as text
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
    "failed to map segment",  # a shared library that could not be loaded into memory
)
FAILING = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EREMOTEIO) if hasattr(errno, "EREMOTEIO") else (errno.EIO,)
TOO_LONG = (errno.ENAMETOOLONG, errno.ELOOP)
MANY_FILES = (errno.EMFILE, errno.ENFILE)
DAMAGED = ("JSONDecodeError", "YAMLError", "UnicodeDecodeError", "UnpicklingError")  # our own documents and those of others
PACKED = ("BadGzipFile", "BadZipFile", "LZMAError", "zlib.error", "EOFError", "ArrowInvalid")
NO_ROUTE = ("gaierror", "SSLError", "SSLCertVerificationError")


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _kinds(error: BaseException) -> set[str]:
    """Return the names of an error's classes, with the module for those that are only called `error`."""
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
    """Return whether an error of the Hub's client was caused by a server's response."""
    return bool(_kinds(error) & SERVERS)


CARD_GONE = ("cuda error", "no cuda gpus are available", "no nvidia driver", "not compiled with cuda", "nvml")

KNOWN = (  # the first match wins
    Known(
        _memory_is_short,
        MemoryShortError,
        "The device ran out of memory.",
        "the free memory of the device",
        "Choose a smaller micro-batch or maximum length, turn gradient checkpointing on, or choose a smaller model.",
    ),
    Known(
        disk_is_full,
        DiskError,
        "The disk is full.",
        "0 bytes free",
        "Free some space or move the workspace (TUNESMITH_HOME); everything saved before is kept.",
    ),
    Known(
        _may_not_write,
        DiskError,
        "No permission to write to {file}.",
        "a folder you own",
        "Give yourself write permission there, or set TUNESMITH_HOME to another folder.",
    ),
    Known(
        _disk_fails,
        DiskError,
        "The disk could not read or write {file}.",
        "a working disk with free space",
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
        "A name contains a null character, which is not allowed in file names.",
        "names without control characters",
        "Type the name again.",
    ),
    Known(
        lambda e, name, text: _number(e) in MANY_FILES or "too many open files" in text,
        WorkError,
        "Too many files are open at once.",
        "the number of files that one program may open (`ulimit -n`)",
        "Close other programs, or raise the limit (`ulimit -n 4096`), and try again.",
    ),
    Known(
        lambda e, name, text: isinstance(e, BlockingIOError) or "can't start new thread" in text,
        WorkError,
        "The system can't start another process or thread.",
        "the number of processes that one account may run (`ulimit -u`)",
        "Close other programs and try again.",
    ),
    Known(
        lambda e, name, text: isinstance(e, (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)),
        WorkError,
        "The program at the other end of a connection has stopped.",
        "a connection that stays open",
        "Try again; everything saved before is kept.",
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
        "Restore a copy of it. Without one, delete the file: its content is lost, everything else is kept.",
    ),
    Known(
        lambda e, name, text: isinstance(e, UnicodeEncodeError) or "surrogates not allowed" in text,
        DataError,
        "The text contains half of a character (a lone surrogate), which can't be stored.",
        "text that can be written as UTF-8",
        "Remove that character, or copy the text again from its source.",
    ),
    Known(
        lambda e, name, text: bool(_kinds(e) & set(DAMAGED)),
        DataError,
        "{document} is damaged.",
        "an intact file",
        "Restore a copy of it, or delete it and what belongs to it.",
    ),
    Known(
        _packed_is_damaged,
        DataError,
        "A compressed file is damaged or ends too early.",
        "an intact file",
        "Copy or import it again.",
    ),
    Known(
        lambda e, name, text: isinstance(e, RecursionError),
        DataError,
        "Something is nested too deeply to be read.",
        "a few hundred levels",
        "Flatten the data, or remove the row that contains it.",
    ),
    Known(
        lambda e, name, text: bool(_kinds(e) & set(NO_ROUTE)),
        NetworkError,
        "The network can't be reached, or the server can't be trusted.",
        "models and data on this computer",
        "Check the network, its certificates and the clock of this computer.",
    ),
    Known(
        lambda e, name, text: name == "GatedRepoError",
        NetworkError,
        "This model is gated: you have to accept its terms first.",
        "models that are not gated",
        "Open the model's page on the Hub, accept its terms, enter an access token in Settings or run `hf auth login`, and try again.",
    ),
    Known(
        lambda e, name, text: name in ("RepositoryNotFoundError", "RevisionNotFoundError"),
        NetworkError,
        "The Hub has no such model, or it is private.",
        "public models, or private ones after `hf auth login`",
        "Check the spelling of the id (owner/name).",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and status_of(e) == 429,
        NetworkError,
        "The Hub accepts no more requests from here for now (429).",
        "a few hundred requests in five minutes, more after a login",
        "Wait a few minutes and try again. To raise the limit, enter an access token in Settings or run `hf auth login`.",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and (status_of(e) or 0) >= 500,
        NetworkError,
        "The Hub reports an internal error ({status}).",
        "models on this computer",
        "Try again later (see status.huggingface.co); everything downloaded is kept.",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and status_of(e) == 401,
        NetworkError,
        "The Hub does not accept the access token (401).",
        "public models without a token, or a valid token",
        "Enter another token in Settings, or run `hf auth login` again.",
    ),
    Known(
        lambda e, name, text: _from_a_server(e, name) and status_of(e) == 403,
        NetworkError,
        "The access token has no permission to read this (403).",
        "models that the token's owner may read",
        "Ask the model's owner for access, or use a token with read access to it.",
    ),
    Known(
        lambda e, name, text: name == "EntryNotFoundError" or _from_a_server(e, name) and status_of(e) == 404,
        NetworkError,
        "The Hub has no such model, dataset or file (404).",
        "ids as the Hub writes them (owner/name)",
        "Check the spelling; for private ones, enter an access token in Settings.",
    ),
    Known(
        lambda e, name, text: name in UNREACHABLE,
        NetworkError,
        "The Hugging Face Hub can't be reached from here.",
        "models on this computer",
        "Check the network, or choose the starter model or a local folder with a model.",
    ),
    Known(
        lambda e, name, text: (
            name == "SafetensorError" or "pytorchstreamreader failed" in text or "unexpected end" in text and "safetensors" in text
        ),
        ModelError,
        "A weights file of the model is damaged or incomplete.",
        "complete safetensors files",
        "Copy or download the model again.",
    ),
    Known(
        lambda e, name, text: any(c.__name__ == "TemplateError" for c in type(e).__mro__),  # jinja2's, whichever
        ModelError,
        "The model's chat template refuses these messages.",
        "the messages that its chat template supports",
        "Check the order of the roles, remove system messages, or choose another model.",
    ),
    Known(
        lambda e, name, text: name == "AcceleratorError" or any(words in text for words in CARD_GONE),
        DeviceError,
        "The graphics card stopped responding.",
        "the CPU, or the card after a restart of its driver",
        "Check `nvidia-smi`, and resume the run when the card is available again.",
    ),
)
