"""Label projects: name, settings and guidelines. Each project is a folder labels/<id>/ with one file (see db.py)."""

import math
import shutil
import sqlite3
from dataclasses import asdict, dataclass, fields

from tuner import paths
from tuner.errors import NotFoundError, RequestError, SettingError, TunerError, raise_all
from tuner.formatting import numbered
from tuner.labels import ai_labellers
from tuner.labels import db as files
from tuner.labels.db import DONE, OPEN, get, put
from tuner.paths import Workspace
from tuner.system.folder_index import FolderIndex, Shared, stamp

NAME, LABELLER, GUIDELINES = 80, 40, 20_000  # characters at most
SHARE = 2**32

DEFAULT_GUIDELINES = """### Which answer would you rather get?

1. **Is it right?** A wrong answer loses to a right one, however well it is written.
2. **Does it answer the question that was asked?** Not less, and not much more.
3. **Is the style right?** Polite, plain, as long as needed.

Choose *tie* when you can't tell, *both bad* when you would send neither (you may write a better one), *skip* when you can't judge the pair.

**Example.** "What is 7 plus 5?" A: "12." B: "Sums are a fascinating subject. Some say 12." Choose A: both are right, B wastes time.
"""


@dataclass(frozen=True)
class Settings:
    """`overlap_share` of the pairs is judged by `overlap_labellers` people; `repeats` and `gold` are shares of the pairs a labeller gets:
    pairs shown again with sides swapped, and pairs whose right answer is known. `planned` is the number of comparisons of two models,
    fixed in advance; 0: compare until it is decided."""

    overlap_share: float = 0.0
    overlap_labellers: int = 2
    strength: bool = False
    repeats: float = 0.05
    gold: float = 0.05
    markdown: bool = True
    differences: bool = False
    planned: int = 0


TEMPLATES = {  # name -> (label in the form, settings)
    "alone": ("One person, or a few people who share the work", Settings()),
    "class": (
        "A class: two people judge a fifth of the pairs, to measure their agreement",
        Settings(overlap_share=0.2, overlap_labellers=2),
    ),
}


@dataclass(frozen=True)
class Project:
    """A project. `pairs` to judge (without gold pairs), `done` of the wanted judgments (`tasks`), `dataset` built from it (id)."""

    id: str
    name: str
    created: float
    settings: Settings
    pairs: int = 0
    tasks: int = 0
    done: int = 0
    guidelines: int = 1
    dataset: str | None = None


def create(ws: Workspace, name: str, template: str = "alone") -> Project:
    """Create an empty project. Raises SettingError, RequestError."""
    if template not in TEMPLATES:
        raise SettingError(
            f"There is no template {template!r}.", asked=template, available=list(TEMPLATES), remedy="Choose one.", field="template"
        )
    name = checked_name(name, NAME, "name")
    ws.prepare()
    if same := called(ws, name):
        raise RequestError(
            f"There is a project called {same} already.",
            asked=name,
            available="a name that no other project has",
            remedy="Choose another name, or go on in that project.",
            field="name",
        )
    id = paths.new_id(name, ws.labels)
    files.create(ws.labels / id / "labels.db")
    with files.writing(ws, id) as db:
        put(db, "name", name)
        put(db, "created", files.now())
        put(db, "settings", asdict(TEMPLATES[template][1]))
        db.execute("INSERT INTO guidelines VALUES (1, ?, '', ?)", (DEFAULT_GUIDELINES, files.now()))
    return find(ws, id)


def called(ws: Workspace, name: str) -> str | None:
    """Return the name of the project that is called so, in whatever case; None where there is none."""
    return next((p.name for p in listing(ws) if p.name.casefold() == name.casefold()), None)


def unused(ws: Workspace, name: str) -> str:
    """Return the name, numbered where another project has it: for projects that no person named."""
    return numbered(name, lambda n: called(ws, n) is not None)


def ensure(ws: Workspace, id: str, name: str | None = None) -> Project:
    """Return the project with this id, created when there is none: commands name projects by their ids."""
    if not (ws.label_project(id) / "labels.db").exists():
        made = create(ws, name or id)
        if made.id != id:
            delete(ws, made.id)
            raise RequestError(
                f"{id!r} can't be the id of a project.",
                asked=id,
                available="lowercase letters, digits and single dashes",
                remedy=f"Call it {made.id}.",
            )
        return made
    return find(ws, id)


