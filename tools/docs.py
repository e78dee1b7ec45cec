"""Write what is generated: requirements.txt, the tables and trees in README.md and docs/, the picture of the house; with --screenshot that of the app.

python -m tools.docs [--screenshot URL]     URL: of a running app with a finished demo
"""

import argparse
import re
import shutil
import tomllib
from pathlib import Path

from tools import architecture
from tuner.network import connections
from tuner.settings import losses, methods, objectives, run_config
from ui import gradio_options, routes

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = {  # <!-- name --> in a document -> what stands there, up to <!-- /name -->
    "routes": routes.table,
    "options": gradio_options.tables,
    "connections": connections.table,
    "settings": run_config.settings_table,
    "losses": losses.table,
    "matrix": lambda: matrix(),
    "tree": architecture.tree,
    "files": architecture.files,
}
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def requirements() -> str:
    """The dependencies of pyproject.toml, for Spaces, which read requirements.txt alone."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return "\n".join(["# Generated from pyproject.toml by `python -m tools.docs`; a test holds them together.", *wanted, ""])


def filled(text: str) -> str:
    """Return a document with each of its generated blocks as the code has it now."""
    for name, made in BLOCKS.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if block.search(text):
            text = block.sub(lambda m, made=made: f"{m[1]}{made()}\n{m[2]}", text)
    return text


def matrix() -> str:
    """What can be learnt, how, on which family: a table from the registries, with the cells that can't be trained named below it."""
    names = list(objectives.OBJECTIVES.values())
    lines = ["| | " + " | ".join(o.title for o in names) + " |", "| --- |" + " --- |" * len(names)]
    notes = []
    for m in methods.METHODS.values():
        cells = []
        for o in names:
            able = [f for f in o.families if (m.name, o.name, f) not in methods.CELLS]
            cells.append(", ".join(able) if able else "no")
        lines.append(f"| **{m.title}** (`{m.name}`) | " + " | ".join(cells) + " |")
    for (method, objective, where), why in methods.CELLS.items():
        notes.append(f"- {methods.get(method).title}, {objective if objective != '*' else 'all'}, {where}: {why}")
    return "\n".join([*lines, "", *notes])


def screenshot(url: str, target: Path) -> None:
    """The Runs tab of a running app, as a person sees it at 1280 px."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1)
        page.goto(url)
        page.get_by_role("tab", name="Runs", exact=True).click()
        page.wait_for_selector("#chart-loss svg")
        page.wait_for_timeout(1500)
        page.screenshot(path=target)
        browser.close()


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--screenshot", metavar="URL")
    args = parse.parse_args()
    (ROOT / "requirements.txt").write_text(requirements(), encoding="utf-8")
    for file in DOCUMENTS:
        file.write_text(filled(file.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "architecture.svg").write_text(architecture.picture(), encoding="utf-8")
    if args.screenshot:
        screenshot(args.screenshot, ROOT / "docs" / "runs.png")


if __name__ == "__main__":
    main()
