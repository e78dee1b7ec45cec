"""`tunesmith serve`, asked by OpenAI's own client: answers, streams, choices, refusals, strangers, a worker that dies."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from tests.conftest import until
from tuner import locks, runs
from tuner.errors import ConflictError
from tuner.jobs import queue
from tuner.serving import chat_client, examples, gateway
from tuner.serving.gateway import BODY
from tuner.serving.protocol import Refused
from tuner.serving.served_models import ServedModels

ASK = [{"role": "user", "content": "What is 3 plus 3?"}]
SCHEMA = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}, "sure": {"type": "boolean"}},
    "required": ["sum", "sure"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}


def environment(house) -> dict[str, str]:
    return os.environ | {"TUNESMITH_HOME": str(house.ws.home), "TUNESMITH_MACHINE": str(house.ws.machine_folder())}


@pytest.fixture(scope="module")
def served(house):
    """The document that `tunesmith serve` printed, while it runs."""
    command = [sys.executable, "-m", "tuner.cli", "serve", house.lora, house.full, "starter", "--device", "cpu", "--json"]
    process = subprocess.Popen(command, env=environment(house), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "it ends when it is asked to"
        assert "has ended" in process.stderr.read()
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=served["url"], api_key=served["api_key"], max_retries=0) as client:
        yield client


def ask(client, model: str = "starter", **more):
    return client.chat.completions.create(**{"model": model, "messages": ASK, "temperature": 0, "max_tokens": 24} | more)


def name(house, id: str) -> str:
    return runs.get(house.ws, id).name


def test_runs_checkpoints_and_bases_are_models(house, served, client):
    listed = [m.id for m in client.models.list()]
    assert listed == served["models"] and {name(house, house.lora), name(house, house.full), "starter"} <= set(listed)
    steps = {int(c.name.rpartition("-")[2]) for c in runs.checkpoints(house.ws.run(house.lora))}
    assert steps and {f"{name(house, house.lora)}@{step}" for step in steps} <= set(listed)
    assert client.models.retrieve(f"{name(house, house.lora)}/base").id in listed
    direct = chat_client.Client(house.ws, "cpu")
    greedy = {"temperature": 0.0, "max_tokens": 24}
    for model, spec in (
        (name(house, house.lora), chat_client.serving_spec(house.ws, house.lora)),
        (house.lora, chat_client.serving_spec(house.ws, house.lora)),
        (f"{name(house, house.lora)}/base", chat_client.serving_spec(house.ws, house.lora, base=True)),
        (f"{name(house, house.lora)}@{max(steps)}", chat_client.serving_spec(house.ws, house.lora, step=max(steps))),
        (name(house, house.full), chat_client.serving_spec(house.ws, house.full)),
    ):
        answer = ask(client, model)
        assert answer.choices[0].message.content == direct.answer(spec, ASK, **greedy).text != "" and answer.model == model


def test_a_stream_is_the_answer_with_its_counts_once(client):
    whole = ask(client)
    events = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert events[0].choices[0].delta.role == "assistant" and all(e.usage is None for e in events[:-1])
    assert events[-1].choices == [] and events[-1].usage == whole.usage and whole.usage.completion_tokens > 3
    assert "".join(e.choices[0].delta.content or "" for e in events[:-1]) == whole.choices[0].message.content
    assert events[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert all(e.usage is None for e in ask(client, stream=True)), "not asked for, not sent"


def test_several_answers_likelihoods_stop_and_penalties(client):
    answer = ask(client, n=3, temperature=1.5, seed=3, logprobs=True, top_logprobs=2)
    again = ask(client, n=3, temperature=1.5, seed=3)
    assert [c.index for c in answer.choices] == [0, 1, 2]
    assert [c.message.content for c in answer.choices] == [c.message.content for c in again.choices]
    for choice in answer.choices:
        first = choice.logprobs.content[0]
        assert len(first.top_logprobs) == 2 and first.logprob <= 0 and bytes(first.bytes).decode() == first.token
    parts = dict.fromkeys(range(3), "")
    for event in ask(client, n=3, temperature=1.5, seed=3, stream=True):
        for choice in event.choices:
            parts[choice.index] += choice.delta.content or ""
    assert list(parts.values()) == [c.message.content for c in answer.choices]
    text = ask(client).choices[0].message.content
    stop = text[len(text) // 2 :][:3]
    cut = ask(client, stop=[stop, "never"]).choices[0]
    assert cut.message.content == text[: text.index(stop)] and cut.finish_reason == "stop"
    assert ask(client, presence_penalty=2, frequency_penalty=2, logit_bias={"9": 0.5}).choices[0].message.content


def test_completions_go_on_from_texts_and_tokens(client):
    two = {"model": "starter", "prompt": ["Water the", "Two plus"], "temperature": 0, "max_tokens": 6}
    answer = client.completions.create(**two, n=2, echo=True)
    assert [(c.index, c.text.split()[0]) for c in answer.choices] == [(0, "Water"), (1, "Water"), (2, "Two"), (3, "Two")]
    assert 12 < answer.usage.completion_tokens <= 24
    scored = [e.choices[0].logprobs for e in client.completions.create(**two | {"prompt": "Water the"}, logprobs=1, stream=True)]
    places = [at for s in scored if s for at in s.text_offset]
    assert places == sorted(places) and len(set(places)) == len(places) > 2, "counted over the whole answer"
    with pytest.raises(openai.BadRequestError, match="echo"):
        client.completions.create(**two, echo=True, logprobs=1)
    streamed = ["", ""]
    for event in client.completions.create(
        model="starter", prompt=["Water the", "Two plus"], temperature=0, max_tokens=6, stream=True, echo=True
    ):
        streamed[event.choices[0].index] += event.choices[0].text
    assert streamed == [answer.choices[0].text, answer.choices[2].text]
    assert client.completions.create(model="starter", prompt=[5, 6, 7], max_tokens=2).usage.prompt_tokens == 3
    for prompt, told in (
        ([], "prompt"),
        ([[]], "prompt"),
        ([999_999], "There is no token"),
        ([-1], "prompt"),
        ([True], "prompt"),
        ([2**70], "prompt"),
    ):
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError, match=told):
                client.completions.create(model="starter", prompt=prompt, max_tokens=2, stream=stream)


def test_extreme_settings_are_answered(client):
    for odd in (
        {"temperature": 1e-300},
        {"temperature": 1e-38},
        {"temperature": 1, "top_p": 1e-300},
        {"temperature": 5, "extra_body": {"top_k": 1}},
    ):
        assert ask(client, **odd, max_tokens=3).choices[0].message.content
    assert ask(
        client,
        messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": None}]}],
        seed=None,
        stop=None,
    )


def test_lines_that_are_none_to_json_break_no_stream(client):
    strange = "a\u2028b\u2029c\u0085d"
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": strange}}}
    text = "".join(e.choices[0].delta.content or "" for e in ask(client, stream=True, max_tokens=60, response_format=form))
    assert json.loads(text) == strange


def test_one_bad_prompt_takes_no_other_down(client):
    def one(i: int) -> str:
        if i % 4 == 3:
            with pytest.raises(openai.BadRequestError):
                client.completions.create(model="starter", prompt=[999_999], max_tokens=4)
            return ""
        return client.completions.create(model="starter", prompt=[5, 6, 7 + i], max_tokens=4).choices[0].text

    with ThreadPoolExecutor(12) as pool:
        assert len(list(pool.map(one, range(24)))) == 24


def test_bytes_of_tokens_join_to_the_text(client):
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": "é😀"}}}
    choice = ask(client, logprobs=True, max_tokens=40, response_format=form).choices[0]
    assert json.loads(bytes(b for t in choice.logprobs.content for b in t.bytes).decode()) == "é😀"


def test_an_answer_in_a_schema(client):
    form = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
    for seed in range(4):
        document = json.loads(ask(client, response_format=form, temperature=1.0, seed=seed, max_tokens=60).choices[0].message.content)
        assert set(document) == {"sum", "sure"} and isinstance(document["sum"], int) and isinstance(document["sure"], bool)
    with pytest.raises(openai.BadRequestError, match="can't be followed"):
        ask(client, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}})


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"temperature": 9}, "temperature"),
        ({"n": 0}, "n: "),
        ({"extra_body": {"colour": 1, "taste": 2}}, "colour: not known here; taste: not known here"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "pirate", "content": "x"}]}, "role 'pirate'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "text only"),
        ({"messages": [{"role": "user", "content": "hello " * 3000}]}, "more than the context"),
        ({"tools": [WEATHER], "tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "json_schema.schema"),
        ({"tools": [{"type": "function", "function": "x"}]}, "tool 0 is no function with a name"),
        ({"messages": [*ASK, {"role": "assistant", "tool_calls": "abc"}]}, "no list"),
        ({"messages": [*ASK, {"role": "assistant", "tool_calls": [{"function": 5}]}]}, "no function with a name"),
        ({"logit_bias": {"99999": 1}}, "There is no token 99999"),
        ({"extra_body": {"chat_template_kwargs": {"chat_template": "{% for i in range(99999) %}{% endfor %}"}}}, "chat_template"),
        ({"extra_body": {"chat_template_kwargs": {"tokenize": False}}}, "tokenize"),
        ({"extra_body": {"metadata": {"a": [[]] * 3}, "stop": [[[]]]}}, "stop"),
    ],
)
def test_what_is_wrong_is_named(client, bad, told):
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, stream=stream, **bad)
        assert told in str(caught.value) and caught.value.type == "invalid_request_error"


def test_a_prompt_that_is_too_long_has_the_code_that_clients_know(client):
    for ask_long in (
        lambda: ask(client, messages=[{"role": "user", "content": "hello " * 3000}]),
        lambda: client.completions.create(model="starter", prompt="hello " * 3000),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            ask_long()
        assert caught.value.code == "context_length_exceeded" and caught.value.param in ("messages", "prompt")


def test_what_is_not_here(client, served):
    with pytest.raises(openai.NotFoundError, match="Available: .*starter"):
        ask(client, "gpt-5")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")
    with pytest.raises(openai.BadRequestError, match="no embeddings"):
        client.embeddings.create(model="starter", input="x")
    with pytest.raises(openai.BadRequestError, match="chats"):
        client.post("/classify", cast_to=object, body={"model": "starter", "input": "x"})
    with pytest.raises(openai.NotFoundError, match="Available: .*/v1/chat/completions"):
        client.post("/images/generations", cast_to=object, body={})
    raw = client.chat.completions.with_raw_response.create(model="starter", messages=ASK, max_tokens=1, user="me", store=True)
    assert raw.headers["x-ignored-fields"] == "user, store"
    head = {"Authorization": f"Bearer {served['api_key']}"}
    half, deep = b'{"model": "starter", "messages": [{"role": "user", "content": "\\ud800"}]}', b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    endless = b'{"model": "starter", "messages": [{"role": "user", "content": "x"}], "metadata": {"a": NaN}}'
    for content, status in ((half, 400), (deep, 400), (endless, 400), (b"{", 400), (b"[]", 400), (b'"x' + b"y" * BODY + b'"', 413)):
        answer = httpx.post(served["url"] + "/chat/completions", content=content, headers=head)
        assert answer.status_code == status and answer.json()["error"]["message"]
    assert httpx.get(served["url"] + "/chat/completions", headers=head).status_code == 405


def test_strangers_are_refused_and_told_nothing(served):
    for key in ("", "sk-wrong", served["api_key"][:-1]):
        for path, method in (("/models", "GET"), ("/chat/completions", "POST"), ("/embeddings", "POST"), ("/../metrics", "GET")):
            answer = httpx.request(method, served["url"] + path, headers={"Authorization": f"Bearer {key}"} if key else {})
            assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
    head = {"Authorization": f"Bearer {served['api_key']}", "Host": "evil.example"}
    assert httpx.get(served["url"] + "/models", headers=head).status_code == 403
    assert httpx.get(served["url"].removesuffix("/v1") + "/health").json() == {"status": "ok"}
    assert httpx.head(served["url"].removesuffix("/v1") + "/health").status_code == 200
    good = {"Authorization": f"Bearer {served['api_key']}"}
    for host in ("LOCALHOST", "[::1]", "[::1]:8000", "127.0.0.1"):
        assert httpx.get(served["url"] + "/models", headers=good | {"Host": host}).status_code == 200
    for path in ("/docs", "/openapi.json", "/v1"):
        assert httpx.get(served["url"].removesuffix("/v1") + path).status_code == 404


def counted(served, what: str) -> float:
    text = httpx.get(served["url"].replace("/v1", "/metrics"), headers={"Authorization": f"Bearer {served['api_key']}"}).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(what))


def test_what_is_counted(client, served):
    said, asked = (
        'tunesmith_tokens_total{kind="completion",model="starter"}',
        'tunesmith_requests_total{path="/v1/chat/completions",status="200"}',
    )
    before = counted(served, said), counted(served, asked)
    used = ask(client).usage.completion_tokens
    streamed = sum(bool(e.choices[0].delta.content) for e in ask(client, stream=True))
    assert streamed
    until(lambda: (counted(served, said), counted(served, asked)) == (before[0] + 2 * used, before[1] + 2), 10)
    until(lambda: counted(served, "tunesmith_requests_running") == 0, 10)
    assert counted(served, 'tunesmith_first_token_seconds_count{model="starter"}') > 0


def test_a_reader_who_leaves_ends_the_generation(client, served, house):
    long = {"temperature": 5.0, "top_p": 1.0, "max_tokens": 900, "logit_bias": {"2": -100}}
    stream = ask(client, stream=True, **long)
    next(iter(stream))
    stream.close()
    with pytest.raises(httpx.ReadTimeout):
        body = {"model": "starter", "messages": ASK, "n": 8, **long}
        httpx.post(served["url"] + "/chat/completions", json=body, headers={"Authorization": f"Bearer {served['api_key']}"}, timeout=0.3)
    worker = chat_client.Client(house.ws, "cpu").http
    until(lambda: worker.get("/stats").json() == {"running": 0, "waiting": 0}, seconds=6)
    until(lambda: counted(served, "tunesmith_requests_running") == 0, seconds=20)
    assert counted(served, 'tunesmith_requests_total{path="/v1/chat/completions",status="499"}') >= 2


def test_many_at_once_are_batched_and_each_gets_its_own(client):
    prompts = [f"What is {i} plus {i}?" for i in range(12)]

    def one(prompt: str) -> str:
        return ask(client, messages=[{"role": "user", "content": prompt}]).choices[0].message.content

    single = [one(p) for p in prompts]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(one, prompts)) == single and len(set(single)) > 6


def test_a_worker_that_dies_is_started_again(client, house):
    place = house.ws.machine_folder()
    (pid,) = queue.sharing(place, "cpu")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not locks.is_held(chat_client.folder(house.ws, "cpu") / "lock"))
    assert ask(client).choices[0].message.content
    stream = ask(client, stream=True, temperature=5.0, max_tokens=900, logit_bias={"2": -100})
    next(iter(stream))
    (pid,) = queue.sharing(place, "cpu")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(openai.APIError, match="stopped answering"):
        list(stream)
    time.sleep(0.5)
    assert ask(client).choices[0].message.content


def test_the_lines_to_paste_work(served):
    line = examples.curl(served["url"], served["api_key"], "starter", "chat")
    answer = json.loads(subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60).stdout)
    assert answer["choices"][0]["message"]["content"]
    script = examples.python(served["url"], served["api_key"], "starter")
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "There is no model called 'nowhere'"),
        (["--port", "70000"], "There is no port 70000"),
        (["--port", "TAKEN"], "is in use"),
        (["--host", "203.0.113.9"], "can't be used"),
        (["--device", "cuda:7"], "cuda:7"),
    ],
)
def test_a_start_that_can_not_be(house, served, arguments, told):
    taken = re.search(r":(\d+)/", served["url"])[1]
    arguments = [taken if a == "TAKEN" else a for a in arguments]
    command = [sys.executable, "-m", "tuner.cli", "serve", *arguments, "--json"]
    done = subprocess.run(command, env=environment(house), capture_output=True, text=True, timeout=120)
    assert done.returncode in (1, 2) and told in json.loads(done.stdout)["errors"][0]["message"]
    assert "Traceback" not in done.stderr


def test_a_name_is_found_without_listing_all_runs(house, monkeypatch):
    """Where all runs are served; those that are not there are still named by the refusal."""
    every = ServedModels(house.ws, [])
    listed = {served.name: served for served in every.listing()}
    with monkeypatch.context() as patch:
        patch.setattr(ServedModels, "listing", lambda self: pytest.fail("all runs were listed"))
        found = {name: every.find(name) for name in listed} | {house.lora: every.find(house.lora)}
    for name, served in listed.items():
        assert found[name].spec(house.ws) == served.spec(house.ws)
    assert found[house.lora].spec(house.ws) == chat_client.serving_spec(house.ws, house.lora)
    with pytest.raises(Refused, match=f"Available: .*{house.run(house.lora).name}"):
        every.find("gpt-5")


def test_a_port_that_is_taken_in_the_last_moment(ws):
    """Two servers that are started together both find the first port free."""
    import socket

    late = gateway.Gateway(ws, [])
    with socket.socket() as other:
        other.bind(("127.0.0.1", late.port))
        other.listen()
        taken = late.port
        late.start()
        try:
            assert (
                late.port != taken and httpx.get(f"{late.url}/models", headers={"Authorization": f"Bearer {late.key}"}).status_code == 200
            )
        finally:
            late.stop()
        asked = gateway.Gateway(ws, [], port=late.port)
        other_port = socket.socket()
        other_port.bind(("127.0.0.1", asked.port))
        other_port.listen()
        with other_port, pytest.raises(ConflictError, match=f"could not listen on 127.0.0.1:{asked.port}"):
            asked.start()
