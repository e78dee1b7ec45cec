"""What this computer has, what is missing, and the command that mends it."""

import shutil
import sys
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

from tuner import __version__, devices
from tuner.devices import roofline
from tuner.errors import TunerError
from tuner.formatting import human_bytes
from tuner.jobs import benchmarks
from tuner.paths import Workspace
from tuner.planning import model_suggestions

MIN_FREE = 2_000_000_000  # bytes on the workspace's disk below which a run may not end well


def look(ws: Workspace, *, probe: bool = False) -> dict[str, Any]:
    """{"devices", "versions", "workspace", "problems": [{"message", "remedy"}], "summary"}; nothing is changed. With `probe` each device
    is measured now, which takes some seconds."""
    problems = libraries()
    versions = devices.versions()
    if command := devices.gpu_without_torch():
        problems.append({"message": "There is an NVIDIA card, but the installed torch can only use the CPU.", "remedy": command})
    try:
        ws.prepare()
        free = shutil.disk_usage(ws.root).free
        if free < MIN_FREE:
            problems.append(
                {
                    "message": f"The disk of the workspace has {human_bytes(free)} left.",
                    "remedy": "Free some space, or set TUNESMITH_HOME.",
                }
            )
    except TunerError as error:
        free = None
        problems.append({"message": error.message, "remedy": error.remedy})
    found = devices.listing()
    if probe:
        for device in found:
            benchmarks.measure(ws, device)
    return {
        "tunesmith": __version__,
        "python": sys.version.split()[0],
        "devices": [
            {"id": d.id, "name": d.name, "total_bytes": d.total, "free_bytes": d.free, "ceilings": reached(roofline.of(d))} for d in found
        ],
        "versions": versions,
        "workspace": {"path": str(ws.root), "free_bytes": free},
        "problems": problems,
        "summary": model_suggestions.capacity(found[0]),
    }


def reached(found: roofline.Roofline) -> dict[str, Any] | None:
    """What a device reaches, in its units, and when that was measured; None before."""
    if found.measured is None:
        return None
    return {
        "fp32_tflops": round(found.fp32 / 1e12, 3),
        "bf16_tflops": round(found.bf16 / 1e12, 3),
        "bandwidth_gb_per_second": round(found.bandwidth / 1e9, 1),
        "layer_milliseconds": round(found.layer * 1e3, 3),
        "measured": found.measured,
    }


def in_words(found: dict[str, Any] | None) -> str:
    """One cell of a table: what `reached` says."""
    if not found:
        return "not yet measured"
    products = f"{found['fp32_tflops']:.3g} TFLOP/s in fp32, {found['bf16_tflops']:.3g} in bf16"
    return f"{products}; memory {found['bandwidth_gb_per_second']:.0f} GB/s; measured {found['measured'][:16].replace('T', ' ')}"


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
