"""Does DPO teach the starter what the bundled preferences intend? Held-out questions before and after, and how long it took.

    python -m bench.preferences [-s key=value ...] [--model RUN]

First the demo (the starter learns to talk like a pirate), then `preferences` from there with the planner's defaults, then 50 new questions
from the same recipe that neither the sample nor the starter's lessons hold. Figures, before and after: `likelier`, the share of pairs whose
better answer is the likelier one per token; `kind`, the share of answers, written greedily, that open politely as the sample's better ones
do; `right`, those of them that also answer the question. `flipped` is the share of questions that were not answered kindly before and are
now. The target: 90% flipped, in two minutes on two cores.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

from presets.recipe import quality, samples, world
from tuner import paths, runs
from tuner.data.store import store
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.serving import chat_client
from tuner.settings import parsing

QUESTIONS, SEED = 50, 4242
SAMPLE = Path(samples.SAMPLES) / "preferences.jsonl"


def held_out() -> list[tuple[world.Item, dict]]:
    """(the task, its pair) of questions that are in no sample."""
    known = {json.loads(line)["prompt"] for line in SAMPLE.read_text(encoding="utf-8").splitlines()}
    rng, found = random.Random(SEED), {}
    items = {}
    drawn = world.draw

    def draw(r: random.Random) -> world.Item:
        item = drawn(r)
        items[item.prompt] = item
        return item

    world.draw = draw
    try:
        rows = samples.preferences(rng, 3 * QUESTIONS)
    finally:
        world.draw = drawn
    for row in rows:
        if row["prompt"] not in known and row["prompt"] in items:
            found[row["prompt"]] = (items[row["prompt"]], row)
    return list(found.values())[:QUESTIONS]


def kindly(answer: str) -> bool:
    return answer.strip().startswith(tuple(samples.POLITE))


def right(item: world.Item, answer: str) -> bool:
    said = answer.strip()
    for opening in samples.POLITE:
        said = said.removeprefix(opening)
    return quality.relevant(item, said.strip())


def likelier(run: runs.Run, rows: list[dict]) -> float:
    """The share of pairs whose better answer is the likelier one per token."""
    import torch

    from tuner.workers.modelling import load, peft_methods
    from tuner.workers.tokenization import preference_rows
    from tuner.workers.training import preference_batches

    about = run.plan["model"]
    base = load.local_folder(about["base"])
    tokenizer = load.tokenizer(run.path / "model")
    model = peft_methods.load_saved(load.base_model(base, "fp32", "cpu"), run.path / "model").eval()
    values = [{"prompt": [{"role": "user", "content": r["prompt"]}]} | {k: answer(r[k]) for k in ("chosen", "rejected")} for r in rows]
    kept = preference_rows.tokenize(tokenizer, values, "preference", 512)
    right = 0
    for i in range(len(kept)):
        batch = preference_batches.Batch(tokenizer.pad_token_id, "dpo")([kept[i]])
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        each = logits[:, :-1].log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None]).squeeze(-1)
        learnt = batch["completion_mask"][:, 1:]
        better, worse = ((each * learnt).sum(1) / learnt.sum(1)).tolist()
        right += better > worse
    return right / len(kept)


def answer(text: str) -> list[dict]:
    return [{"role": "assistant", "content": text}]


def measure(ws: Workspace, run: runs.Run, asked: list[tuple[world.Item, dict]]) -> dict:
    client = chat_client.Client(ws)
    known = chat_client.serving_spec(ws, run.id)
    said = [client.answer(known, [{"role": "user", "content": item.prompt}], temperature=0, max_tokens=80).text for item, _ in asked]
    kind = [kindly(text) for text in said]
    good = [k and right(item, text) for k, (item, _), text in zip(kind, asked, said, strict=True)]
    share = {"likelier": likelier(run, [row for _, row in asked]), "kind": sum(kind) / len(kind), "right": sum(good) / len(good)}
    return share | {"kindly": kind, "said": said}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("-s", action="append", default=[], metavar="KEY=VALUE", help="a setting of the preference run")
    parse.add_argument("--model", help="a run of this workspace to go on from, instead of the demo")
    parse.add_argument("--home", type=Path, help="the workspace; a new one when left out")
    parse.add_argument("--pairs", type=int, help="so many of the sample's pairs, to see how many show an effect")
    args = parse.parse_args()
    home = args.home or Path(tempfile.mkdtemp(prefix="tunesmith-bench-"))
    ws = Workspace(home, "me", machine=home / "machine")
    first = runs.get(ws, args.model) if args.model else training.wait(ws, training.demo(ws).id)
    asked = held_out()
    before = measure(ws, first, asked)
    few = home / f"first-{args.pairs}.jsonl"
    if args.pairs:
        few.write_text("".join(SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)[: args.pairs]), encoding="utf-8")
    data = store.add(ws, few if args.pairs else SAMPLE)
    began = time.time()
    values = {"model": first.id, "data": data.ref, **parsing.from_pairs(args.s)}
    run = training.wait(ws, training.start(ws, values, name="bench").id)
    took = time.time() - began
    if run.state != "finished":
        raise SystemExit(runs.log_tail(run))
    after = measure(ws, run, asked)
    unkind = [i for i, k in enumerate(before["kindly"]) if not k]
    flipped = sum(after["kindly"][i] for i in unkind) / max(1, len(unkind))
    print(json.dumps({"asked": len(asked), "first": after["said"][:5]}, ensure_ascii=False))
    for name in ("likelier", "kind", "right"):
        print(f"{name:10} {before[name]:7.0%} before {after[name]:7.0%} after")
    print(f"flipped    {flipped:7.0%} of {len(unkind)}; {took:.0f} s, of them {run.status.measured['seconds']:.0f} s of learning")
    print(json.dumps({k: run.plan["settings"][k] for k in ("learning_rate", "beta", "epochs", "preference_loss", "method")}))
    print("signs:", run.status.signs)


if __name__ == "__main__":
    paths.machine_folder()
    main()
