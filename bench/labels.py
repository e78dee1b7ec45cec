"""Many labellers at once through the real page's API: is a pair given twice, is a verdict lost, how long does one take?

    python -m bench.labels [--labellers 50] [--pairs 2000]

Prints the times of a verdict (which brings the next pair) against those of the bare engine, beside which the page adds HTTP and Gradio.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np

from tests.browser.conftest import running
from tuner.labels import db, pairs, projects, queue
from tuner.labels.pairs import Candidate
from tuner.paths import Workspace

PAGE = "/gradio_api/run/label_a"


def project(ws: Workspace, n: int) -> str:
    """n pairs of which each is told apart by its number."""
    id = projects.create(ws, "Crowd").id
    said = lambda text: [{"role": "assistant", "content": text}]  # noqa: E731
    many = (
        Candidate([{"role": "user", "content": f"Question {i}"}], said(f"Plainly, {i}. " * 20), said(f"Who could say? Not {i}. " * 20))
        for i in range(n)
    )
    pairs.add_pairs(ws, id, many)
    projects.update_settings(ws, id, repeats=0)
    return id


class Labeller(threading.Thread):
    """Opens the page, then judges whatever is shown until nothing is. `times` in seconds, `given` the tasks it was shown."""

    def __init__(self, url: str, project: str, name: str, begin: threading.Barrier):
        super().__init__(daemon=True)
        self.url, self.project, self.labeller, self.begin = url, project, name, begin
        self.times: list[float] = []
        self.given: list[str] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as http:
            call = lambda where, data: http.post(  # noqa: E731
                f"/gradio_api/run/{where}", json={"data": data, "session_hash": self.labeller}
            ).raise_for_status()
            call("label_open", [{"label": self.project, "labeller": self.labeller}, self.labeller])
            call("label_begin", [self.project, self.labeller])
            self.begin.wait()
            task = shown(call("label_begin", [self.project, self.labeller]))
            while task:
                self.given.append(task)
                began = time.perf_counter()
                answer = call("label_a", [self.project, self.labeller, task, "", "", None, ""])
                self.times.append(time.perf_counter() - began)
                task = shown(answer)


def shown(answer: httpx.Response) -> str | None:
    """The task of the pair that an answer shows."""
    text = answer.text
    at = text.find('data-task=\\"')
    return text[at + 12 : text.index("\\", at + 12)] if at >= 0 else None


def crowd(home: Path, labellers: int, n: int) -> dict:
    ws = Workspace(home, machine=home / "machine").prepare()
    id = project(ws, n)
    with running(home) as app:
        begin = threading.Barrier(labellers)
        people = [Labeller(app.url, id, f"p{i}", begin) for i in range(labellers)]
        began = time.perf_counter()
        for p in people:
            p.start()
        for p in people:
            p.join()
        spent = time.perf_counter() - began
    with db.reading(ws, id) as file:
        kept = [t for (t,) in file.execute("SELECT task FROM events WHERE kind = 'verdict'")]
    given = [t for p in people for t in p.given]
    times = np.array([t for p in people for t in p.times])
    return {
        "pairs": n,
        "given": len(given),
        "twice": len(given) - len(set(given)),
        "lost": len(set(map(int, given)) - set(kept)),
        "kept": len(kept),
        "p50": float(np.median(times)),
        "p95": float(np.quantile(times, 0.95)),
        "longest": float(times.max()),
        "seconds": spent,
    }


def engine(home: Path, n: int) -> float:
    """Seconds of a verdict without the page, one labeller alone."""
    ws = Workspace(home, machine=home / "machine").prepare()
    id = project(ws, n)
    desk, began = queue.next(ws, id, "one"), time.perf_counter()
    while desk.item:
        desk = queue.judge(ws, id, "one", desk.item.task, "a")
    return (time.perf_counter() - began) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labellers", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=2000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        alone = engine(Path(place) / "alone", 200)
        found = crowd(Path(place) / "crowd", args.labellers, args.pairs)
    print(
        f"{args.labellers} labellers, {found['pairs']} pairs: {found['kept']} verdicts kept, {found['twice']} given twice, {found['lost']} lost"
    )
    print(
        f"a verdict and the next pair: median {found['p50'] * 1000:.0f} ms, p95 {found['p95'] * 1000:.0f} ms, longest {found['longest'] * 1000:.0f} ms; "
        f"the engine alone {alone * 1000:.1f} ms (ratio {found['p50'] / alone / args.labellers:.2f} a labeller); "
        f"{found['kept'] / found['seconds']:.0f} verdicts a second"
    )


if __name__ == "__main__":
    main()
