"""Measure the starter: ask it held-out prompts of its small world and check each answer by a script.

    python -m presets.recipe.quality [MODEL_FOLDER] [--n 200] [--write]

MODEL_FOLDER is `presets/starter` unless told. `--write` also writes the folder's model card (README.md) with the figures.
Other scripts use the parts: `held_out_items` (what to ask), `relevant` and `faults` (the check), `ask` (the answers).
"""

import argparse
import json
import random
import re
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path

from presets.recipe import world

STARTER = Path(__file__).parents[1] / "starter"
COUNTS = {"two": 2, "three": 3, "four": 4}


def held_out_items(n: int = 200, seed: int = 101) -> list[world.Item]:
    """Distinct prompts that pre-training never saw, in the world's own mix of skills; the same seed gives the same ones."""
    rng, items = random.Random(seed), {}
    while len(items) < n:
        item = world.draw(rng)
        # without a mark at its end it could be the hurried form of a prompt that was trained on: "Hello" of "Hello!"
        if world.held_out(item.prompt) and item.prompt[-1] in ".?!":
            items.setdefault(item.prompt, item)
    return list(items.values())


def words_of(text: str) -> list[str]:
    return [w for w in (part.strip(".,!?:;").lower() for part in text.split()) if w]


@lru_cache
def vocabulary(draws: int = 40_000, seed: int = 103) -> frozenset[str]:
    """Every word that the world uses in its answers: a large draw holds them all."""
    rng = random.Random(seed)
    return frozenset(w for _ in range(draws) for w in words_of(world.draw(rng).answer))


def faults(answer: str, stopped: bool = True) -> list[str]:
    """What keeps the answer from being well-formed; nothing when it is."""
    words = words_of(answer)
    strange = sorted({w for w in words if not w.isdecimal() and w not in vocabulary()})
    sentences = re.split(r"(?<=[.!?])\s+", answer.lower().strip())
    return [
        fault
        for fault, found in {
            "does not begin with a capital or a digit": not re.match(r"[A-Z0-9]", answer),
            "does not end with . ! or ?": not answer.endswith((".", "!", "?")),
            f"has {len(words)} words": not 1 <= len(words) <= 120,
            f"strange words: {', '.join(strange)}": bool(strange),
            "repeats a sentence": len(set(sentences)) < len(sentences),
            "did not stop by itself": not stopped,
        }.items()
        if found
    ]


def _holds(text: str, key: str, piece: bool) -> bool:
    """The key stands in the text as whole words: 'pen' is not met by 'pencil'. A piece of a longer phrase may end inside a word."""
    left, right = r"(?<!\w)" if key[0].isalnum() else "", r"(?!\w)" if key[-1].isalnum() else ""
    return key in text and (piece or re.search(left + re.escape(key) + right, text) is not None)


def relevant(item: world.Item, answer: str) -> bool:
    """Each group of the item's keys is met by one of its words; a list also names as many different things as were asked for."""
    text, piece = answer.lower(), item.skill in ("how_to", "why", "feeling", "weather")
    if not all(any(_holds(text, key, piece) for key in group) for group in item.keys):
        return False
    if item.skill == "listing":
        wanted = next(n for word, n in COUNTS.items() if f" {word} " in item.prompt)
        named = re.split(r",\s*|\s+and\s+", text.strip().rstrip(".!"))
        return len(named) == len(set(named)) == wanted and set(named) <= set(item.keys[0])
    return True


def check(items: list[world.Item], answers: list[tuple[str, bool]]) -> dict:
    """The figures for (answer, stopped) pairs; shares are of all prompts, `good` is well-formed and relevant both."""
    report = {"prompts": len(items), "well_formed": 0, "relevant": 0, "good": 0, "stopped": 0}
    asked, good, failures = Counter(), Counter(), []
    for item, (answer, stopped) in zip(items, answers, strict=True):
        why, fits = faults(answer, stopped), relevant(item, answer)
        report["well_formed"] += not why
        report["relevant"] += fits
        report["good"] += fits and not why
        report["stopped"] += stopped
        asked[item.skill] += 1
        good[item.skill] += fits and not why
        if why or not fits:
            failures.append({"skill": item.skill, "prompt": item.prompt, "answer": answer, "why": why + ["not relevant"] * (not fits)})
    shares = {k: round(v / len(items), 4) for k, v in report.items() if k != "prompts"}
    return {"prompts": len(items), **shares, "by_skill": {s: [good[s], asked[s]] for s in sorted(asked)}, "failures": failures}


