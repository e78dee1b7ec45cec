"""llama.cpp's own converter to GGUF, at a pinned version: fetched by pip on first use, checked, and kept in the machine folder.

The source distribution of `llama-cpp-python` carries it; nothing of it is installed, and its C++ is not built. Only the Python of the converter
is unpacked (5 MB of 77). Its own requirements pin other versions of transformers and torch; it runs with ours (tested: `tests/export/test_gguf.py`).
"""

import ast
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from tuner import paths
from tuner.errors import WorkError
from tuner.paths import Workspace

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
BYTES = 76_589_250
PARTS = ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "conversion/", "gguf-py/gguf/", "LICENSE")
INSIDE = f"llama_cpp_python-{VERSION}/vendor/llama.cpp/"


def place(ws: Workspace) -> Path:
    """Return the folder of the converter, one for all workspaces of an account on a machine. It may not be there yet."""
    return ws.machine_folder() / "tools" / f"llama.cpp-{VERSION}"


def there(folder: Path) -> bool:
    """Return whether the converter has been fetched; its folder appears whole or not at all."""
    return (folder / PARTS[0]).is_file()


def architectures(folder: Path) -> frozenset[str]:
    """Return the names of the architectures that the converter knows, as config.json writes them ("LlamaForCausalLM")."""
    tree = ast.parse((folder / "conversion" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "TEXT_MODEL_MAP":
            return frozenset(ast.literal_eval(node.value))
    raise WorkError(
        "The converter is damaged.", asked=str(folder), available="its table of models", remedy=f"Delete {folder}; it is fetched again."
    )


def fetch(folder: Path, tell: Callable[[str], None] = lambda said: None) -> Path:
    """Return the folder of the converter; fetch it if it isn't there. `tell` hears what is done.

    pip downloads it from the package index that this computer uses, and checks the sha256. WorkError when it can't be had.
    """
    if there(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as scratch:
        tell(f"Fetching llama.cpp's converter ({BYTES / 1e6:.0f} MB, once).")
        source = _download(Path(scratch))
        tell("Unpacking the converter.")
        _unpack(source, Path(scratch) / "tool")
        try:
            os.rename(Path(scratch) / "tool", folder)
        except OSError:
            if not there(folder):  # else another process was quicker
                raise
    return folder


def _download(scratch: Path) -> Path:
    """Return the source distribution, with the sha256 that is pinned here."""
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", str(scratch)],
        capture_output=True,
        text=True,
        errors="replace",
    )
    found = next(scratch.glob("llama_cpp_python-*.tar.gz"), None)
    if done.returncode or found is None:
        raise _unreachable(done.stderr.strip().splitlines()[-1:] or ["pip said nothing"])
    if paths.sha256(found) != SHA256:
        raise _unreachable(["the file is not the one that was asked for (sha256)"])
    return found


def _unreachable(said: list[str]) -> WorkError:
    return WorkError(
        f"llama.cpp's converter could not be fetched: {said[0][:300]}",
        asked=f"{PACKAGE}=={VERSION} from the package index of pip",
        available="an export as adapter or merged model, without it",
        remedy="Check the network and pip's settings (pip config list), and export again. Where pip itself is missing: python -m ensurepip.",
    )


def _unpack(source: Path, folder: Path) -> None:
    """Unpack the converter alone."""
    with tarfile.open(source) as archive:
        for member in archive:
            inside = member.name.removeprefix(INSIDE)
            if inside != member.name and member.isfile() and inside.startswith(PARTS):
                target = folder / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.extractfile(member) as read, open(target, "wb") as write:
                    shutil.copyfileobj(read, write)


if __name__ == "__main__":
    print(fetch(Path(sys.argv[1]) / f"llama.cpp-{VERSION}", lambda said: print(said, file=sys.stderr)))
