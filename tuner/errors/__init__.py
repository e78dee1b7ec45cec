"""Errors that a person reads: their `kinds`, and the `translation` of `foreign` errors of libraries and the system into them.

In: errors of libraries and of the system. Out: TunerErrors and their documents. May only import `tuner.network.retries`.
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