def ask(model, tokenizer, prompts: list[str], max_new_tokens: int = 120, batch: int = 50) -> list[tuple[str, bool]]:
    """(answer, stopped by itself) for each prompt: one user turn through the chat template, greedy, padded on the left."""
    import torch

    tokenizer.padding_side, out = "left", []
    for start in range(0, len(prompts), batch):
        chats = [[{"role": "user", "content": p}] for p in prompts[start : start + batch]]
        inputs = tokenizer.apply_chat_template(chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt")
        inputs = {k: v.to(model.device) for k, v in inputs.items() if k != "token_type_ids"}
        with torch.inference_mode():
            ids = model.generate(
                **inputs, do_sample=False, temperature=None, top_p=None, max_new_tokens=max_new_tokens, pad_token_id=tokenizer.pad_token_id
            )
        for row in ids[:, inputs["input_ids"].shape[1] :].tolist():
            stopped = tokenizer.eos_token_id in row
            row = row[: row.index(tokenizer.eos_token_id)] if stopped else row
            out.append((tokenizer.decode(row, skip_special_tokens=True), stopped))
    return out


def measure(folder: Path = STARTER, n: int = 200, seed: int = 101, threads: int = 2, device: str = "cpu") -> dict:
    """Load the model (in float32, so that padding cannot tip a close call), ask `n` held-out prompts, check the answers."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    items, began = held_out_items(n, seed), time.time()
    answers = ask(model, tokenizer, [i.prompt for i in items])
    seconds = time.time() - began
    some = random.Random(seed).sample(range(n), min(8, n))
    alone = sum(ask(model, tokenizer, [items[i].prompt]) == [answers[i]] for i in some)
    config = model.config
    return check(items, answers) | {
        "seed": seed,
        "batched_equals_single": [alone, len(some)],
        "seconds": round(seconds, 1),
        "model": {
            "parameters": model.num_parameters(),
            "layers": config.num_hidden_layers,
            "hidden": config.hidden_size,
            "mlp": config.intermediate_size,
            "heads": config.num_attention_heads,
            "vocabulary": len(tokenizer),
            "context": config.max_position_embeddings,
            "bytes": (Path(folder) / "model.safetensors").stat().st_size,
        },
        "versions": f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}",
    }


CARD = """---
license: apache-2.0
language:
- en
library_name: transformers
pipeline_tag: text-generation
---

# The starter: a very small language model to learn fine-tuning on

A chat model of {parameters:.1f} million parameters that was made from nothing for Tunesmith: weights, tokenizer and text are all
the project's own. It speaks in short, fluent English sentences about a small invented world of everyday things (animals, food,
countries, jobs, sums, short stories), and says so when it is asked for more. It is small enough that fine-tuning it takes under a
minute on a laptop's processor, and it is built like its big relatives, so what works here works on them.

## Use it

```python
from transformers import pipeline
chat = pipeline("text-generation", "presets/starter")  # this folder
print(chat([{{"role": "user", "content": "What does a cat say?"}}], max_new_tokens=100)[0]["generated_text"][-1]["content"])
```

## What it is

| | |
|---|---|
| Architecture | Llama (arXiv:2302.13971): {layers} layers, width {hidden}, MLP {mlp}, {heads} heads, tied embeddings |
| Size | {exact:,} parameters, bf16, {megabytes:.1f} MB of safetensors |
| Tokenizer | byte-level BPE with GPT-2's pre-tokeniser, {vocabulary:,} tokens, trained on the same text and a list of common words |
| Context | {context:,} tokens |
| Chat template | `<\\|im_start\\|>role ... <\\|im_end\\|>`, with `{{% generation %}}` marks around the assistant's words |

## How it was made

