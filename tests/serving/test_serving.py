"""The serving worker, asked over HTTP as the chat does: the same answers as plain transformers, and deaf to strangers."""

import json
import os
import queue as queue_module
import shutil
import signal
import time
from contextlib import closing

import httpx
import psutil
import pytest

from tests.conftest import fresh, until
from tuner import locks, paths, runs
from tuner.errors import ModelError, WorkError
from tuner.jobs import queue
from tuner.serving import chat_client

PROMPTS = ["What is 3 plus 3?", "How are you?", "Name two flowers."]
GREEDY = {"temperature": 0.0, "max_tokens": 24}

PLAIN = """
import json, sys
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
out = []
for base, adapter, dtype, prompts in json.loads(sys.argv[1]):
    tokenizer = AutoTokenizer.from_pretrained(adapter or base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    model = PeftModel.from_pretrained(model, adapter) if adapter else model
    rows = []
    for prompt in prompts:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
        tokens = model.generate(**ids, max_new_tokens=24, do_sample=False)[0, ids["input_ids"].shape[1]:]
        rows.append([tokenizer.decode(tokens, skip_special_tokens=True), ids["input_ids"].shape[1], len(tokens)])
    out.append(rows)
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def client(house):
    return chat_client.Client(house.ws, "cpu")


@pytest.fixture(scope="module")
def known(house) -> dict[str, dict]:
    return {
        "tuned": chat_client.serving_spec(house.ws, house.lora),
        "base": chat_client.serving_spec(house.ws, house.lora, base=True),
        "whole": chat_client.serving_spec(house.ws, house.full),
        "starter": chat_client.serving_spec(house.ws, "starter"),
    }


def ask(prompt: str) -> list[dict]:
    return [{"role": "user", "content": prompt}]


def post(client, known, prompt=PROMPTS[0], **more) -> httpx.Response:
    client.http.post("/models", json=known).raise_for_status()
    return client.http.post("/v1/chat/completions", json={"model": known["id"], "messages": ask(prompt), **GREEDY, **more})


def test_pieces_join_to_the_whole_answer(client, known):
    for who in ("tuned", "base"):
        whole = post(client, known[who]).json()
        pieces = list(client.stream(known[who], ask(PROMPTS[0]), **GREEDY))
        assert "".join(p.text for p in pieces) == whole["choices"][0]["message"]["content"] != ""
        assert len(pieces) > 2 and all(p.stop_reason is None for p in pieces[:-1])
        assert pieces[-1].stop_reason == whole["choices"][0]["finish_reason"] in ("stop", "length")
        assert (pieces[-1].prompt_tokens, pieces[-1].completion_tokens) == tuple(
            whole["usage"][k] for k in ("prompt_tokens", "completion_tokens")
        )
        assert whole["object"] == "chat.completion" and whole["model"] == known[who]["id"]


def test_answers_and_counts_are_those_of_plain_transformers(client, known):
    kinds = ["tuned", "base", "whole", "tuned"]  # switched back and forth: nothing of one stays in the other
    dtype = {"bf16": "bfloat16", "fp32": "float32"}
    jobs = [[known[k]["base"], known[k]["adapter"], dtype[known[k]["precision"]], PROMPTS] for k in kinds]
    plain = json.loads(fresh(PLAIN, json.dumps(jobs)).splitlines()[-1])
    for kind, rows in zip(kinds, plain, strict=True):
        for prompt, row in zip(PROMPTS, rows, strict=True):
            answer = client.answer(known[kind], ask(prompt), **GREEDY)
            assert [answer.text, answer.prompt_tokens, answer.completion_tokens] == row, (kind, prompt)
    assert plain[0] == plain[3] and plain[0] != plain[1] != plain[2]


def test_counts_grow_with_the_answer_and_the_speed_is_the_one_that_was_measured(client, known):
    began = time.monotonic()
    pieces = list(client.stream(known["base"], ask("Go on."), temperature=5.0, max_tokens=200, seed=3))
    took = time.monotonic() - began
    counts = [p.completion_tokens for p in pieces]
    assert counts == sorted(counts) and counts[0] < counts[-1] and all(p.prompt_tokens == pieces[-1].prompt_tokens for p in pieces)
    last = pieces[-1]
    generating = (last.completion_tokens - 1) / last.tokens_per_second
    assert 0 < last.first_token_seconds < took and 0.3 * took < generating + last.first_token_seconds <= took
    one = client.answer(known["base"], ask("Hi"), temperature=0.0, max_tokens=1)
    assert one.completion_tokens == 1 and one.tokens_per_second is None and one.first_token_seconds > 0


def test_why_an_answer_ended(client, known):
    for n in (1, 3):
        for _ in range(4):
            answer = client.answer(known["tuned"], ask(PROMPTS[0]), temperature=0.0, max_tokens=n)
            assert (answer.stop_reason, answer.completion_tokens) == ("length", n)
    assert client.answer(known["starter"], ask("How are you?"), temperature=0.0, max_tokens=200).stop_reason == "stop"


def test_a_seed_makes_chance_repeatable(client, known):
    hot = {"temperature": 1.5, "max_tokens": 20, "top_p": 1.0}
    one, two, other = (client.answer(known["base"], ask(PROMPTS[0]), seed=s, **hot).text for s in (1, 1, 2))
    assert one == two != other


def computed(house) -> float:
    """Return the processor seconds that the serving worker has used: what a busy machine doesn't change."""
    (pid,) = queue.sharing(house.ws.machine_folder(), "cpu")
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_a_reader_who_leaves_gives_the_turn_back(house, client, known):
    endless = {"temperature": 5.0, "top_p": 1.0, "max_tokens": 900, "seed": 3}
    before = computed(house)
    count = client.answer(known["base"], ask("Go on."), **endless).completion_tokens
    whole = computed(house) - before
    assert count > 100
    before = computed(house)
    stream = client.stream(known["base"], ask("Go on."), **endless)
    next(stream)
    stream.close()
    assert client.answer(known["tuned"], ask("Hello"), temperature=0.0, max_tokens=1).completion_tokens == 1
    assert computed(house) - before < whole * 0.6


