"""Answers generated together are those that transformers' own `generate` gives alone: each family, each method, whoever joins or leaves."""

import queue
import threading

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tests.models import tiny_kinds
from tuner import models, paths
from tuner.errors import MemoryShortError, RequestError, WorkError
from tuner.settings import methods
from tuner.settings.run_config import Settings
from tuner.workers.modelling import load, peft_methods
from tuner.workers.serving import row_cache
from tuner.workers.serving.batch import Batch
from tuner.workers.serving.generation import Generation, Piece
from tuner.workers.serving.model_cache import Models, RegisteredModel
from tuner.workers.serving.sampling import Sampling
from tuner.workers.serving.scheduler import Scheduler

PROMPTS = [[7, 8, 9], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30], [40], [50, 51, 52, 53, 54], [60, 61]]
FAMILIES = [
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma2",
    "gemma3_text",
    "phi3",
    "gpt2",
    "gpt_neox",
    "opt",
    "bloom",
    "qwen3_5_text",
    "minimax",
]
GREEDY = Sampling(temperature=0.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(paths.STARTER)


class Reader:
    """Collects what a generation delivers."""

    def __init__(self, ids: list[int], sampling: Sampling = GREEDY, limit: int = 12, n: int = 1, **more):
        self.queue: queue.Queue = queue.Queue()
        self.tokens: dict[int, list[int]] = {i: [] for i in range(n)}
        self.of = Generation("m", lambda _: ids, self.queue.put, sampling, n, limit, **more)

    def rows(self, model, tokenizer, batch: Batch) -> list:
        rows = self.of.prepare(model, tokenizer, model.device, batch.virtual)
        for row in rows:
            row.ends = set()  # random models end anywhere
            row.take = self._kept(row, row.take)
        return rows

    def _kept(self, row, take):
        def kept(chosen):
            self.tokens[row.index].append(chosen.token)
            take(chosen)

        return kept


def alone(model, ids: list[int], n: int = 12) -> list[int]:
    """What `generate` gives."""
    config = model.generation_config
    config.eos_token_id, config.pad_token_id = None, 0
    given = torch.tensor([ids])
    return model.generate(input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=n, do_sample=False)[0, -n:].tolist()


@torch.inference_mode()
def together(model, tokenizer, prompts=PROMPTS, adapted: bool = True) -> list[list[int]]:
    """The prompts in one batch: the first two begin, the others join after three tokens, and all leave at different times."""
    batch = Batch()
    batch.attach(model, adapted)
    readers = [Reader(ids, limit=4 + 4 * i) for i, ids in enumerate(prompts)]
    joining = [r.rows(model, tokenizer, batch) for r in readers]
    if batch.alone:
        for rows in joining:
            batch.add(rows)
            while batch.rows:
                batch.step()
    else:
        batch.add(joining[0] + joining[1])
        for _ in range(3):
            batch.step()
        batch.add([row for rows in joining[2:] for row in rows], between=batch.step)
        while batch.rows:
            batch.step()
    return [r.tokens[0] for r in readers]


def tiny(kind: str, seed: int = 0):
    torch.manual_seed(seed)
    config = tiny_kinds.shrink(AutoConfig.for_model(kind))
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family(kind, tokenizer):
    model = tiny(kind)
    assert row_cache.batchable(model) is (kind not in ("qwen3_5_text", "minimax", "mamba"))
    assert together(model, tokenizer) == [alone(model, ids, 4 + 4 * i) for i, ids in enumerate(PROMPTS)]


def changed(model):
    """Move what the method trains, so that it shows."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("method", [m for m in methods.METHODS if m != "qlora"])
def test_a_method(method, tokenizer, tmp_path):
    base = tmp_path / "base"
    tiny("llama").save_pretrained(base)
    settings = Settings.from_json(
        {"method": method, "lora_rank": 4, "adapter_size": 8, "virtual_tokens": 5, "last_layers": 1, "gradient_checkpointing": False}
    )
    model = load.base_model(base, "fp32", "cpu", objective="chat").eval()
    model = changed(peft_methods.build(model, settings, models.folder_facts(base), objective="chat")).eval()
    peft_methods.save(model, tmp_path / "tuned", settings)
    model = peft_methods.load_saved(load.base_model(base, "fp32", "cpu", objective="chat"), tmp_path / "tuned").eval()
    tuned = together(model, tokenizer)
    assert tuned == [alone(model, ids, 4 + 4 * i) for i, ids in enumerate(PROMPTS)]
    if method != "full":
        with peft_methods.disabled(model):
            plain = together(model, tokenizer, adapted=False)
            assert plain == [alone(model, ids, 4 + 4 * i) for i, ids in enumerate(PROMPTS)] != tuned


@torch.inference_mode()
def test_a_long_prompt_is_read_in_parts_while_others_go_on(tokenizer, monkeypatch):
    monkeypatch.setattr("tuner.workers.serving.batch.CHUNK", 8)
    model, batch = tiny("llama"), Batch()
    batch.attach(model, True)
    short, long, other = Reader([7, 8, 9], limit=40), Reader(list(range(5, 65)), limit=5), Reader([3, 4], limit=5)
    batch.add(short.rows(model, tokenizer, batch))
    batch.add(long.rows(model, tokenizer, batch) + other.rows(model, tokenizer, batch), between=batch.step)
    assert len(short.tokens[0]) > 10, "it went on"
    while batch.rows:
        batch.step()
    for reader, ids in ((short, [7, 8, 9]), (long, list(range(5, 65))), (other, [3, 4])):
        assert reader.tokens[0] == alone(model, ids, reader.of.limit)


def test_a_model_with_a_state_answers_one_after_another(tmp_path):
    tokenizer, registered = AutoTokenizer.from_pretrained(paths.STARTER), Models("cpu")
    config = tiny_kinds.shrink(AutoConfig.for_model("qwen3_5_text"))
    config.vocab_size = len(tokenizer)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    registered.known["m"] = RegisteredModel(id="m", base=str(tmp_path), precision="fp32")
    scheduler = Scheduler(registered)
    hot = Sampling(temperature=1.5, seed=3)
    several, other = Asked(scheduler, "m", [5, 6, 7], hot, n=3, limit=10), Asked(scheduler, "m", [5, 6, 7], hot, limit=10)
    texts = several.read()
    assert len(set(texts)) == 3 and other.read() == texts[:1]


@pytest.fixture
def served(tmp_path):
    """A scheduler over two tiny models with the starter's tokenizer, whose answers have no end."""
    tokenizer, registered = AutoTokenizer.from_pretrained(paths.STARTER), Models("cpu")
    for i, name in enumerate("ab"):
        torch.manual_seed(i)
        config = tiny_kinds.shrink(AutoConfig.for_model("llama"))
        config.vocab_size, config.max_position_embeddings, config.eos_token_id = len(tokenizer), 2000, None
        model = AutoModelForCausalLM.from_config(config)
        model.generation_config.eos_token_id = None
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        registered.known[name] = RegisteredModel(id=name, base=str(tmp_path / name), precision="fp32")
    return Scheduler(registered)


class Asked:
    """A request to a scheduler: `read()` waits for its end and returns its texts."""

    def __init__(self, scheduler: Scheduler, model: str, ids, sampling: Sampling = GREEDY, limit: int | None = 20, n: int = 1, **more):
        self.pieces: queue.Queue = queue.Queue()
        self.seen: list[Piece] = []
        self.of = Generation(model, (lambda _: ids) if isinstance(ids, list) else ids, self.pieces.put, sampling, n, limit, **more)
        scheduler.submit(self.of)

    def one(self) -> Piece | None:
        item = self.pieces.get(timeout=60)
        if isinstance(item, BaseException):
            raise item
        if item is not None:
            self.seen.append(item)
        return item

    def read(self) -> list[str]:
        while self.one() is not None:
            pass
        return ["".join(p.text for p in self.seen if p.index == i) for i in range(self.of.n)]


def test_two_models_answer_at_once_and_neither_waits_for_the_other(served):
    first = Asked(served, "a", [5, 6, 7], limit=1500)
    first.one()
    second = Asked(served, "b", [5, 6, 7], limit=30)
    told = second.read()
    assert first.of.completion_tokens < 1500, "the long answer was still under way"
    third = Asked(served, "a", [5, 6, 7], limit=30)
    assert third.read()[0] != told[0]
    first.of.cancelled = True
    first.read()
    assert first.seen[-1].reason == "cancelled" and first.of.completion_tokens < 1500


def test_chance_is_each_answers_own(served):
    hot = Sampling(temperature=2.0, top_p=1.0, seed=11)
    calm = Asked(served, "a", [5, 6, 7], hot, n=3).read()
    assert len(set(calm)) == 3
    crowd = [Asked(served, "a", [9] * i, Sampling(temperature=2.0, seed=i)) for i in range(1, 8)]
    assert Asked(served, "a", [5, 6, 7], hot, n=3).read() == calm
    for other in crowd:
        other.read()


def test_what_is_wrong_with_one_request_ends_that_one_only(served):
    going = Asked(served, "a", [5, 6, 7], limit=200)
    for ids, limit in (([5] * 3000, 4), ([], 4)):
        with pytest.raises(RequestError):
            Asked(served, "a", ids, limit=limit).read()
    with pytest.raises(ZeroDivisionError):
        Asked(served, "a", lambda _: 1 / 0).read()

    class Broken:
        def mask(self, logits):
            raise ValueError("no token is left")

        def accept(self, token):
            pass

    with pytest.raises(ValueError, match="no token is left"):
        Asked(served, "a", [5, 6], grammar=lambda tokenizer, size: Broken).read()
    going.read()
    assert going.of.completion_tokens == 200 and going.seen[-1].reason == "length"


def test_a_step_that_fails_is_told_to_all_and_the_next_request_is_answered(served, monkeypatch):
    Asked(served, "a", [5]).read()
    crowd = [Asked(served, "a", [5, i], limit=1500) for i in range(3)]
    crowd[0].one()
    step = Batch.step
    monkeypatch.setattr(Batch, "step", lambda self: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")))
    for asked in crowd:
        with pytest.raises(torch.OutOfMemoryError):
            asked.read()
    monkeypatch.setattr(Batch, "step", step)
    assert Asked(served, "a", [5, 6, 7]).read()[0]


def test_answers_end_with_words_when_a_run_needs_the_memory(served):
    going, waits = Asked(served, "a", [5, 6], limit=1500), Asked(served, "b", [5], limit=1500)
    going.one()
    served.leave("A run needs it.")
    for asked in (going, waits):
        with pytest.raises(WorkError, match="A run needs it"):
            asked.read()
    with pytest.raises(WorkError, match="A run needs it"):
        Asked(served, "a", [7])
    assert not served.busy


def test_a_model_that_finds_no_room_beside_a_run_is_not_loaded_unless_somebody_insists(tmp_path):
    def claim(needed: int) -> None:
        claimed.append(needed)
        raise MemoryShortError("tuned is at work.", asked=needed, available=0, remedy="Wait.")

    claimed: list[int] = []
    registered = Models("cpu", claim)
    for name, anyway in (("starter", False), ("insisted", True)):
        registered.known[name] = RegisteredModel(id=name, base=str(paths.STARTER), precision="fp32", anyway=anyway)
    with pytest.raises(MemoryShortError):
        registered.ready("starter")
    assert claimed[0] > (paths.STARTER / "model.safetensors").stat().st_size and not registered.bases
    registered.ready("insisted")
    assert len(claimed) == 1 and len(registered.bases) == 1


def test_penalties_and_bias_and_the_likelihoods_that_are_told(served):
    plain = Asked(served, "a", [5, 6, 7], limit=40)
    plain.read()
    spoken = Asked(served, "a", [5, 6, 7], Sampling(temperature=0.0, top_logprobs=3), limit=40)
    spoken.read()
    chosen = [c for p in spoken.seen for c in p.chosen]
    assert len(chosen) == 40 and all(c.top[0] == (c.token, pytest.approx(c.logprob)) and len(c.top) == 3 for c in chosen)
    model = AutoModelForCausalLM.from_pretrained(served.models.known["a"].base)
    with torch.inference_mode():
        logits = model(torch.tensor([[5, 6, 7, *(c.token for c in chosen[:-1])]])).logits[0, 2:]
    expected = logits.log_softmax(-1)[range(40), [c.token for c in chosen]]
    torch.testing.assert_close(torch.tensor([c.logprob for c in chosen]), expected, atol=1e-4, rtol=1e-4)
    often = [c.token for c in chosen]
    varied = Asked(served, "a", [5, 6, 7], Sampling(temperature=0.0, top_logprobs=0, presence_penalty=2.0, frequency_penalty=2.0), limit=40)
    varied.read()
    kinds = {c.token for p in varied.seen for c in p.chosen}
    assert len(kinds) > len(set(often)), "what was said already is said less"
    forced = Asked(served, "a", [5, 6, 7], Sampling(temperature=0.0, top_logprobs=0, logit_bias={77: 100.0}), limit=5)
    forced.read()
    assert {c.token for p in forced.seen for c in p.chosen} == {77}


@pytest.mark.parametrize("n", [1, 3])
def test_the_text_ends_before_a_stop_string_wherever_its_parts_fall(served, n):
    whole = Asked(served, "a", [5, 6, 7], limit=60).read()[0]
    for begin in range(4, min(40, len(whole) - 6), 5):
        stop = whole[begin : begin + 5]
        asked = Asked(served, "a", [5, 6, 7], limit=60, stop=("never there", stop), n=n)
        for text in asked.read():
            assert text == whole[: whole.index(stop)]
        assert asked.seen[-1].reason == "stop"
    assert Asked(served, "a", [5, 6, 7], limit=60, stop=(whole[-3:] + "!",)).read()[0] == whole, "what was held back comes at the end"


def test_calls_run_between_the_steps_and_errors_come_back(served):
    going = Asked(served, "a", [5, 6, 7], limit=1500)
    going.one()
    assert served.call("a", lambda model, tokenizer, adapted: (len(tokenizer) > 10, adapted)) == (True, False)
    assert served.counts()["running"] == 1 and served.busy
    with pytest.raises(ZeroDivisionError):
        served.call("a", lambda *_: 1 / 0)
    going.of.cancelled = True
    going.read()


def test_a_crowd_is_answered_in_full_and_memory_bounds_it(served, monkeypatch):
    most = []
    step = Batch.step
    monkeypatch.setattr(Batch, "step", lambda self: (most.append(len(self.rows)), step(self))[1])
    texts = [a.read()[0] for a in [Asked(served, "a", [5, 6, i % 7 + 8], limit=30) for i in range(60)]]
    assert len(set(texts)) <= 7 and texts[:7] == texts[7:14] and 16 < max(most) <= 32
    monkeypatch.setattr(served.models, "free", lambda: 0)
    most.clear()
    texts = [a.read()[0] for a in [Asked(served, "a", [5, 6, i % 7 + 8], limit=5) for i in range(10)]]
    assert len(texts) == 10 and max(most) < 10, "one prompt at a time joins where nothing is free"


def test_requests_from_many_threads(served):
    out: dict[int, str] = {}

    def ask(i: int) -> None:
        out[i] = Asked(served, "ab"[i % 2], [5, 6, 7], limit=25).read()[0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(out) == 12 and len({out[i] for i in range(0, 12, 2)}) == len({out[i] for i in range(1, 12, 2)}) == 1
