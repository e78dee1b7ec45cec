"""Serving against bare `generate`: one stream, eight at once, the first token under load, and transformers' own continuous batching.

    python -m bench.serving [--threads 2] [--tokens 64] [--rounds 3]

A Llama of 127 million parameters with random weights, greedy, answers that do not end. All figures are from one run, side by side; `http` goes
through `tunesmith serve`, gateway and worker, on the same cores.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig

from tuner import paths
from tuner.workers.serving.generation import Generation
from tuner.workers.serving.model_cache import Models, RegisteredModel
from tuner.workers.serving.sampling import Sampling
from tuner.workers.serving.scheduler import Scheduler

STREAMS = 8
PROMPT = list(range(10, 74))


def model_folder(place: Path) -> Path:
    """Write the model with the starter's tokenizer, and no end token."""
    tokenizer = AutoTokenizer.from_pretrained(paths.STARTER)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=14,
        num_attention_heads=12,
        num_key_value_heads=4,
    )
    model = AutoModelForCausalLM.from_config(config)
    print(f"{model.num_parameters() / 1e6:.0f} M parameters, {torch.get_num_threads()} threads")
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


class Stream:
    """One request to a scheduler."""

    def __init__(self, scheduler: Scheduler, tokens: int):
        self.pieces: queue.Queue = queue.Queue()
        self.of = Generation("m", lambda _: PROMPT, self.pieces.put, Sampling(temperature=0.0, logit_bias={2: -1e4}), 1, tokens)
        scheduler.submit(self.of)

    def end(self) -> "Stream":
        while (item := self.pieces.get(timeout=600)) is not None:
            if isinstance(item, BaseException):
                raise item
        return self


def bare(model, tokens: int) -> float:
    ids = torch.tensor([PROMPT])
    began = time.monotonic()
    model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=0
    )
    return tokens / (time.monotonic() - began)


def ours(scheduler: Scheduler, tokens: int, streams: int) -> float:
    began = time.monotonic()
    for stream in [Stream(scheduler, tokens) for _ in range(streams)]:
        stream.end()
    return streams * tokens / (time.monotonic() - began)


def first_token(scheduler: Scheduler, tokens: int) -> tuple[float, float]:
    """Return the seconds to the first token alone, and beside seven streams that go on."""
    alone = Stream(scheduler, 2).end().of.timings()["first_token_seconds"]
    others = [Stream(scheduler, tokens) for _ in range(STREAMS - 1)]
    others[0].pieces.get(timeout=60)
    late = Stream(scheduler, 2).end().of.timings()["first_token_seconds"]
    for other in others:
        other.end()
    return alone, late


def transformers_own(model, tokens: int) -> float:
    """Return tokens per second of `generate_batch` for eight prompts."""
    config = GenerationConfig(max_new_tokens=tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
    began = time.monotonic()
    out = model.generate_batch([PROMPT] * STREAMS, generation_config=config, progress_bar=False)
    took = time.monotonic() - began
    return sum(len(o.generated_tokens) for o in out.values()) / took


def http(folder: Path, tokens: int) -> tuple[float, float]:
    """Return tokens per second of one and of eight requests through `tunesmith serve`."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"TUNESMITH_HOME": home, "TUNESMITH_MACHINE": f"{home}/machine", "TUNESMITH_PROBE": "0"}
        command = [sys.executable, "-m", "tuner.cli", "serve", str(folder), "--json"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            served = json.loads(process.stdout.readline())
            client = httpx.Client(headers={"Authorization": f"Bearer {served['api_key']}"}, timeout=600)
            body = {"model": served["models"][0], "prompt": PROMPT, "max_tokens": tokens, "temperature": 0, "logit_bias": {"2": -100}}

            def ask(_=None) -> int:
                answer = client.post(served["url"] + "/completions", json=body)
                return answer.raise_for_status().json()["usage"]["completion_tokens"]

            ask()
            speeds = []
            for streams in (1, STREAMS):
                began = time.monotonic()
                with ThreadPoolExecutor(streams) as pool:
                    said = sum(pool.map(ask, range(streams)))
                speeds.append(said / (time.monotonic() - began))
            return speeds[0], speeds[1]
        finally:
            process.terminate()
            process.wait()
            (Path(home) / "machine/serving/cpu/control").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as place:
        folder = model_folder(Path(place) / "model")
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        models = Models("cpu")
        models.known["m"] = RegisteredModel(id="m", base=str(folder), precision="fp32")
        scheduler = Scheduler(models)
        ours(scheduler, 4, 1), bare(model, 4)
        rows: dict[str, list[float]] = {"bare": [], "one": [], "eight": [], "own": [], "alone": [], "late": []}
        for _ in range(args.rounds):
            rows["bare"].append(bare(model, args.tokens))
            rows["one"].append(ours(scheduler, args.tokens, 1))
            rows["eight"].append(ours(scheduler, args.tokens, STREAMS))
            rows["own"].append(transformers_own(model, args.tokens))
            alone, late = first_token(scheduler, args.tokens)
            rows["alone"].append(alone)
            rows["late"].append(late)
        middle = {name: statistics.median(values) for name, values in rows.items()}
        base = middle["bare"]
        print(f"generate, one stream           {base:7.1f} tokens/s   1.00x")
        print(f"ours, one stream               {middle['one']:7.1f} tokens/s   {middle['one'] / base:.2f}x")
        print(f"ours, {STREAMS} streams                {middle['eight']:7.1f} tokens/s   {middle['eight'] / base:.2f}x")
        print(f"transformers' batching, {STREAMS}      {middle['own']:7.1f} tokens/s   {middle['own'] / base:.2f}x")
        print(f"first token alone              {middle['alone'] * 1000:7.0f} ms")
        print(f"first token beside {STREAMS - 1} streams   {middle['late'] * 1000:7.0f} ms         {middle['late'] / middle['alone']:.1f}x")
        one, eight = http(folder, args.tokens)
        print(f"over HTTP, one stream          {one:7.1f} tokens/s   {one / base:.2f}x")
        print(f"over HTTP, {STREAMS} streams           {eight:7.1f} tokens/s   {eight / base:.2f}x")


if __name__ == "__main__":
    main()
