"""What a person reads when something can't be done: `kinds` of errors, and the border (`translation`) where `foreign` errors become ours.

In: errors of libraries and of the system. Out: TunerErrors and their documents. May import `tuner.network.retries` alone.
"""

from tuner.errors.kinds import (
    ConflictError,
    DataError,
    DeviceError,
    DiskError,
    DivergedError,
    MemoryShortError,
    ModelError,
    NetworkError,
    NotAllowedError,
    NotFoundError,
    Problems,
    RequestError,
    SettingError,
    TunerError,
    WorkError,
    raise_all,
    restore,
)
from tuner.errors.translation import disk_is_full, example, translate

__all__ = [
    "ConflictError",
    "DataError",
    "DeviceError",
    "DiskError",
    "DivergedError",
    "MemoryShortError",
    "ModelError",
    "NetworkError",
    "NotAllowedError",
    "NotFoundError",
    "Problems",
    "RequestError",
    "SettingError",
    "TunerError",
    "WorkError",
    "disk_is_full",
    "example",
    "raise_all",
    "restore",
    "translate",
]
