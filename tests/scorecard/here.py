"""A scorecard made in this process: the serving worker's own app, without a socket."""

from starlette.testclient import TestClient

from tuner.runs import Run
from tuner.scorecard import evaluation
from tuner.serving.chat_client import Client
from tuner.workers.serving.model_cache import Models
from tuner.workers.serving.server import make_app


def evaluated(ws, run: Run, monkeypatch, limit: int = 500) -> dict:
    """The scorecard of a run against its base, on its own validation rows."""

    def client(_) -> Client:
        here = Client.__new__(Client)
        here.http = TestClient(make_app(Models("cpu"), "key"), base_url="http://127.0.0.1", headers={"Authorization": "Bearer key"})
        return here

    monkeypatch.setattr(evaluation, "Client", client)
    told: list[tuple] = []
    made = evaluation.run(
        ws,
        job="import-evaluate-here",
        model=run.id,
        data=run.config["data"],
        against="base",
        limit=limit,
        progress=lambda *now: told.append(now),
        cancelled=lambda: False,
    )
    assert told[-1][0] == told[-1][1] == 2 * made.rows, "the progress ends at its end"
    return made.document
