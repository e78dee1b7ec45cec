"""A small server that speaks as the Hugging Face Hub does: repositories, uploads, downloads, and jobs that are processes of this computer.

`server.repos`: {id: {"private", "files": {path: bytes}}}; `server.jobs`: {id: Job}; `server.away`: how many requests are answered with 503 first.
"""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

HARDWARE = [
    {"name": "cpu-basic", "prettyName": "CPU Basic", "cpu": "2 vCPU", "ram": "16 GB", "accelerator": None, "unitCostUSD": 0.000167},
    {"name": "t4-small", "prettyName": "Nvidia T4 - small", "cpu": "4 vCPU", "ram": "15 GB", "unitCostUSD": 0.0067,
     "accelerator": {"type": "gpu", "model": "T4", "quantity": "1", "vram": "16 GB", "manufacturer": "Nvidia"}},
    {"name": "a100x4", "prettyName": "4x Nvidia A100", "cpu": "48 vCPU", "ram": "568 GB", "unitCostUSD": 0.1667,
     "accelerator": {"type": "gpu", "model": "A100", "quantity": "4", "vram": "320 GB", "manufacturer": "Nvidia"}},
    {"name": "inf2x6", "prettyName": "Inferentia", "cpu": "100 vCPU", "ram": "360 GB", "unitCostUSD": 0.2,
     "accelerator": {"type": "neuron", "model": "Inf2", "quantity": "6", "vram": "192 GB", "manufacturer": "AWS"}},
]  # fmt: skip
for _one in HARDWARE:
    _one |= {"unitCostMicroUSD": round(_one["unitCostUSD"] * 1e6), "unitLabel": "minute"}


