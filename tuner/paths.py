"""The paths of datasets, runs and exports. No other code joins a name to a path."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
import time
import unicodedata
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
    """One owner's folder. `home` holds the owners' folders; `machine` holds what exists once per computer: queue and leases."""

    home: Path
    owner: str = "me"
    machine: Path | None = None
    token: str | None = field(default=None, repr=False, compare=False)  # Hub token of the current user; kept in memory only

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
    def sweeps(self) -> Path:
        """What sweeps with successive halving have measured: one journal each."""
        return self.root / "sweeps"

    @property
    def api(self) -> Path:
        """What the server of `tunesmith serve` keeps: keys, uploaded files, fine-tuning jobs."""
        return self.root / "api"

    @property
    def presets(self) -> Path:
        """The user's own presets."""
        return self.root / "presets"

    @property
    def jobs(self) -> Path:
        """Folders of imports and other short jobs in progress; each is removed when its job ends."""
        return self.root / "jobs"

    def dataset(self, id: str) -> Path:
        return self.datasets / checked_id(id, "dataset")

    def run(self, id: str) -> Path:
        return self.runs / checked_id(id, "run")

    def label_project(self, id: str) -> Path:
        return self.labels / checked_id(id, "project")

    def machine_folder(self) -> Path:
        return self.machine or machine_folder()

    def prepare(self) -> "Workspace":
        """Create the folders. DiskError (or another TunerError) when they can't be created or written."""
        try:
            for folder in (self.datasets, self.runs, self.exports, self.chats, self.jobs, self.labels, self.machine_folder()):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, self.machine_folder()):  # including folders created by an earlier version
                make_private(folder)
            probe = self.root / f".write-{secrets.token_hex(4)}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise translate(error) or DiskError(
                f"The workspace {self.root} can't be created: {error.strerror}.",
                asked=str(self.root),
                available="a folder you can write to",
                remedy="Choose another folder with --home or TUNESMITH_HOME.",
            ) from error
        return self

    def unwritable(self) -> str | None:
        """Create the folders; return None, or why they can't be created. Raises like `prepare` if there is no workspace to read."""
        try:
            self.prepare()
        except TunerError as error:
            if not self.root.is_dir():
                raise
            return error.message
        return None


READ_ONLY_NOTICE = "You can view what is there, but you can't start, import or change anything."


def path_from_user(text: str) -> Path:
    """Return the path that a user typed, with or without quotes and `~`. NotFoundError when `~name` is not an account."""
    path = Path(text.strip().strip("\"'"))
    try:
        return path.expanduser()
    except RuntimeError:
        raise NotFoundError(
            f"There is no home folder for {str(path)[:80]!r}.",
            asked=str(path)[:80],
            available="~/ for your own home folder",
            remedy="Write the full path.",
        ) from None


def checked_id(id: str, what: str) -> str:
    """Return `id` if it is a valid id; NotFoundError otherwise, so that `../..` never reaches the disk."""
    if not isinstance(id, str) or not ID.fullmatch(id):
        raise NotFoundError(
            f"There is no {what} named {str(id)[:80]!r}.",
            asked=str(id)[:80],
            available=f"the id that `tunesmith` lists for each {what}",
            remedy=f"Choose a {what} from the list.",
        )
    return id


def writable(folder: Path) -> bool:
    """Return whether a folder can be written, or, if it doesn't exist, its nearest existing parent."""
    existing = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return False
    try:
        return not hasattr(os, "statvfs") or not os.statvfs(existing).f_flag & os.ST_RDONLY  # root passes every permission check
    except OSError:
        return False