def test_a_thought_keeps_its_tags(known, tmp_path):
    """Where the template itself begins the thought, and where its tags are special tokens: both reach the reader, who folds it away."""
    from transformers import AutoTokenizer

    from tuner.models.chat_templates import open_reasoning_tag
    from tuner.serving.protocol import ChatRequest
    from tuner.workers.serving.answers import chat_generation
    from tuner.workers.serving.model_cache import Models, RegisteredModel
    from tuner.workers.serving.scheduler import Scheduler
    from tuner.workers.serving.text_stream import TextStream

    for text, tag in (("<s>user\nHi\nassistant\n<think>\n", "<think>"), ("<think> done </think> so", ""), ("", "")):
        assert open_reasoning_tag(text) == tag
    thinker = tmp_path / "thinker"
    shutil.copytree(paths.STARTER, thinker)
    tokenizer = AutoTokenizer.from_pretrained(thinker)
    tokenizer.chat_template += "{% if add_generation_prompt %}{{ '<think>\n' }}{% endif %}"
    tokenizer.add_tokens(["<|channel>", "<channel|>", "<odd>"], special_tokens=True)
    tokenizer.save_pretrained(thinker)
    models = Models("cpu")
    models.known["thinker"] = RegisteredModel(id="thinker", base=str(thinker), precision="fp32")
    pieces: queue_module.Queue = queue_module.Queue()
    asked = ChatRequest(model="thinker", messages=ask("Hi"), temperature=0.0, max_tokens=4)
    Scheduler(models).submit(chat_generation(asked, pieces.put))
    answer = ""
    while (piece := pieces.get(timeout=60)) is not None:
        answer += piece.text
    assert answer.startswith("<think>\n") and answer.count("<think>") == 1 and len(answer) > len("<think>\n")
    stream = TextStream(tokenizer)
    ids = tokenizer("<|channel>thought\nHm<channel|>Yes<odd><|im_end|>", add_special_tokens=False)["input_ids"]
    assert "".join(map(stream.push, ids)) + stream.end() == "<|channel>thought\nHm<channel|>Yes"


@pytest.mark.parametrize("text", ["Grüße aus Köln", "日本語のテキスト", "👩‍👩‍👧 family 🎉", "a  b\n\n c", "naïve café — “quoted”"])
def test_text_comes_in_whole_characters(text):
    from transformers import AutoTokenizer

    from tuner.workers.serving.text_stream import TextStream

    tokenizer = AutoTokenizer.from_pretrained(paths.STARTER)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    stream = TextStream(tokenizer)
    pieces = [stream.push(i) for i in ids]
    assert "".join(pieces) + stream.end() == tokenizer.decode(ids) and "\ufffd" not in "".join(pieces)
    half = TextStream(tokenizer)
    shown = "".join(map(half.push, ids[:-1])) + half.end()
    assert shown.rstrip("\ufffd") in text + "\ufffd", "an answer that is cut within a character shows what there was"


