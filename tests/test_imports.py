"""Imports run one way, and the page stays light: seen from clean processes, and in the sources."""

import ast
import json

import pytest

from tests.conftest import ROOT, fresh

HEAVY = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")
TUNER = [
    ".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for f in sorted((ROOT / "tuner").rglob("*.py"))
    if "workers" not in f.parts
]
UI = [".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for f in sorted((ROOT / "ui").rglob("*.py"))]
LOADED = "import importlib, json, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(json.dumps(sorted(sys.modules)))"

PERSONAL = """import json, sys
from tuner.data.quality import pii
assert pii.find("Nothing here, not in 2024 either.") == [] and not {"phonenumbers", "stdnum"} & set(sys.modules)
pii.find("GB82WEST12345698765432, +49 30 1234567")
print(json.dumps(sorted(sys.modules)))"""


def loaded_by(*names: str) -> set[str]:
    return set(json.loads(fresh(LOADED, *names).splitlines()[-1]))


def test_the_page_loads_no_torch():
    modules = loaded_by("app", *UI, *TUNER)
    assert (
        not modules & {*HEAVY, "phonenumbers", "stdnum"}
        and "gradio" in modules
        and not any(m.startswith("tuner.workers.") for m in modules)
    )


def test_the_engine_loads_no_gradio():
    modules = loaded_by(*TUNER)
    assert not modules & {"gradio", "gradio_client", "ui", "app", *HEAVY} and "tuner.cli" in modules


@pytest.mark.parametrize("module", ["tuner.jobs.supervisor", "tuner.workers.data_tasks", "tuner.workers.download"])
def test_processes_without_models_stay_light(module):
    assert not loaded_by(module) & {*HEAVY, "gradio"}


def test_numbering_plans_are_loaded_by_the_first_number_that_needs_them():
    assert {"phonenumbers", "stdnum"} <= set(json.loads(fresh(PERSONAL).splitlines()[-1]))


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{a.name}", node.lineno) for a in node.names)


def offences(folder: str, forbidden) -> list[str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return [f"{f.relative_to(ROOT)}:{line} imports {name}" for f in files for name, line in imports_of(f) if forbidden(f, name)]


def test_imports_run_one_way_in_the_sources_too():
    """Also those inside functions, which a test that only imports can't see."""

    def under(name, *packages):
        return any(name == p or name.startswith(p + ".") for p in packages)

    def wrong_in_tuner(file, name):
        worker = "workers" in file.parts
        return (
            under(name, "app", "gradio")
            or (under(name, "ui") and file.parent.name != "cli")
            or (not worker and (under(name, *HEAVY) or under(name, "tuner.workers")))
        )

    def wrong_in_ui(file, name):
        tab_in_tab = file.name.endswith("_tab.py") and under(name, "ui") and name.split(".")[1:2] and name.split(".")[1].endswith("_tab")
        return under(name, "app", "tuner.workers", *HEAVY) or tab_in_tab

    assert offences("tuner", wrong_in_tuner) + offences("ui", wrong_in_ui) == []


def test_every_process_of_the_supervisor_exists():
    from tuner.jobs.kinds import KINDS
    from tuner.settings.objectives import OBJECTIVES

    stages = [stage.module for kind in KINDS.values() for stage in kind.stages]
    trainers = [f"tuner.workers.training.{objective.worker}" for objective in OBJECTIVES.values()]
    for module in [kind.module for kind in KINDS.values() if isinstance(kind.module, str)] + stages + trainers:
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file()
