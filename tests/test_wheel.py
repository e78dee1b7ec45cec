"""A wheel installed outside the checkout carries presets, starter and samples, and runs the demo."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tuner import paths


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = folder / "source"  # a copy: setuptools writes its build folder beside the sources
    names = subprocess.run(["git", "ls-files"], cwd=paths.PRESETS.parent, capture_output=True, text=True).stdout.split()
    if not names:
        pytest.skip("not a git checkout")
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((paths.PRESETS.parent / name).read_bytes())
    subprocess.run([*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", folder, source], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", *folder.glob("*.whl")], check=True)
    return folder / "site"


def outside(installed, home, *args: str) -> dict:
    """What a command of the installed wheel prints, run far from the checkout."""
    env = os.environ | {"PYTHONPATH": str(installed), "TUNESMITH_HOME": str(home / "home"), "TUNESMITH_MACHINE": str(home / "machine")}
    command = [sys.executable, "-m", "tuner.cli", *args, "--json"]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_the_starter_samples_and_presets_are_in_the_wheel(installed, tmp_path):
    sample = next((installed / "presets" / "samples").glob("*.csv"))
    data = outside(installed, tmp_path, "data", "add", str(sample))["dataset"]
    plan = outside(installed, tmp_path, "plan", "--model", "starter", "--data", data, "--preset", "quick")
    assert plan["fits"] and plan["rows"]["rows"] > 10


@pytest.mark.long
def test_the_demo_runs_from_a_wheel(installed, tmp_path):
    answers = outside(installed, tmp_path, "demo")
    assert answers["state"] == "finished" and answers["loss"]["after"] < answers["loss"]["before"]
    assert sum(a["after"].startswith("Ahoy") for a in answers["answers"]) >= 2
    assert not any(a["before"].startswith("Ahoy") for a in answers["answers"])
    plan = json.loads((tmp_path / "home" / "me" / "runs" / answers["run"] / "plan.json").read_text())
    assert plan["model"]["base"].startswith(str(installed))


def test_every_package_of_the_engine_is_in_the_wheel(installed):
    """A room that is new must be listed in pyproject.toml, too."""
    here = {p.parent.relative_to(ROOT) for top in ("tuner", "ui") for p in (ROOT / top).rglob("*.py")}
    assert not sorted(str(p) for p in here if not (installed / p).is_dir())
