"""Run a module in a process of its own, as a stranger would load what was exported."""

import subprocess
import sys
from pathlib import Path


def run(module: str, *args: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str]:
    """Return (its exit code, the last line of its errors); all that it says goes into the log of the export. `env`: else that of this process."""
    done = subprocess.run([sys.executable, "-m", module, *args], cwd=cwd, env=env, capture_output=True, text=True, errors="replace")
    print(done.stdout, done.stderr, file=sys.stderr, flush=True)
    return done.returncode, (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1][:300]
