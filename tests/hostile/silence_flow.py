"""Run the whole flow in a network of its own and print to whom it spoke: `unshare -n python -m tests.hostile.silence_flow HOME [ask]`.

The namespace has a default route, so that every packet that wants to leave is really sent, into a pair of virtual cards on whose other
end nobody answers but a listener. With `ask` a model of the Hub is planned with, which must be heard: else silence would prove nothing.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def network() -> None:
    """Loopback, and a card whose packets arrive at its twin. Without IPv6, whose neighbours are looked for unasked."""
    for place in ("all", "default"):
        switch = Path(f"/proc/sys/net/ipv6/conf/{place}/disable_ipv6")
        if switch.exists():
            switch.write_text("1")
    for line in (
        "link set lo up",
        "link add out0 type veth peer name out1",
        "addr add 192.0.2.2/24 dev out0",
        "link set out0 arp off",
        "link set out0 up",
        "link set out1 up",
        "route add default dev out0",
    ):
        subprocess.run(["ip", *line.split()], check=True, capture_output=True)


class Listener:
    """Who was spoken to: an address and port of each packet, for name look-ups the name."""

    def __init__(self):
        self.heard: set[str] = set()
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.raw.bind(("out1", 0))
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            frame = self.raw.recv(65535)
            if frame[12:14] == b"\x08\x00":
                self.heard.add(told(frame[14:]))


def told(packet: bytes) -> str:
    size, protocol = (packet[0] & 15) * 4, packet[9]
    to = socket.inet_ntoa(packet[16:20])
    port = struct.unpack("!H", packet[size + 2 : size + 4])[0] if protocol in (6, 17) else 0
    if protocol == 17 and port == 53:
        return "name " + name_of(packet[size + 8 + 12 :])
    return f"{to}:{port}"


def name_of(question: bytes) -> str:
    parts, at = [], 0
    while at < len(question) and question[at]:
        parts.append(question[at + 1 : at + 1 + question[at]].decode("ascii", "replace"))
        at += question[at] + 1
    return ".".join(parts)


def tunesmith(home: Path, *words: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "tuner.cli", "--home", str(home), "--json", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, (words, done.stderr[-2000:])
    return json.loads(done.stdout) if done.stdout.strip() else {}


def flow(home: Path) -> None:
    """Data, token preview, plan, training, chat beside the base, pairs by models, export; then the page with each of its tabs."""
    rows = home / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": f"What is {i}?", "answer": f"Arr, {i}!"}) + "\n" for i in range(24)))
    tunesmith(home, "doctor")
    tunesmith(home, "data", "add", str(rows))
    tunesmith(home, "data", "preview", "rows", "--model", "starter")
    tunesmith(home, "plan", "--model", "starter", "--data", "rows")
    run = tunesmith(home, "train", "--model", "starter", "--data", "rows", "-s", "max_steps=2", "-s", "effective_batch=4")["run"]
    tunesmith(home, "chat", run, "--prompt", "What is 3?", "--base")
    tunesmith(home, "export", run, "--to", "merged", "--out", str(home / "out"))
    page(home)


def page(home: Path) -> None:
    from tests.browser.conftest import running

    with running(home) as app:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}  # for the client of this test: it asks the Hub by itself
        from gradio_client import Client

        client = Client(app.url, verbose=False)
        for d in client.config["dependencies"]:
            if str(d["api_name"]).startswith(("on_open_", "on_load", "show", "label_open")):
                client.submit(*[None] * len(d["inputs"]), fn_index=d["id"])
        time.sleep(5)


def main(home: Path, ask: bool) -> None:
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "TUNESMITH_MACHINE": str(home / "machine"),
        "TUNESMITH_PROBE": "0",
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(home / "hub"),
    }
    os.environ.pop("HF_HUB_OFFLINE", None)  # there is a network, as far as anybody can tell
    network()
    listener = Listener()
    if ask:
        subprocess.run(
            [sys.executable, "-m", "tuner.cli", "plan", "--model", "owner/some-model"], capture_output=True, cwd=ROOT, timeout=200
        )
    else:
        flow(home)
    print(json.dumps(sorted(listener.heard)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "ask" in sys.argv[2:])
