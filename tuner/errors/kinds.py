"""The kinds of errors that a person may read.

    TunerError
    ├── RequestError            the request was wrong; nothing was started (exit code 2)
    │   ├── SettingError        one setting has a value it can't have
    │   ├── NotFoundError       no such model, dataset, run, file
    │   ├── ConflictError       not possible now: in use, already running, name taken
    │   ├── NotAllowedError     this page, person or folder has no permission
    │   └── Problems            several of these at once: everything wrong with one form
    └── WorkError               the work was started and failed (exit code 1)
        ├── DataError           a file that can't be read, or contains nothing to train on
        ├── ModelError          a model that can't be loaded or trained
        ├── MemoryShortError    too little memory on the device
        ├── DiskError           disk full, or no permission to write
        ├── NetworkError        the Hub can't be reached, or refuses the request
        ├── DeviceError         a device that is missing or can't be used
        └── DivergedError       the loss is no longer a number

Each says what was asked, what is possible and what to do. Any other exception is a bug.
"""

from typing import Any


class TunerError(Exception):
    """An error for a person. `message`: one plain sentence; `asked`, `available`: what was requested and what is possible; `remedy`: what to do."""

    exit_code = 1

    def __init__(self, message: str, *, asked: Any = None, available: Any = None, remedy: str, field: str | None = None):
        self.message, self.asked, self.available, self.remedy, self.field = message, asked, available, remedy, field
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def as_dict(self) -> dict:
        return {
            "code": code_of(type(self)),
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
    """Everything that is wrong with one request; `errors` lists the single errors."""

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
    """Raise the collected errors: none, a single one, or all of them as `Problems`."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Problems(errors)


def restore(documents: list[dict]) -> TunerError:
    """Rebuild an error, or `Problems`, from its `as_list` from another process."""
    kinds, queue = {}, [TunerError]
    while queue:
        cls = queue.pop()
        kinds[code_of(cls)] = cls
        queue += cls.__subclasses__()
    errors = [
        kinds.get(d["code"], WorkError)(d["message"], asked=d["asked"], available=d["available"], remedy=d["remedy"], field=d["field"])
        for d in documents
    ]
    return errors[0] if len(errors) == 1 else Problems(errors)


def code_of(cls: type) -> str:
    """Return the `code` of an error class in documents: memory_short for MemoryShortError."""
    name = cls.__name__.removesuffix("Error")
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    return str(value)
