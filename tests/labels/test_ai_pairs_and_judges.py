"""Pairs that models write, and models that judge: with the real serving worker and the starter."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.conftest import until
from tuner.data.store import sample_data
from tuner.errors import NotFoundError, RequestError
from tuner.jobs import data_jobs
from tuner.labels import db, export, generate, judge, outcome, pairs, projects, queue
from tuner.labels.generate import DATA, Request, Writer
from tuner.serving import ai_judge
from tuner.serving.ai_judge import Judge

WARM = {"temperature": 1.5, "max_tokens": 40}


def finished(ws, project, id) -> dict:
    until(lambda: generate.state(ws, project, id).state != "running", 120)
    return generate.state(ws, project, id)


def test_two_models_write_pairs_that_are_blind_until_judged(house):
    ws = house.ws
    project = projects.create(ws, "Written").id
    wish = Request((Writer(house.full, **WARM), Writer(house.full, base=True, **WARM)), data=house.data.ref, held_out=True, limit=4)
    done = finished(ws, project, generate.ask(ws, project, wish))
    assert done.state == "done", done
    report = done.result["report"]
    assert report["added"] + sum(report["dropped"].values()) == 4 and report["added"] > 0
    with db.reading(ws, project) as file:
        by = {tuple(r) for r in file.execute("SELECT first_by, second_by FROM pairs")}
    assert by == {(house.full, f"{house.full}/base")}
    desk = queue.next(ws, project, "ann")
    assert house.full not in json.dumps([desk.item.prompt, desk.item.a, desk.item.b])
    said = queue.judge(ws, project, "ann", desk.item.task, "a").said
    assert said and house.full not in json.dumps(said), "blind to the end: a judgment can be taken back"


def test_the_second_answer_to_single_answers(house):
    """Rows with one answer: the data's own stands beside one that the model writes."""
    ws = house.ws
    project = projects.create(ws, "Against the data").id
    wish = Request((Writer(DATA), Writer("starter", temperature=0, max_tokens=60)), data=house.data.ref, limit=3)
    report = finished(ws, project, generate.ask(ws, project, wish)).result["report"]
    assert report["added"] >= 2
    with db.reading(ws, project) as file:
        first = [json.loads(t)[0]["content"] for (t,) in file.execute("SELECT first FROM pairs")]
    assert all(text.startswith("Arr") for text in first)


def test_what_was_begun_is_gone_on_with(house):
    ws = house.ws
    project = projects.create(ws, "Halted").id
    prompts = tuple(f"What is {n} plus {n}?" for n in range(1, 121))
    id = generate.ask(ws, project, Request((Writer("starter", **WARM), Writer("starter", seed=5, **WARM)), prompts))

    def answers() -> int:
        with db.reading(ws, project) as file:
            return file.execute("SELECT count(*) FROM answers").fetchone()[0]

    until(lambda: answers() >= 2, 120)
    generate.cancel(ws, project, id)
    assert finished(ws, project, id).state == "cancelled" and generate.unfinished(ws, project) == [id]
    kept = answers()
    with db.reading(ws, project) as file:
        before = dict(file.execute("SELECT item * 2 + side, answer FROM answers").fetchall())
    assert kept < 240
    generate.resume(ws, project, id)
    done = finished(ws, project, id)
    assert done.state == "done" and done.result["report"]["added"] + sum(done.result["report"]["dropped"].values()) == 120
    with db.reading(ws, project) as file:
        after = dict(file.execute("SELECT item * 2 + side, answer FROM answers").fetchall())
    assert len(after) == 240 and all(after[k] == v for k, v in before.items()), "no answer was asked for twice"
    assert generate.unfinished(ws, project) == []


@pytest.mark.parametrize(
    "wish, why",
    [
        (Request((Writer("starter"), Writer("starter"))), "no prompts"),
        (Request((Writer("starter", temperature=0), Writer("starter", temperature=0)), ("Hi",)), "same answer twice"),
        (Request((Writer(DATA), Writer(DATA)), ("Hi",)), "come from the data"),
        (Request((Writer("starter"), Writer(DATA)), ("Hi",)), "have no answers"),
    ],
)
def test_what_can_not_be_made_is_said_at_once(ws, wish, why):
    project = projects.create(ws, "x").id
    with pytest.raises(RequestError, match=why):
        generate.ask(ws, project, wish)
    with pytest.raises(RequestError):
        generate.ask(ws, project, Request((Writer("no-such-model-here"), Writer("starter")), ("Hi",)))
    with pytest.raises(NotFoundError):
        generate.resume(ws, project, "nothing")


