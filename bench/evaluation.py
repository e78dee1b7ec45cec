"""How fast rows are answered for a scorecard: sixteen at once beside one after another, through the serving worker.

    python -m bench.evaluation [--rows 200] [--model FOLDER]

The starter by default, or any folder. Ratios are from one run.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from tuner.paths import Workspace
from tuner.serving import chat_client, parallel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--model", default="starter")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"TUNESMITH_MACHINE": f"{home}/machine", "TUNESMITH_PROBE": "0"}
        ws = Workspace(Path(home)).prepare()
        client, spec = chat_client.Client(ws, "cpu"), chat_client.serving_spec(ws, args.model)
        asked = [[{"role": "user", "content": f"What is {n} plus {n % 7}?"}] for n in range(args.rows)]

        def answer(messages: list[dict]) -> int:
            return client.answer(spec, messages, temperature=0.0, max_tokens=args.tokens).completion_tokens

        answer(asked[0])
        speeds = {}
        for at_once in (1, parallel.AT_ONCE):
            began = time.monotonic()
            said = sum(n for _, n in parallel.completed(answer, asked, cancelled=lambda: False, at_once=at_once))
            took = time.monotonic() - began
            speeds[at_once] = args.rows / took
            print(f"{at_once:2d} at once: {speeds[at_once]:7.1f} rows/s, {said / took:7.0f} tokens/s   {speeds[at_once] / speeds[1]:.2f}x")
        chat_client.folder(ws, "cpu").joinpath("control").touch()


if __name__ == "__main__":
    main()
