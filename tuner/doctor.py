"""What this computer has, what is missing, and the command that mends it."""

import shutil
import sys
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

from tuner import __version__, hardware, planner
from tuner.errors import TunerError
from tuner.paths import Workspace

MIN_FREE = 2_000_000_000  # bytes on the workspace's disk below which a run may not end well


def look(ws: Workspace) -> dict[str, Any]:
    """{"devices", "versions", "workspace", "problems": [{"message", "remedy"}], "summary"}; nothing is changed."""
    problems = libraries()
    versions = hardware.versions()
    if command := hardware.gpu_without_torch():
        problems.append({"message": "There is an NVIDIA card, but the installed torch can only use the CPU.", "remedy": command})
    try:
        ws.prepare()
        free = shutil.disk_usage(ws.root).free
        if free < MIN_FREE:
            problems.append(
                {
                    "message": f"The disk of the workspace has {hardware.human_bytes(free)} left.",
                    "remedy": "Free some space, or set TUNESMITH_HOME.",
                }
            )
    except TunerError as error:
        free = None
        problems.append({"message": error.message, "remedy": error.remedy})
    devices = hardware.devices()
    return {
        "tunesmith": __version__,
        "python": sys.version.split()[0],
        "devices": [{"id": d.id, "name": d.name, "total_bytes": d.total, "free_bytes": d.free} for d in devices],
        "versions": versions,
        "workspace": {"path": str(ws.root), "free_bytes": free},
        "problems": problems,
        "summary": planner.capacity(devices[0]),
    }


def libraries() -> list[dict[str, str]]:
    """What of our requirements is missing or of another version than we work with; empty in a checkout that was never installed."""
    try:
        wanted = [Requirement(line) for line in metadata.requires("tunesmith") or []]
    except metadata.PackageNotFoundError:
        return []
    found = []
    for need in wanted:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        command = f'"{sys.executable}" -m pip install "{need.name}{need.specifier}"'
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            found.append({"message": f"{need.name} is not installed.", "remedy": command})
            continue
        if not need.specifier.contains(version, prereleases=True):
            found.append({"message": f"{need.name} {version} is installed; Tunesmith works with {need.specifier}.", "remedy": command})
    return found