def test_prompts_come_once_and_with_the_system_prompt(ws):
    ds = sample_data.add(ws, "persona")
    wish = Request((Writer("starter"), Writer("starter")), ("Hi", " Hi ", ""), ds.ref, None, 5, system="Be brief.")
    found = [p for p, _, _ in generate.prompts_of(ws, wish)]
    assert len(found) == 5 and found[0] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert all(p[-1]["role"] == "user" for p in found)


# --- judges -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, said",
    [
        ("1", "1"),
        ("Answer 2 is better.\n2", "2"),
        ("<think>1 is short, 2 is long</think> 0", "0"),
        ("The answer is: 1.", "1"),
        ("12", None),
        ("neither", None),
        ("1\n\nAnswer 1 is correct, while answer 2 is wrong.", "1"),
        ("Answer 1 beats answer 2", None),
        ("**2**", "2"),
        ("", None),
        ("2.5", None),
    ],
)
def test_what_a_judge_says_is_read_from_its_last_word(text, said):
    assert ai_judge.parse_reply(text) == said


def test_only_what_a_judge_says_in_both_orders_counts():
    first, second = [{"role": "assistant", "content": "x"}], [{"role": "assistant", "content": "y"}]
    assert ai_judge.ask_both_orders(lambda a, b: "1" if a == first else "2", first, second) == ("first", "")
    assert ai_judge.ask_both_orders(lambda a, b: "1", first, second)[0] == "tie", "it favours a side"
    assert ai_judge.ask_both_orders(lambda a, b: "0", first, second)[0] == "tie"
    assert ai_judge.ask_both_orders(lambda a, b: "?", first, second)[0] == "skip"


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible address that finds the answer that begins with "Plainly" better."""

    seen: list = []

    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, self.headers.get("Authorization"), document))
        asked = document["messages"][-1]["content"]
        said = "1" if "--- Answer 1 ---\nPlainly" in asked else "2"
        body = json.dumps({"choices": [{"message": {"content": f"I say {said}"}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_judge_votes_beside_people_through_an_endpoint(ws, tmp_path):
    from tests.labels.test_queue import candidate, judge_all

    project = projects.create(ws, "Judged").id
    pairs.add_pairs(ws, project, [candidate(n) for n in range(6)])
    projects.update_settings(ws, project, repeats=0)
    judge_all(ws, project, "ann", most=3)
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        job = judge.ask(ws, project, Judge("big", f"http://127.0.0.1:{server.server_port}/v1"), key="sk-secret")
        until(lambda: data_jobs.progress(ws, job).state != "running", 60)
    finally:
        server.shutdown()
    assert data_jobs.progress(ws, job).state == "done", data_jobs.progress(ws, job)
    path, key, document = Endpoint.seen[0]
    assert (path, key, document["model"]) == ("/v1/chat/completions", "Bearer sk-secret", "big") and len(Endpoint.seen) == 12
    assert not any("sk-secret" in f.read_text(errors="replace") for f in (ws.jobs / job).iterdir() if f.is_file()), "the key is on no disk"
    own = [v for v in outcome.judgments_of(ws, project) if v.labeller == "judge:big"]
    assert len(own) == 6 and {v.winner for v in own} == {"first"}
    assert projects.find(ws, project).done == 3, "it takes no pair from people"
    assert len(export.rows(ws, project)) == 3 and len(export.rows(ws, project, judges=True)) >= 3
    assert queue.next(ws, project, "ann").item is not None


def test_a_judge_that_can_not_be_reached_keeps_what_it_said(ws):
    project = projects.create(ws, "x").id
    from tests.labels.test_queue import candidate

    pairs.add_pairs(ws, project, [candidate(1)])
    with pytest.raises(RequestError, match="not the address"):
        judge.ask(ws, project, Judge("big", "ftp://x"))
    with pytest.raises(RequestError):
        judge.ask(ws, project, Judge(""))
    with pytest.raises(RequestError, match="not the address"):
        judge.ask(ws, project, Judge("big", "http://me:secret@127.0.0.1:9/v1"))
    job = judge.ask(ws, project, Judge("big", "http://127.0.0.1:9/v1"))
    until(lambda: data_jobs.progress(ws, job).state != "running", 60)
    found = data_jobs.progress(ws, job)
    assert found.state == "failed" and "did not answer" in found.errors[0]["message"] and found.errors[0]["remedy"]
