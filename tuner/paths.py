"""Where datasets, runs and exports live; the only code that joins a name to a path."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tuner.errors import DiskError, NotFoundError, TunerError, translate

PRESETS = Path(__file__).resolve().parent.parent / "presets"
STARTER = PRESETS / "starter"
SAMPLES = PRESETS / "samples"

ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class Workspace:
    """One owner's folder. `home` holds owners side by side; `machine` holds what is one per computer: queue and leases."""

    home: Path
    owner: str = "me"
    machine: Path | None = None
    token: str | None = field(default=None, repr=False, compare=False)  # for the Hub, of whoever works here; in memory alone

    @property
    def root(self) -> Path:
        return self.home / self.owner

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def chats(self) -> Path:
        return self.root / "chats"

    @property
    def labels(self) -> Path:
        return self.root / "labels"

    @property
    def presets(self) -> Path:
        """A person's own presets."""
        return self.root / "presets"

    @property
    def jobs(self) -> Path:
        """Folders of imports that are under way; emptied as they end."""
        return self.root / "jobs"

    def dataset(self, id: str) -> Path:
        return self.datasets / checked(id, "dataset")

    def run(self, id: str) -> Path:
        return self.runs / checked(id, "run")

    def label_project(self, id: str) -> Path:
        return self.labels / checked(id, "project")

    def machine_folder(self) -> Path:
        return self.machine or machine_folder()

    def prepare(self) -> "Workspace":
        """Make the folders, or say why they can't be made."""
        try:
            for folder in (self.datasets, self.runs, self.exports, self.chats, self.jobs, self.labels, self.machine_folder()):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, self.machine_folder()):  # also those that an earlier version made
                close_to_others(folder)
            probe = self.root / f".write-{secrets.token_hex(4)}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise translate(error) or DiskError(
                f"The workspace {self.root} can't be made: {error.strerror}.",
                asked=str(self.root),
                available="a folder you can write to",
                remedy="Name another folder with --home or in TUNESMITH_HOME.",
            ) from error
        return self

    def unwritable(self) -> str | None:
        """Make the folders; where that can't be done, say in one sentence why. Raises what `prepare` does when nothing is there to look at."""
        try:
            self.prepare()
        except TunerError as error:
            if not self.root.is_dir():
                raise
            return error.message
        return None


LOOK_ONLY = "What is there can be looked at; nothing can be started, imported or changed."


def typed(text: str) -> Path:
    """The path that a person wrote, with or without quotes and `~`. NotFoundError for the home of an account that is not there."""
    path = Path(text.strip().strip("\"'"))
    try:
        return path.expanduser()
    except RuntimeError:
        raise NotFoundError(
            f"There is no home folder for {str(path)[:80]!r}.",
            asked=str(path)[:80],
            available="~/ for your own",
            remedy="Write the full path.",
        ) from None


def checked(id: str, what: str) -> str:
    """`id` itself when it is one of ours; a stranger's `../..` never reaches the disk."""
    if not isinstance(id, str) or not ID.fullmatch(id):
        raise NotFoundError(
            f"There is no {what} named {str(id)[:80]!r}.",
            asked=str(id)[:80],
            available=f"an id as `tunesmith` lists it for each {what}",
            remedy=f"Choose a {what} from the list.",
        )
    return id


def writable(folder: Path) -> bool:
    """Whether something can be written into a folder, or into the one in which it would be made."""
    there = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK):
        return False
    try:
        return not hasattr(os, "statvfs") or not os.statvfs(there).f_flag & os.ST_RDONLY  # root passes every look at permissions
    except OSError:
        return False


def new_id(name: str, folder: Path) -> str:
    """An id that says what it names and is free in `folder`: 'customers', 'customers-2', ..."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "unnamed"
    id, n = base, 2
    while (folder / id).exists():
        id, n = f"{base}-{n}", n + 1
    return id


def machine_folder() -> Path:
    """The account's state folder on this machine, or TUNESMITH_MACHINE."""
    if named := os.environ.get("TUNESMITH_MACHINE"):
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "tunesmith"


OTHERS = "TUNESMITH_UMASK"  # the umask of whoever started us, for what is written outside the workspace


def keep_private() -> None:
    """From now on, what this process and its workers write is for this account alone (files 600, folders 700)."""
    before = os.umask(0o077)
    os.environ.setdefault(OTHERS, f"{before:o}")


def _umask_before() -> int:
    try:
        return int(os.environ.get(OTHERS, ""), 8) & 0o777
    except ValueError:
        return 0o077


@contextlib.contextmanager
def as_shared() -> Iterator[None]:
    """What is written inside is open to whom the account's own umask opens it: a shared Hub cache, say."""
    private = os.umask(_umask_before())
    try:
        yield
    finally:
        os.umask(private)


def open_to_others(path: Path) -> None:
    """Give what a person takes away the access that their own umask gives; the workspace itself stays closed."""
    keep = ~_umask_before()
    for place in (path, *path.rglob("*")) if path.is_dir() else (path,):
        if not place.is_symlink():
            place.chmod((0o777 if place.is_dir() else 0o666) & keep)


def close_to_others(folder: Path) -> None:
    """Take away what group and others may do with a folder of ours."""
    mode = folder.stat().st_mode
    if mode & 0o077 and sys.platform != "win32" and folder.stat().st_uid == os.getuid():
        folder.chmod(mode & 0o700)


def default_home() -> Path:
    return Path(os.environ.get("TUNESMITH_HOME") or Path.home() / ".tunesmith")


def write_new(path: Path, content: bytes) -> None:
    """A file for this account alone; FileExistsError when there is one, which is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(content)
        os.link(temporary, path) if hasattr(os, "link") else os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    """A document, whole or not at all."""
    write_text(path, dumps(value, indent=1))


def dumps(value, **how) -> str:
    """JSON that can be written as UTF-8: readable, or escaped where a text holds half a character (a lone surrogate)."""
    text = json.dumps(value, ensure_ascii=False, default=str, **how)
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return json.dumps(value, default=str, **how)


def write_text(path: Path, text: str) -> None:
    """Whole or not at all: a temporary file, fsync, rename (tried again where Windows holds the old one open)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with open(temporary, "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        for left in range(9, -1, -1):
            try:
                os.replace(temporary, path)
                return
            except PermissionError:
                if not left or sys.platform != "win32":
                    raise
                time.sleep(0.05)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path, default=None):
    """The document, or `default` when there is none (yet). ValueError, which names the file, for one that is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return default
    except (ValueError, RecursionError) as error:
        error.filename = str(path)  # for whoever words it
        raise


def sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def folder_bytes(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
