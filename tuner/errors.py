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


def translate(error: BaseException) -> TunerError | None:
    """The border: a library's error as one of ours, or None when it is a defect of our own."""
    if isinstance(error, TunerError):
        return error
    text, kind = str(error), type(error).__name__
    low = text.lower()
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError" or "out of memory" in low or "can't allocate memory" in low:
        return MemoryShortError(
            "The device ran out of memory.",
            asked=text[:300],
            available="what the device had free",
            remedy="Choose a smaller micro-batch or maximum length, switch gradient checkpointing on, or a smaller model.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) or "no space left" in low or "disk is full" in low:
        return DiskError(
            "The disk is full.",
            asked=getattr(error, "filename", None),
            available="0 bytes free",
            remedy="Free some space or move the workspace (TUNESMITH_HOME); what was saved before is kept.",
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return DiskError(
            f"No permission to write to {error.filename or 'the workspace'}.",
            asked=error.filename,
            available="a folder you own",
            remedy="Give yourself write permission there, or name another folder in TUNESMITH_HOME.",
        )
    if kind == "GatedRepoError":
        return NetworkError(
            "This model is gated: its owner wants you to agree to terms first.",
            asked=text[:200],
            available="models without a gate",
            remedy="Open the model's page on the Hub, agree to its terms, run `hf auth login`, and try again.",
        )
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError"):
        return NetworkError(
            "The Hub knows no such model, or it is private.",
            asked=text[:200],
            available="public models, or private ones after `hf auth login`",
            remedy="Check the spelling of the id (owner/name).",
        )
    if kind in (
        "OfflineModeIsEnabled",
        "LocalEntryNotFoundError",
        "ConnectError",
        "ConnectTimeout",
        "ReadTimeout",
        "ConnectionError",
        "HfHubHTTPError",
        "ProxyError",
    ):
        return NetworkError(
            "The Hugging Face Hub can't be reached from here.",
            asked=text[:200],
            available="models on this computer",
            remedy="Check the network, or choose the starter or a folder that holds a model.",
        )
    if kind == "SafetensorError" or "unexpected end" in low and "safetensors" in low:
        return ModelError(
            "A weights file of the model is damaged or incomplete.",
            asked=text[:200],
            available="whole safetensors files",
            remedy="Copy or download the model again.",
        )
    if any(c.__name__ == "TemplateError" for c in type(error).__mro__):  # jinja2's, whichever
        return ModelError(
            "The model's chat template refuses these messages.",
            asked=text[:300],
            available="the turns its template knows",
            remedy="Check the order of the roles, remove system turns, or choose another model.",
        )
    gone = ("cuda error", "no cuda gpus are available", "no nvidia driver", "not compiled with cuda")
    if any(words in low for words in gone) or kind == "AcceleratorError" or "nvml" in low:
        return DeviceError(
            "The graphics card stopped answering.",
            asked=text[:200],
            available="the CPU, or the card after a restart of its driver",
            remedy="Check `nvidia-smi`; resume the run when the card is back.",
        )
    return None


def _code(cls: type) -> str:
    name = cls.__name__.removesuffix("Error")
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    return str(value)