`presets/recipe/world.py` draws questions and answers from hand-written tables (`facts.py`); `pretrain.py` trains on about
{tokens:.1f} million tokens of such conversations, in two parts (the world as it is, then a fifth as much with more sums and lists), each
once, AdamW with a cosine schedule, seeds fixed. To make it again (under an hour
on two cores):

```
python -m presets.recipe.pretrain
python -m presets.recipe.quality --write
```

## What it is for, and what not

For trying fine-tuning, for demos, for tests that need a real model at once. Not for answers that anybody relies on: it knows a few
hundred facts, in simplified form, in English only; it cannot reason beyond the patterns it was shown, gets larger sums wrong, and
was given no safety training. Choose a bigger model for real work.

## How well it does

Measured on {prompts} held-out prompts (greedy decoding, at most 120 new tokens, seed {seed}; {versions}):

| | share |
|---|---|
| well-formed and relevant | **{good:.1%}** |
| well-formed | {well_formed:.1%} |
| relevant | {relevant:.1%} |
| stopped by itself | **{stopped:.1%}** |

One prompt in twenty, chosen by its hash, is never trained on; the check asks only such prompts, in the world's own mix. They are new
wordings, new sums and new combinations; most of the facts behind them occur in other wordings in training, so the figures speak of
this small world and of nothing else. A script judges each answer:

- *well-formed*: begins with a capital or a digit; ends with `.`, `!` or `?`; 1 to 120 words; each word is a number or one that the
  world uses; no sentence is repeated; the model ended it by itself.
- *relevant*: holds what a right answer must hold (the sum, the capital, the animal's sound, the things of a story ...) as whole words,
  without regard to capitals; a list names as many different things of the kind as were asked for. In free forms (stories, letters)
  this shows that the answer is to the point, not that every word of it is sensible.

| Skill | good | asked |
|---|---:|---:|
{skills}

{failed}

The model was trained and measured by scripts in this repository; licence Apache-2.0, the weights as well.
"""


def card(report: dict, tokens: int) -> str:
    """The text of the model card for `measure`'s report."""
    m, failures = report["model"], report["failures"]
    said = [" ".join(f["answer"].split())[:200] for f in failures[:5]]
    listed = "\n".join(f"- *{f['skill']}*: {f['prompt']} → {s} ({'; '.join(f['why'])})" for f, s in zip(failures, said, strict=False))
    kept = {k: report[k] for k in ("prompts", "seed", "versions", "good", "well_formed", "relevant", "stopped")}
    shape = {k: m[k] for k in ("layers", "hidden", "mlp", "heads", "vocabulary", "context")}
    return CARD.format(
        **kept,
        **shape,
        exact=m["parameters"],
        parameters=m["parameters"] / 1e6,
        megabytes=m["bytes"] / 1e6,
        tokens=tokens / 1e6,
        raw_tokens=tokens,
        skills="\n".join(f"| {s} | {good} | {asked} |" for s, (good, asked) in report["by_skill"].items()),
        failed=f"Where it failed ({min(5, len(failures))} of {len(failures)}):\n\n{listed}" if failures else "No answer failed.",
    )


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("folder", type=Path, nargs="?", default=STARTER)
    parse.add_argument("--n", type=int, default=200, help="how many held-out prompts")
    parse.add_argument("--seed", type=int, default=101)
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--device", default="cpu")
    parse.add_argument("--write", action="store_true", help="write the model card into the folder")
    parse.add_argument("--tokens", type=int, default=12_739_795, help="for the card: the tokens it was pre-trained on")
    args = parse.parse_args()
    report = measure(args.folder, args.n, args.seed, args.threads, args.device)
    for f in report["failures"]:
        print(f"[{f['skill']}] {f['prompt']}\n    {f['answer']!r}\n    {'; '.join(f['why'])}")
    print("\n".join(f"{k}: {json.dumps(v)}" for k, v in report.items() if k != "failures"))
    if args.write:
        (args.folder / "README.md").write_text(card(report, args.tokens), encoding="utf-8", newline="\n")
        print(f"wrote {args.folder / 'README.md'}")


if __name__ == "__main__":
    main()