def checked_name(text: str, most: int, field: str) -> str:
    """Return a name with normalized spaces. RequestError for an empty, too long or unprintable one."""
    name = " ".join(str(text or "").split())
    if not name or len(name) > most or not name.isprintable():
        raise RequestError(
            "The name is empty."
            if not name
            else f"The name has {len(name)} characters."
            if len(name) > most
            else "The name has unprintable characters.",
            asked=name[:100],
            available=f"1 to {most} printable characters",
            remedy=f"Enter a name of up to {most} characters.",
            field=field,
        )
    return name


def labeller_name(text: str) -> str:
    """Return a checked labeller name. RequestError for an invalid one: names that begin with `judge:` belong to AI judges."""
    name = checked_name(text, LABELLER, "labeller")
    if ai_labellers.is_judge(name):
        raise RequestError(
            "Names that begin with judge: are reserved for AI judges.",
            asked=name,
            available="any other name",
            remedy="Choose another name.",
            field="labeller",
        )
    return name


def find(ws: Workspace, id: str) -> Project:
    """Return a project; NotFoundError when there is none."""
    with files.reading(ws, id) as db:
        return _project(db, id)


def _project(db: sqlite3.Connection, id: str) -> Project:
    pairs = db.execute("SELECT count(*) FROM pairs WHERE gold IS NULL").fetchone()[0]
    tasks, done = db.execute("SELECT count(*), coalesce(sum(state = ?), 0) FROM tasks WHERE kind = 'ordinary'", (DONE,)).fetchone()
    return Project(
        id,
        get(db, "name", id),
        get(db, "created", 0.0),
        settings_of(db),
        pairs,
        tasks,
        done,
        db.execute("SELECT max(version) FROM guidelines").fetchone()[0] or 1,
        get(db, "dataset/preference"),
    )


def listing(ws: Workspace) -> list[Project]:
    """Return all projects, newest first. Counts are updated only when the file was written to; a damaged one does not hide the others."""
    return list(_index.of(ws).derived("listing", lambda found: sorted(found.values(), key=lambda p: p.created, reverse=True)))


def _readable(ws: Workspace, id: str) -> Project | None:
    try:
        return find(ws, id) if (ws.labels / id / "labels.db").exists() else None
    except (sqlite3.DatabaseError, TunerError) as error:
        print(f"the label project {id} can't be read: {error}", flush=True)
        return None


def _stamps(folder: str) -> tuple:
    """Return the stamps of the database and of its write-ahead log, to which SQLite writes first."""
    return stamp(f"{folder}/labels.db"), stamp(f"{folder}/labels.db-wal")


_index = Shared(lambda ws: FolderIndex(ws.labels, lambda folder: _readable(ws, folder.name), _stamps, busy=lambda _: True))


def delete(ws: Workspace, id: str) -> None:
    """Delete a project with all its judgments."""
    path = files.file_of(ws, id)
    files.forget(path.parent)
    shutil.rmtree(path.parent)


def get_settings(ws: Workspace, id: str) -> Settings:
    """Return the settings alone, which are needed for every judgment."""
    with files.reading(ws, id) as db:
        return settings_of(db)


def settings_of(db: sqlite3.Connection) -> Settings:
    """Return the stored settings."""
    known = {f.name for f in fields(Settings)}
    return Settings(**{k: v for k, v in get(db, "settings", {}).items() if k in known})


def update_settings(ws: Workspace, id: str, **settings) -> Project:
    """Change settings. A new overlap changes how many judgments are wanted; existing judgments stay. Raises SettingError."""
    _check(settings)
    with files.writing(ws, id) as db:
        old = settings_of(db)
        new = Settings(**asdict(old) | settings)
        put(db, "settings", asdict(new))
        if (new.overlap_share, new.overlap_labellers) != (old.overlap_share, old.overlap_labellers):
            update_tasks(db, new)
    return find(ws, id)


def _check(settings: dict) -> None:
    problems: list[TunerError] = []
    for name, low, high in (
        ("overlap_share", 0, 1),
        ("overlap_labellers", 2, 20),
        ("repeats", 0, 0.5),
        ("gold", 0, 0.5),
        ("planned", 0, 1_000_000),
    ):
        value = settings.get(name)
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high):
            problems.append(
                SettingError(
                    f"{name.replace('_', ' ').capitalize()} can't be {value!r}.",
                    asked=value,
                    available=f"{low} to {high}",
                    remedy="Choose a number in this range.",
                    field=name,
                )
            )
    if unknown := set(settings) - {f.name for f in fields(Settings)}:
        known = [f.name for f in fields(Settings)]
        problems.append(
            SettingError(f"A project has no setting {sorted(unknown)}.", asked=sorted(unknown), available=known, remedy="Leave it out.")
        )
    raise_all(problems)