@dataclass
class Job:
    """What was asked for, and the process that does it."""

    spec: dict
    process: subprocess.Popen | None = None
    ended: str | None = None
    log: Path | None = field(default=None)

    @property
    def stage(self) -> str:
        if self.ended or self.process is None:
            return self.ended or "SCHEDULING"
        code = self.process.poll()
        return "RUNNING" if code is None else "COMPLETED" if code == 0 else "ERROR"


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    # --- requests ----------------------------------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        path, repos = urlsplit(self.path).path, self.server.repos
        if self.unavailable():
            return None
        if path == "/api/whoami-v2":
            return self.answer({"name": "ann", "type": "user", "orgs": []})
        if path.startswith("/api/jobs/"):
            return self.jobs(path)
        if "/resolve/" in path:
            return self.file(path)
        _, id, rest = self.repository(path)
        if id not in repos:
            return self.answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        if rest.startswith("/tree/"):
            return self.answer([self.listed(p, content) for p, content in repos[id]["files"].items()])
        files = [{"rfilename": p} for p in repos[id]["files"]]
        self.answer(
            {"id": id, "modelId": id, "private": repos[id]["private"], "siblings": files, "sha": "0" * 40, "tags": [], "downloads": 0}
        )
        return None

    def do_HEAD(self) -> None:
        if not self.unavailable():
            self.file(urlsplit(self.path).path)

    def do_POST(self) -> None:
        body, path, server = self.rfile.read(int(self.headers.get("Content-Length") or 0)), self.path, self.server
        server.tokens.add(self.headers.get("Authorization"))
        if self.unavailable():
            return None
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path.startswith("/api/jobs/"):
            return self.job(path, json.loads(body or b"{}"))
        if path.endswith("/preupload/main"):
            large = (".safetensors", ".zip", ".pt", ".pth", ".bin")
            files = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(large) else "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{server.url}/lfs/{o['oid']}", "header": {}}}} for o in json.loads(body)["objects"]
            ]
            return self.answer({"transfer": "basic", "objects": objects}, kind="application/vnd.git-lfs+json")
        if path.endswith("/commit/main"):
            return self.commit(self.repository(path)[1], body)
        return self.answer({"error": path}, 404)

    def do_PUT(self) -> None:
        self.server.large[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def do_DELETE(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.server.repos.pop(f"{asked.get('organization') or 'ann'}/{asked['name']}", None)
        self.answer({})

    # --- repositories ------------------------------------------------------------------------------------------------------------

    def repository(self, path: str) -> tuple[str, str, str]:
        """Return (type, id, what of it is asked for)."""
        found = re.match(r"/api/(models|datasets)/([^/]+/[^/]+)(/.*)?$", urlsplit(path).path)
        return (found[1], found[2], found[3] or "") if found else ("", "", "")

    def create(self, asked: dict) -> None:
        id, server = f"{asked.get('organization') or 'ann'}/{asked['name']}", self.server
        if not id.startswith("ann/"):
            return self.answer({"error": "Forbidden"}, 403)
        if id in server.repos:
            return self.answer({"error": "exists", "url": f"{server.url}/{id}"}, 409)
        server.repos[id] = {
            "private": not server.public and (asked.get("visibility") == "private" or asked.get("private") is True),
            "files": {},
        }
        return self.answer({"url": f"{server.url}/{id}", "name": id, "id": id})

    def commit(self, id: str, body: bytes) -> None:
        files = self.server.repos[id]["files"]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            if line["key"] == "deletedFile":
                files.pop(value["path"], None)
            if line["key"] == "deletedFolder":
                for path in [p for p in files if p.startswith(value["path"].rstrip("/") + "/")]:
                    files.pop(path)
        self.server.commits.append(id)
        self.answer({"commitUrl": f"{self.server.url}/{id}/commit/1", "commitOid": "1" * 40, "pullRequestUrl": None})

    def listed(self, path: str, content: bytes) -> dict:
        return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def file(self, path: str) -> None:
        found = re.match(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)$", path)
        content = self.server.repos.get(found[1], {"files": {}})["files"].get(unquote(found[2])) if found else None
        if content is None:
            code = "EntryNotFound" if found and found[1] in self.server.repos else "RepoNotFound"
            return self.answer({"error": "not found"}, 404, {"X-Error-Code": code})
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": "0" * 40}
        return self.send(content, 200, headers | {"Content-Type": "application/octet-stream"})

    # --- jobs --------------------------------------------------------------------------------------------------------------------

    def jobs(self, path: str) -> None:
        if path == "/api/jobs/hardware":
            return self.answer(HARDWARE)
        if id := path.removeprefix("/api/jobs/ann").strip("/"):
            return self.answer(self.told(id))
        wanted = dict(label.split("=", 1) for label in parse_qs(urlsplit(self.path).query).get("label", []))
        fitting = [id for id, job in self.server.jobs.items() if wanted.items() <= (job.spec.get("labels") or {}).items()]
        return self.answer([self.told(id) for id in fitting])

    def job(self, path: str, spec: dict) -> None:
        server = self.server
        if path.endswith("/cancel"):
            id = path.split("/")[-2]
            server.end(id, "CANCELED")
            return self.answer(self.told(id))
        if server.refuse:
            return self.answer({"error": "Payment required: add credit to your account"}, 402)
        id = f"job{len(server.jobs) + 1}"
        server.jobs[id] = Job(spec)
        if not server.hold:
            server.begin(id)
        return self.answer(self.told(id))

    def told(self, id: str) -> dict:
        job = self.server.jobs[id]
        owner = {"id": "1", "name": "ann", "type": "user"}
        known = {k: job.spec.get(k) for k in ("dockerImage", "command", "flavor", "labels")}
        return {"id": id, "status": {"stage": job.stage, "message": None}, "owner": owner, "createdAt": "2026-01-01T00:00:00.000Z", **known}

    # --- answers -----------------------------------------------------------------------------------------------------------------

    def unavailable(self) -> bool:
        if self.server.away <= 0:
            return False
        self.server.away -= 1
        self.answer({"error": "the service is away"}, 503)
        return True

    def answer(self, document, code: int = 200, headers: dict | None = None, kind: str = "application/json") -> None:
        self.send(json.dumps(document).encode(), code, {"Content-Type": kind, **(headers or {})})

    def send(self, body: bytes, code: int, headers: dict) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Nothing is printed."""


class Server(ThreadingHTTPServer):
    """The Hub. `place`: the folder in which jobs work; `hold`: jobs wait; `refuse`: none is taken; `public`: every new repository is."""

    daemon_threads = True

    def __init__(self, place: Path | None = None):
        super().__init__(("127.0.0.1", 0), Hub)
        self.url, self.place = f"http://127.0.0.1:{self.server_port}", place
        self.repos, self.large, self.tokens, self.jobs, self.commits = {}, {}, set(), {}, []
        self.away, self.hold, self.refuse, self.public = 0, False, False, False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def begin(self, id: str) -> None:
        """Start a job: the real command, in a folder of its own; `uv` does nothing there, since all is installed."""
        job, work = self.jobs[id], self.place / id
        (work / "bin").mkdir(parents=True)
        (work / "bin" / "uv").write_text("#!/bin/sh\nexit 0\n")
        (work / "bin" / "uv").chmod(0o755)
        python = Path(os.sys.executable).parent
        env = {k: v for k, v in os.environ.items() if not k.startswith(("TUNESMITH_", "HF_", "PYTHONPATH"))}
        env |= {
            "PATH": f"{work / 'bin'}:{python}:{env['PATH']}",
            "HOME": str(work),
            "TUNESMITH_JOB_EVERY": "1",
            "TUNESMITH_MACHINE": str(work / "m"),
        }
        env |= {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1", **job.spec.get("secrets", {})}
        command = [c.replace("/tmp/tunesmith", str(work / "there")) for c in job.spec["command"]]
        job.log = work / "log"
        with open(job.log, "wb") as log:
            job.process = subprocess.Popen(command, cwd=work, env=env, stdout=log, stderr=log, start_new_session=True)

    def end(self, id: str, how: str) -> None:
        """End a job at once, with all that it has started."""
        job = self.jobs[id]
        job.ended = how
        if job.process and job.process.poll() is None:
            os.killpg(job.process.pid, signal.SIGKILL)

    def close(self) -> None:
        for id in self.jobs:
            self.end(id, "CANCELED")
        self.shutdown()
        self.server_close()
