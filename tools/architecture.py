"""The house as its imports draw it: the README's tree, the lists of docs/architecture.md and its picture.

The floors are read from the layer contracts of pyproject.toml, which `lint-imports` keeps; nothing here is drawn by hand.
"""

import ast
import tomllib
from collections import Counter
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {  # what is no Python package, or not of the house
    "run.sh": "make .venv, install, open the app (run.bat on Windows)",
    "presets/": "presets as YAML, the model catalog, the starter model, sample datasets and how they were made",
    "tests/": "as the rooms; hostile/ kills, damages and fills disks, matrix/ trains every method on every family, browser/ drives Chromium",
    "bench/": "benchmarks: ratios beside a named baseline",
    "tools/": "what writes the generated parts of these documents",
}
WIDTH, HIGH, GAP, LEFT = 1000, 44, 26, 20  # of the picture, in pixels
GROUND = ("tuner.paths", "tuner.locks", "tuner.formatting", "tuner.errors")  # that everybody imports: no arrows are drawn to them


def first_line(file: Path) -> str:
    """Return the first sentence of a module's docstring, in one line."""
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(told.split("\n\n")[0].split())


def rooms(top: str = "tuner") -> list[Path]:
    """Return the packages below a folder, in order of their names; each `__init__.py` is the map of its room."""
    return sorted(f.parent for f in (ROOT / top).rglob("__init__.py") if f.parent != ROOT / top)


def tree() -> str:
    """Return the README's tree: every room with its first line, every loose module of `tuner/` with its own."""
    lines = [("app.py", first_line(ROOT / "app.py")), ("tuner/", first_line(ROOT / "tuner" / "__init__.py"))]
    for room in rooms():
        depth = len(room.relative_to(ROOT).parts) - 1
        lines.append(("  " * depth + room.name + "/", first_line(room / "__init__.py")))
    lines += [("  " + f.name, first_line(f)) for f in sorted((ROOT / "tuner").glob("*.py")) if f.name != "__init__.py"]
    lines += [("ui/", first_line(ROOT / "ui" / "__init__.py")), *OUTSIDE.items()]
    return "\n".join(["```", *(f"{name:20} {told}" for name, told in lines), "```"])


def files() -> str:
    """Return every file of the engine with its first line, a section for each room."""
    out = []
    for room in [ROOT / "tuner", *rooms()]:
        modules = [f for f in sorted(room.glob("*.py")) if f.name not in ("__init__.py", "__main__.py")]
        if modules:
            out += [f"### {room.relative_to(ROOT)}/", "", *(f"- `{f.name}`: {first_line(f)}" for f in modules), ""]
    return "\n".join(out).rstrip()


def floors() -> list[list[str]]:
    """Return the rooms of each floor, from the top, as the contract "floors" has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(c for c in contracts if c["id"] == "floors")["layers"]
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def room_of(module: str, known: list[str]) -> str | None:
    """Return the room of the floors that a module belongs to."""
    return next((r for r in known if module == r or module.startswith(r + ".")), None)


def arrows(known: list[str]) -> Counter[tuple[str, str]]:
    """Return how many files of one room import something of another."""
    import grimp

    graph, found = grimp.build_graph("tuner", "ui", exclude_type_checking_imports=True), Counter()
    for module in graph.modules:
        here = room_of(module, known)
        found.update(
            {(here, there) for m in graph.find_modules_directly_imported_by(module) if (there := room_of(m, known)) not in (None, here)}
        )
    return Counter({k: n for k, n in found.items() if k[0]})


def lines_of(room: str) -> int:
    place = ROOT / room.replace(".", "/")
    found = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    return sum(len(f.read_text(encoding="utf-8").splitlines()) for f in found)


def picture() -> str:
    """Return the SVG of docs/architecture.svg: a row for each floor, a curve for each room that imports another, as wide as many files do."""
    storeys = floors()
    known = sorted((r for floor in storeys for r in floor), key=len, reverse=True)
    place = {}
    for y, floor in enumerate(storeys):
        wide = (WIDTH - 2 * LEFT - GAP * (len(floor) - 1)) / max(len(floor), 3)
        start = (WIDTH - wide * len(floor) - GAP * (len(floor) - 1)) / 2
        place |= {room: (start + x * (wide + GAP), LEFT + y * (HIGH + GAP), wide) for x, room in enumerate(floor)}
    high = LEFT * 2 + len(storeys) * (HIGH + GAP) - GAP
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" font-family="sans-serif" font-size="14">',
        f'<rect width="{WIDTH}" height="{high}" fill="#fff"/>',
    ]
    for n, ((a, b), files) in enumerate(sorted((k, n) for k, n in arrows(known).items() if k[1] not in GROUND)):
        (x, y, w), (u, v, t) = place[a], place[b]
        side = 1 if n % 2 else -1
        bow = (x + w / 2 + u + t / 2) / 2 + side * (90 + 0.35 * abs(v - y))
        out.append(
            f'<path d="M{x + w / 2:.0f},{y + HIGH} Q{bow:.0f},{(y + v + HIGH) / 2:.0f} {u + t / 2:.0f},{v}" fill="none" '
            f'stroke="{"#4f8a6d" if v > y else "#c0392b"}" stroke-opacity=".35" stroke-width="{min(6, 0.6 + files / 4):.1f}">'
            f"<title>{escape(a)} imports {escape(b)} in {files} files</title></path>"
        )
    for room, (x, y, w) in place.items():
        name = room.removeprefix("tuner.")
        out.append(f'<rect x="{x:.0f}" y="{y}" width="{w:.0f}" height="{HIGH}" rx="8" fill="#eef5f1" stroke="#4f8a6d"/>')
        out.append(f'<text x="{x + w / 2:.0f}" y="{y + 19}" text-anchor="middle" font-weight="600" fill="#1d3b2f">{escape(name)}</text>')
        out.append(
            f'<text x="{x + w / 2:.0f}" y="{y + 36}" text-anchor="middle" font-size="11" fill="#52675d">{lines_of(room):,} lines</text>'
        )
    return "\n".join([*out, "</svg>", ""])