def update_tasks(db: sqlite3.Connection, settings: Settings, pairs: list[int] | None = None) -> None:
    """Create or remove open tasks: one for each pair, `overlap_labellers` for the pairs in the overlap. Whether a pair is in the overlap
    depends on the pair alone, so pairs that are added later are drawn the same way."""
    chosen = "SELECT id, key FROM pairs WHERE gold IS NULL" + (f" AND id IN ({','.join(map(str, pairs))})" if pairs is not None else "")
    for id, key in db.execute(chosen).fetchall():
        wanted = wanted_of(key, settings)
        rows = [(id, n, int(key[8:16], 16)) for n in range(wanted)]  # a random order that is the same for everybody
        db.executemany("INSERT OR IGNORE INTO tasks (pair, kind, slot, rank) VALUES (?, 'ordinary', ?, ?)", rows)
        trim(db, id, wanted)


def wanted_of(key: str, settings: Settings) -> int:
    """Return how many people judge the pair with this key."""
    return settings.overlap_labellers if int(key[:8], 16) < settings.overlap_share * SHARE else 1


def trim(db: sqlite3.Connection, pair: int, wanted: int) -> None:
    """Delete open tasks beyond the wanted number, counting those that are leased or done in any slot."""
    db.execute(
        "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE pair = ? AND kind = 'ordinary' AND state = ? ORDER BY slot LIMIT -1 OFFSET "
        "max(0, ? - (SELECT count(*) FROM tasks WHERE pair = ? AND kind = 'ordinary' AND state != ?)))",
        (pair, OPEN, wanted, pair, OPEN),
    )


# --- guidelines ---------------------------------------------------------------------------------------------------------------


def guidelines(ws: Workspace, id: str, version: int | None = None) -> tuple[int, str]:
    """Return (version, Markdown) of the newest guidelines, or of an older version."""
    with files.reading(ws, id) as db:
        found = db.execute(
            "SELECT version, text FROM guidelines WHERE version = coalesce(?, version) ORDER BY version DESC LIMIT 1", (version,)
        ).fetchone()
        versions = [v for (v,) in db.execute("SELECT version FROM guidelines ORDER BY version")]
    if found is None:
        raise NotFoundError(
            f"There is no version {version} of the guidelines.",
            asked=version,
            available=versions,
            remedy="Choose one of these.",
            field="version",
        )
    return found[0], found[1]


def write_guidelines(ws: Workspace, id: str, text: str, author: str = "") -> int:
    """Store new guidelines and return their version; the same text makes no new one. Judgments record their guidelines' version."""
    text = text.strip()
    if not text or len(text) > GUIDELINES:
        raise RequestError(
            "Guidelines can't be empty." if not text else "These guidelines are too long.",
            asked=f"{len(text)} characters",
            available=f"1 to {GUIDELINES} characters",
            remedy="Write a few rules with an example each.",
            field="guidelines",
        )
    with files.writing(ws, id) as db:
        version, old = db.execute("SELECT version, text FROM guidelines ORDER BY version DESC LIMIT 1").fetchone()
        if old.strip() == text:
            return version
        db.execute("INSERT INTO guidelines VALUES (?, ?, ?, ?)", (version + 1, text, author, files.now()))
    return version + 1


def has_read(ws: Workspace, id: str, labeller: str) -> bool:
    """Return whether a labeller has read the newest guidelines."""
    with files.reading(ws, id) as db:
        newest = db.execute("SELECT max(version) FROM guidelines").fetchone()[0]
        found = db.execute("SELECT version FROM readers WHERE labeller = ?", (labeller,)).fetchone()
    return bool(found) and found[0] >= newest


def mark_guidelines_read(ws: Workspace, id: str, labeller: str) -> None:
    """Record that a labeller has read the newest guidelines."""
    with files.writing(ws, id) as db:
        newest = db.execute("SELECT max(version) FROM guidelines").fetchone()[0]
        db.execute("INSERT OR REPLACE INTO readers VALUES (?, ?, ?)", (labeller_name(labeller), newest, files.now()))
