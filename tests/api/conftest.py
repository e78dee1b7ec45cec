"""A server of its own workspace, and OpenAI's own client."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tuner.paths import Workspace

MODEL = "gpt-4o-mini-2024-07-18"
SHORT = {"tunesmith": {"settings": {"max_steps": 2}, "validation_share": 0}}
KEY = "sk-of-the-tests-0123456789"


@dataclass
class Server:
    """`tunesmith serve` over a workspace, which can be killed and started again."""

    ws: Workspace
    process: subprocess.Popen | None = None
    url: str = ""

    def start(self, *args: str) -> "Server":
        env = os.environ | {
            "TUNESMITH_HOME": str(self.ws.home),
            "TUNESMITH_MACHINE": str(self.ws.machine_folder()),
            "TUNESMITH_API_KEY": KEY,
        }
        command = [sys.executable, "-m", "tuner.cli", "serve", "--json", "--device", "cpu", "--map", f"{MODEL}=starter", *args]
        with open(self.ws.home / "serve.log", "ab") as log:
            self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        return self

    def kill(self, how: int = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(20)
        self.process.stdout.close()

    def client(self, key: str = KEY, **more) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=key, max_retries=0, **more)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    home: Path = tmp_path_factory.mktemp("api")
    started = Server(Workspace(home, machine=home / "machine").prepare()).start()
    yield started
    started.kill(signal.SIGTERM)


@pytest.fixture
def client(server):
    with server.client() as found:
        yield found
