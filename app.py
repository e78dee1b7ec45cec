"""The entry point: `python app.py` is `tunesmith app`, and what a Space starts."""

import os
import sys
import tempfile
from pathlib import Path

from tuner import cli, paths
from tuner.errors import TunerError
from tuner.paths import Workspace
from ui.server import in_space, launch


def main(argv: list[str]) -> int:
    """As `tunesmith app`; in a Space with the address that it gives."""
    if not in_space():
        return cli.main(["app", *argv])
    home = Path(tempfile.mkdtemp(prefix="tunesmith-")) if not os.environ.get("TUNESMITH_HOME") else paths.default_home()
    try:
        launch(Workspace(home), host="0.0.0.0", port=int(os.environ.get("GRADIO_SERVER_PORT") or 0) or None)
    except TunerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