def test_two_models_take_turns_where_they_do_not_fit_beside_each_other(known, monkeypatch, tmp_path):
    from tuner.workers.serving.model_cache import Models, RegisteredModel

    second = tmp_path / "second"
    shutil.copytree(paths.STARTER, second)
    for free, kept in ((10**12, 2), (0, 1)):
        models = Models("cpu")
        monkeypatch.setattr(models, "free", lambda free=free: free)
        for id, base in (("a", str(paths.STARTER)), ("b", str(second)), ("a", str(paths.STARTER))):
            models.known[id] = RegisteredModel(id=id, base=base, precision="fp32")
            model, _, _ = models.ready(id)
            assert model.config.vocab_size and len(models.bases) <= kept
        assert len(models.bases) == kept and next(reversed(models.bases))[0] == str(paths.STARTER)


def test_strangers_are_refused(client, known):
    url, key = str(client.http.base_url), client.http.headers["authorization"]
    question = {"model": known["base"]["id"], "messages": ask("Hello")}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": key[:-1]}, {"Authorization": key.removeprefix("Bearer ")}):
        for path in ("/v1/models", "/v1/chat/completions", "/models"):
            call = (lambda p=path, h=headers: httpx.get(url + p, headers=h)) if path == "/v1/models" else None
            response = call() if call else httpx.post(url + path, headers=headers, json=question)
            assert response.status_code == 401, (path, headers)
    for host in ("evil.example", "evil.example:80", "localhost.evil.example"):
        response = httpx.post(f"{url}/v1/chat/completions", headers={"Authorization": key, "Host": host}, json=question)
        assert response.status_code in (400, 403), host
    assert httpx.get(f"{url}/docs").status_code == httpx.get(f"{url}/openapi.json").status_code == 404


def test_what_is_asked_wrongly_is_told(client, known):
    assert client.http.post("/v1/chat/completions", json={"model": "nobody", "messages": ask("Hi")}).status_code == 404
    for wrong in ({"messages": []}, {"temperature": -1}, {"top_p": 0}, {"max_tokens": 0}):
        assert post(client, known["base"], **wrong).status_code == 400, wrong
    with pytest.raises(WorkError, match="refused the question"):
        list(client.stream(known["base"], ask("Hi"), temperature=-1))


def test_a_conversation_that_is_too_long_is_told_in_words(client, known):
    response = post(client, known["base"], prompt="word " * 3000)
    assert response.status_code == 400 and "new chat" in response.json()["error"]["remedy"]
    with pytest.raises(Exception, match="more than the context of this model") as caught:
        client.answer(known["base"], ask("word " * 3000))
    assert caught.value.remedy and client.answer(known["base"], ask("Hi"), **GREEDY).text


def test_a_model_that_is_gone_is_told_and_the_others_stay(client, known, tmp_path):
    missing = known["base"] | {"id": "me/gone", "base": str(tmp_path / "gone")}
    with pytest.raises(Exception, match=r"not on this computer|no folder"):
        client.answer(missing, ask("Hi"))
    assert client.answer(known["tuned"], ask("Hi"), **GREEDY).completion_tokens


def test_models_are_listed_as_openai_does(client, known):
    post(client, known["tuned"])
    listed = client.http.get("/v1/models").json()
    assert listed["object"] == "list" and known["tuned"]["id"] in {m["id"] for m in listed["data"]}


def test_the_secret_is_its_owners_and_the_port_is_on_loopback(house, client):
    file = chat_client.folder(house.ws, "cpu") / "endpoint.json"
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0
    listening = [c for c in psutil.Process(serving_pid(house.ws)).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"} and paths.read_json(file)["port"] in {c.laddr.port for c in listening}


def serving_pid(ws) -> int:
    with closing(queue.connect(ws.machine_folder())) as db:
        return db.execute("SELECT pid FROM jobs WHERE kind = 'serve' AND state = 'running'").fetchone()[0]


def test_a_run_without_a_model_has_nobody_to_talk_to(house, ws):
    with pytest.raises(ModelError) as caught:
        (house.ws.runs / "empty").mkdir(exist_ok=True)
        for name in ("config.yaml", "plan.json", "about.json"):
            (house.ws.runs / "empty" / name).write_bytes((house.ws.runs / house.lora / name).read_bytes())
        runs.write_status(house.ws.runs / "empty", state="failed")
        chat_client.serving_spec(house.ws, "empty")
    assert caught.value.field == "run"
    runs.delete(house.ws, "empty")


def test_a_killed_worker_is_started_anew(house, client, known):
    """Last in this file: the client of the others is of no use afterwards."""
    before = client.answer(known["tuned"], ask(PROMPTS[0]), **GREEDY).text
    os.kill(serving_pid(house.ws), signal.SIGKILL)
    until(lambda: not locks.is_held(chat_client.folder(house.ws, "cpu") / "lock"))
    with pytest.raises(WorkError, match="stopped answering"):
        client.answer(known["tuned"], ask(PROMPTS[0]), **GREEDY)
    assert chat_client.Client(house.ws, "cpu").answer(known["tuned"], ask(PROMPTS[0]), **GREEDY).text == before
