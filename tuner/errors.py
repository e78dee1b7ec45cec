"""Every error a person may read, and the one border where foreign errors become ours.

    TunerError
    ├── RequestError            the request was wrong; nothing was started (exit code 2)
    │   ├── SettingError        one setting has a value it can't have
    │   ├── NotFoundError       no such model, dataset, run, file
    │   ├── ConflictError       right in itself, but not now: in use, already running, a name taken
    │   ├── NotAllowedError     this page, person or folder may not do that
    │   └── Problems            several of these at once: all that is wrong with one form
    └── WorkError               the work was started and failed (exit code 1)
        ├── DataError           a file that can't be read, or holds nothing to learn from
        ├── ModelError          a model that can't be loaded or trained
        ├── MemoryShortError    too little memory on the device
        ├── DiskError           disk full, or no permission to write
        ├── NetworkError        the Hub can't be reached, or refuses
        ├── DeviceError         a device that is gone or can't be used
        └── DivergedError       the loss is no longer a number

Each says what was asked, what is possible and what to do. Anything else that is raised is a defect.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class TunerError(Exception):
    """`message` is one sentence in plain words; `remedy` says what to do now."""

    exit_code = 1

    def __init__(self, message: str, *, asked: Any = None, available: Any = None, remedy: str, field: str | None = None):
        self.message, self.asked, self.available, self.remedy, self.field = message, asked, available, remedy, field
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def as_dict(self) -> dict:
        return {
            "code": _code(type(self)),
            "field": self.field,
            "message": self.message,
            "asked": _plain(self.asked),
            "available": _plain(self.available),
            "remedy": self.remedy,
        }

    def as_list(self) -> list[dict]:
        return [self.as_dict()]


class RequestError(TunerError):
    exit_code = 2


class SettingError(RequestError):
    pass


class NotFoundError(RequestError):
    pass


class ConflictError(RequestError):
    pass


class NotAllowedError(RequestError):
    pass


class Problems(RequestError):
    """All that is wrong with one request: `errors` holds them one by one."""

    def __init__(self, errors: list[TunerError]):
        self.errors = errors
        super().__init__(
            " ".join(e.message for e in errors),
            asked=[_plain(e.asked) for e in errors],
            available=[_plain(e.available) for e in errors],
            remedy=" ".join(e.remedy for e in errors),
        )

    def __str__(self) -> str:
        return "\n".join(str(e) for e in self.errors)

    def as_list(self) -> list[dict]:
        return [d for e in self.errors for d in e.as_list()]


class WorkError(TunerError):
    pass


class DataError(WorkError):
    pass


class ModelError(WorkError):
    pass


class MemoryShortError(WorkError):
    pass


class DiskError(WorkError):
    pass


class NetworkError(WorkError):
    pass


class DeviceError(WorkError):
    pass


class DivergedError(WorkError):
    pass


def raise_all(errors: list[TunerError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Problems(errors)


@dataclass(frozen=True)
class Known:
    """A library's error that we know: how to tell it (by the error, its class's name, its text in small letters), and our words."""

    tell: Callable[[BaseException, str, str], bool]
    kind: type[TunerError]
    message: str
    available: str
    remedy: str


def _disk_is_full(error: BaseException, name: str, text: str) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or "no space left" in text or "disk is full" in text


def _may_not_write(error: BaseException, name: str, text: str) -> bool:
    return isinstance(error, PermissionError) or isinstance(error, OSError) and error.errno == errno.EROFS


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
CARD_GONE = ("cuda error", "no cuda gpus are available", "no nvidia driver", "not compiled with cuda", "nvml")

KNOWN = (  # the first that tells wins
    Known(
        lambda e, name, text: (
            isinstance(e, MemoryError) or name == "OutOfMemoryError" or "out of memory" in text or "can't allocate memory" in text
        ),
        MemoryShortError,
        "The device ran out of memory.",
        "what the device had free",
        "Choose a smaller micro-batch or maximum length, switch gradient checkpointing on, or a smaller model.",
    ),
    Known(
        _disk_is_full,
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
        lambda e, name, text: name == "GatedRepoError",
        NetworkError,
        "This model is gated: its owner wants you to agree to terms first.",
        "models without a gate",
        "Open the model's page on the Hub, agree to its terms, run `hf auth login`, and try again.",
    ),
    Known(
        lambda e, name, text: name in ("RepositoryNotFoundError", "RevisionNotFoundError"),
        NetworkError,
        "The Hub knows no such model, or it is private.",
        "public models, or private ones after `hf auth login`",
        "Check the spelling of the id (owner/name).",
    ),
    Known(
        lambda e, name, text: name in UNREACHABLE,
        NetworkError,
        "The Hugging Face Hub can't be reached from here.",
        "models on this computer",
        "Check the network, or choose the starter or a folder that holds a model.",
    ),
    Known(
        lambda e, name, text: name == "SafetensorError" or "unexpected end" in text and "safetensors" in text,
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


def translate(error: BaseException) -> TunerError | None:
    """The border: a library's error as one of ours, or None when it is a defect of our own."""
    if isinstance(error, TunerError):
        return error
    file = getattr(error, "filename", None)
    for known in KNOWN:
        if known.tell(error, type(error).__name__, str(error).lower()):
            asked = file if known.kind is DiskError else str(error)[:300]
            return known.kind(
                known.message.format(file=file or "the workspace"), asked=asked, available=known.available, remedy=known.remedy
            )
    return None


def disk_is_full(error: BaseException) -> bool:
    """Whether an error of the system or of SQLite means that nothing more can be written."""
    return _disk_is_full(error, type(error).__name__, str(error).lower())


def restore(documents: list[dict]) -> TunerError:
    """The error, or `Problems`, whose `as_list` came from another process."""
    kinds, queue = {}, [TunerError]
    while queue:
        cls = queue.pop()
        kinds[_code(cls)] = cls
        queue += cls.__subclasses__()
    errors = [
        kinds.get(d["code"], WorkError)(d["message"], asked=d["asked"], available=d["available"], remedy=d["remedy"], field=d["field"])
        for d in documents
    ]
    return errors[0] if len(errors) == 1 else Problems(errors)


def _code(cls: type) -> str:
    name = cls.__name__.removesuffix("Error")
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    return str(value)
