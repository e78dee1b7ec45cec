"""Diagnostics: the devices and libraries of this computer, what is missing, and the command that fixes it."""

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

MIN_FREE = 2_000_000_000  # bytes on the workspace's disk below which a run may fail


def report(ws: Workspace, *, probe: bool = False) -> dict[str, Any]:
    """Return {"devices", "versions", "workspace", "problems": [{"message", "remedy"}], "summary"}; nothing is changed.

    With `probe`, each device is benchmarked now, which takes some seconds.
    """
    problems = libraries()
    versions = devices.versions()
    if command := devices.gpu_without_torch():
        problems.append({"message": "This computer has an NVIDIA card, but the installed torch can only use the CPU.", "remedy": command})
    problems += devices.troubles()
    try:
        ws.prepare()
        free = shutil.disk_usage(ws.root).free
        if free < MIN_FREE:
            problems.append(
                {
                    "message": f"The workspace's disk has only {human_bytes(free)} free.",
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
            {"id": d.id, "name": d.name, "total_bytes": d.total, "free_bytes": d.free, "ceilings": benchmark_result(roofline.of(d))}
            for d in found
        ],
        "versions": versions,
        "workspace": {"path": str(ws.root), "free_bytes": free},
        "problems": problems,
        "summary": model_suggestions.capacity(found[0]),
    }


def benchmark_result(found: roofline.Roofline) -> dict[str, Any] | None:
    """Return the benchmark result of a device in common units, with its time; None before a benchmark."""
    if found.measured is None:
        return None
    return {
        "fp32_tflops": round(found.fp32 / 1e12, 3),
        "bf16_tflops": round(found.bf16 / 1e12, 3),
        "bandwidth_gb_per_second": round(found.bandwidth / 1e9, 1),
        "layer_milliseconds": round(found.layer * 1e3, 3),
        "measured": found.measured,
    }


def as_text(found: dict[str, Any] | None) -> str:
    """Return the result of `reached` as a table cell."""
    if not found:
        return "not yet measured"
    products = f"{found['fp32_tflops']:.3g} TFLOP/s in fp32, {found['bf16_tflops']:.3g} in bf16"
    return f"{products}; memory {found['bandwidth_gb_per_second']:.0f} GB/s; measured {found['measured'][:16].replace('T', ' ')}"


def libraries() -> list[dict[str, str]]:
    """Return the requirements that are missing or have an unsupported version; [] in a checkout that was never installed."""
    try:
        wanted = [Requirement(line) for line in metadata.requires("tunesmith") or []]
    except metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        command = f'"{sys.executable}" -m pip install "{requirement.name}{requirement.specifier}"'
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found.append({"message": f"{requirement.name} is not installed.", "remedy": command})
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            message = f"{requirement.name} {version} is installed; Tunesmith needs {requirement.specifier}."
            found.append({"message": message, "remedy": command})
    return found
