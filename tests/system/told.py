"""A worker that tells what it was given, and ends as it is asked to: `exit CODE`, `kill`, `sleep SECONDS`."""

import json
import os
import random
import signal
import sys
import time

import numpy


def main() -> int:
    what, much = sys.argv[1], float(sys.argv[2])
    found = {
        "name": __name__,
        "args": sys.argv[1:],
        "env": {k: v for k, v in os.environ.items() if k.startswith("TUNESMITH_")},
        "cwd": os.getcwd(),
        "leads": os.getsid(0) == os.getpid(),
        "stdin": sys.stdin.read(),
        "drawn": [random.random(), float(numpy.random.random())],
        "files": sorted(
            os.readlink(f"/proc/self/fd/{n}")
            for n in os.listdir("/proc/self/fd")
            if n not in "012" and os.path.exists(f"/proc/self/fd/{n}")
        ),
        "libraries": sorted({"torch", "transformers", "peft", "trl"} & set(sys.modules)),
        "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    }
    print(json.dumps(found), flush=True)
    print("its errors", file=sys.stderr, flush=True)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "sleep":
        time.sleep(much)
    return int(much)


if __name__ == "__main__":
    sys.exit(main())
