"""The page's start and memory beside a bare Gradio app with one textbox and one plot.

    python -m bench.page [--repeat 3]

Prints seconds from the command to the first HTTP 200, resident memory, and their ratios. Goals: 1.4 times and 1.5 times.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import psutil

BARE = """
import gradio as gr, pandas as pd
with gr.Blocks(analytics_enabled=False) as demo:
    gr.Textbox(); gr.LinePlot(pd.DataFrame({{"x": [1, 2], "y": [1, 2]}}), x="x", y="y")
demo.launch(server_port={port}, quiet=True, share=False, ssr_mode=False)
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def measure(command: list[str], port: int, home: str) -> tuple[float, float]:
    """(seconds to the first 200, megabytes two seconds later)"""
    env = os.environ | {"TUNESMITH_HOME": home, "TUNESMITH_MACHINE": home + "/machine", "GRADIO_ANALYTICS_ENABLED": "False"}
    began = time.time()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{command} ended with {process.returncode}") from None
                time.sleep(0.02)
        seconds = time.time() - began
        time.sleep(2)
        return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--repeat", type=int, default=3)
    args = parse.parse_args()
    found: dict[str, list] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(args.repeat):
            port = free_port()
            found["bare"].append(measure([sys.executable, "-c", BARE.format(port=port)], port, home))
            port = free_port()
            found["ours"].append(measure([sys.executable, "-m", "tuner.cli", "app", "--no-browser", "--port", str(port)], port, home))
            print({k: v[-1] for k, v in found.items()}, flush=True)
    seconds, megabytes = ({k: statistics.median(x[i] for x in v) for k, v in found.items()} for i in (0, 1))
    print(f"first 200: ours {seconds['ours']:.2f} s, bare {seconds['bare']:.2f} s, ratio {seconds['ours'] / seconds['bare']:.2f}")
    print(f"memory: ours {megabytes['ours']:.0f} MB, bare {megabytes['bare']:.0f} MB, ratio {megabytes['ours'] / megabytes['bare']:.2f}")


if __name__ == "__main__":
    main()