def id_of(name: str, length: int) -> str:
    """Return a name as an id of at most `length` characters: 'Käthes Läden' is 'kaethes-laeden'; "" for a name without any Latin letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", latin(name)).strip("-")[:length].strip("-")


def new_id(name: str, folder: Path) -> str:
    """Return a readable id that is not used in `folder` yet: 'customers', 'customers-2', ..."""
    base = id_of(name, 40) or "unnamed"
    id, n = base, 2
    while (folder / id).exists():
        id, n = f"{base}-{n}", n + 1
    return id


# Letters that Unicode does not decompose, or that are written out as two: German, Danish and Norwegian, Icelandic, Polish, Croatian, Turkish,
# French. Other accents are dropped (é is e); letters of other scripts have no fixed Latin spelling and are left out.
WRITTEN_OUT = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "å": "aa",
        "æ": "ae",
        "ø": "oe",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
    }
)


def latin(name: str) -> str:
    """Return a name in lower case, its Latin letters without accents."""
    written = unicodedata.normalize("NFC", name).lower().translate(WRITTEN_OUT)
    return "".join(c for c in unicodedata.normalize("NFKD", written) if not unicodedata.combining(c))


def machine_folder() -> Path:
    """Return TUNESMITH_MACHINE, or the account's state folder on this machine."""
    if named := os.environ.get("TUNESMITH_MACHINE"):
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "tunesmith"


UMASK_VARIABLE = "TUNESMITH_UMASK"  # umask of the starting process, for files written outside the workspace


def keep_private() -> None:
    """Make everything that this process and its workers write private to this account (files 600, folders 700)."""
    before = os.umask(0o077)
    os.environ.setdefault(UMASK_VARIABLE, f"{before:o}")


def _umask_before() -> int:
    try:
        return int(os.environ.get(UMASK_VARIABLE, ""), 8) & 0o777
    except ValueError:
        return 0o077


@contextlib.contextmanager
def with_user_umask() -> Iterator[None]:
    """Use the account's own umask for what is written inside, for example a shared Hub cache."""
    private = os.umask(_umask_before())
    try:
        yield
    finally:
        os.umask(private)


def make_shared(path: Path) -> None:
    """Give exported files the access that the account's own umask grants; the workspace itself stays private."""
    allowed = ~_umask_before()
    for place in (path, *path.rglob("*")) if path.is_dir() else (path,):
        if not place.is_symlink():
            place.chmod((0o777 if place.is_dir() else 0o666) & allowed)


def make_private(folder: Path) -> None:
    """Remove the permissions of group and others from a folder that this account owns."""
    mode = folder.stat().st_mode
    if mode & 0o077 and sys.platform != "win32" and folder.stat().st_uid == os.getuid():
        folder.chmod(mode & 0o700)


def default_home() -> Path:
    """Return TUNESMITH_HOME, or ~/.tunesmith."""
    return Path(os.environ.get("TUNESMITH_HOME") or Path.home() / ".tunesmith")


def write_new(path: Path, content: bytes) -> None:
    """Write a new private file in one step. FileExistsError when the file exists; an existing file is always complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(content)
        os.link(temporary, path) if hasattr(os, "link") else os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    """Write a JSON document completely or not at all."""
    write_text(path, dumps(value, indent=1))


def dumps(value, **how) -> str:
    """Return JSON that can be written as UTF-8: unescaped, or fully escaped when a text contains a lone surrogate."""
    text = json.dumps(value, ensure_ascii=False, default=str, **how)
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return json.dumps(value, default=str, **how)


def write_text(path: Path, text: str) -> None:
    """Write a text completely or not at all: temporary file, fsync, rename (retried while Windows keeps the old file open)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with open(temporary, "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        for attempts_left in range(9, -1, -1):
            try:
                os.replace(temporary, path)
                return
            except PermissionError:
                if not attempts_left or sys.platform != "win32":
                    raise
                time.sleep(0.05)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path, default=None):
    """Return the document, or `default` when the file doesn't exist. ValueError with `filename` set when it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return default
    except (ValueError, RecursionError) as error:
        error.filename = str(path)  # used in the error message
        raise


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder and its subfolders, in bytes."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
