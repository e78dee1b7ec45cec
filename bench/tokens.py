"""Tokenising and masking chats beside the bare tokenizer: the same rendered texts, the same cores, in turns.

    python -m bench.tokens [--rows 100000] [--repeat 3] [--model FOLDER] [--cores 1]

`bare` is `encode_batch` of the tokenizers library on texts that were rendered before, at its best (with and without its own
threads). `ours` is all of `prepare`: templates written, tokens, labels. Goal: 0.6 of the bare throughput. `short` rows are the
persona sample (39 tokens in the mean), `usual` ones conversations of two to six turns, `unmarked` the same through a
template without marks (prefix arithmetic writes each conversation several times).
"""

import argparse
import os
import random
import statistics
import sys
import time
from pathlib import Path

from tuner import devices, paths
from tuner.data.store import store

UNMARKED = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def sample(name: str) -> list[list[dict]]:
    from tuner.data.schema import convert

    return [convert.as_messages(value, kind) for value, kind in _values(name)]


def _values(name: str):
    import tempfile

    from tuner.paths import Workspace

    with tempfile.TemporaryDirectory() as folder:
        ds = store.add(Workspace(Path(folder) / "home", machine=Path(folder) / "machine").prepare(), paths.SAMPLES / name, held_out=0)
        return [(row["value"], ds.kind) for row in store.iterate(ds)]


def chats(rows: int) -> dict[str, list[dict]]:
    chance, persona, desk = random.Random(0), sample("persona.jsonl"), sample("helpdesk.csv")
    words = [m["content"] for talk in persona + desk for m in talk]

    def usual() -> dict:
        turns = [
            {"role": role, "content": " ".join(chance.choices(words, k=chance.randint(1, 4)))}
            for _ in range(chance.randint(1, 3))
            for role in ("user", "assistant")
        ]
        return {"messages": turns}

    short = [{"messages": chance.choice(persona)} for _ in range(rows)]
    made = [usual() for _ in range(rows)]
    return {"short": short, "usual": made, "unmarked": made}


def timed(work, *args) -> tuple[float, float]:
    """(seconds by the clock, seconds of all cores together); the second hardly moves when other programs are busy."""
    began, used = time.perf_counter(), time.process_time()
    work(*args)
    return time.perf_counter() - began, time.process_time() - used


def bare(tokenizer, texts: list[str], threads: bool) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads else "false"
    core, seen = tokenizer.backend_tokenizer, 0
    for i in range(0, len(texts), 1000):
        seen += len(core.encode_batch(texts[i : i + 1000], add_special_tokens=False))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def ours(tokenizer, rows: list[dict]) -> None:
    from tuner.workers.tokenization import lm_rows

    lm_rows.prepare(tokenizer, rows, kind="chat", objective="chat", max_length=1024)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--rows", type=int, default=100_000)
    parse.add_argument("--repeat", type=int, default=3)
    parse.add_argument("--model", type=Path, default=paths.STARTER)
    parse.add_argument("--cores", type=int, help="use only so many")
    args = parse.parse_args()
    if args.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    sys.modules.setdefault("torch", None)  # as in the preview's worker
    from tuner.workers.tokenization import tokenizer_loader
    from tuner.workers.tokenization.loss_mask import Masker

    print(f"{args.rows:,} rows, {args.model.name}, {len(os.sched_getaffinity(0))} of {devices.cores()} cores")
    for name, rows in chats(args.rows).items():
        tokenizer = tokenizer_loader.tokenizer(args.model)
        tokenizer.chat_template = UNMARKED if name == "unmarked" else tokenizer.chat_template
        texts = [row.text for batch in Masker(tokenizer, kind="chat", objective="chat").stream(rows) for row in batch]
        seconds: dict[str, list[tuple[float, float]]] = {"bare": [], "bare, own threads": [], "ours": []}

        for _ in range(args.repeat):
            seconds["bare"].append(timed(bare, tokenizer, texts, False))
            seconds["bare, own threads"].append(timed(bare, tokenizer, texts, True))
            seconds["ours"].append(timed(ours, tokenizer, rows))
        clock, cores = ({k: statistics.median(pair[i] for pair in v) for k, v in seconds.items()} for i in (0, 1))
        count = sum(len(e.ids) for e in tokenizer.backend_tokenizer.encode_batch(texts[:5000], add_special_tokens=False)) / len(
            texts[:5000]
        )
        each = ", ".join(f"{k} {v:.2f} s ({count * args.rows / v / 1e6:.2f} M tokens/s)" for k, v in clock.items())
        by_clock, by_cores = (min(m["bare"], m["bare, own threads"]) / m["ours"] for m in (clock, cores))
        print(f"{name}: {count:.0f} tokens a row; {each}; ratio {by_clock:.2f} by the clock, {by_cores:.2f} of processor time", flush=True)


if __name__ == "__main__":
    main()
