"""Write the general questions of the starter's own world, which show what a run has forgotten: `python -m presets.recipe.general`.

Each has one right answer and three of the same form with something else of the same kind. Those for other models (presets/general/general.jsonl) were written
by hand.
"""

import json
import random
from pathlib import Path

from presets.recipe import facts, world

FILE = Path(__file__).parents[1] / "general" / "starter.jsonl"
EACH = 8  # questions of a kind


def wrong(rng: random.Random, right: str, all_of_them: list[str]) -> list[str]:
    """Return three others of the same kind."""
    return rng.sample(sorted({other for other in all_of_them if other != right}), 3)


def questions(seed: int = 7) -> list[dict]:
    """Return the questions, each {"about", "question", "answers"}, the right answer first."""
    rng, out = random.Random(seed), []

    def add(about: str, question: str, sentence: str, right: str, others: list[str]) -> None:
        out.append({"about": about, "question": question, "answers": [sentence.format(x) for x in (right, *wrong(rng, right, others))]})

    sounds = {name: row[0] for name, row in facts.ANIMALS.items() if not row[0].startswith(("a ", "no "))}
    for name in rng.sample(sorted(sounds), EACH):
        add("animals", f"What sound does {world.a(name)} make?", world.cap(world.a(name)) + " says {}.", sounds[name], [*sounds.values()])
    colours = {name: row[0] for name, row in facts.COLOURED.items() if " " not in name}
    for name in rng.sample(sorted(colours), EACH):
        of = world.cap(name) if colours[name] and facts.COLOURED[name][1] in ("thing", "plant", "drink", "metal", "food", "sweet") else None
        of = of or world.cap(world.a(name))
        add("colours", f"What colour is {of[0].lower() + of[1:]}?", of + " is {}.", colours[name], [*colours.values()])
    for name in rng.sample(sorted(facts.COUNTRIES), EACH):
        capital = facts.COUNTRIES[name][0]
        add(
            "capitals",
            f"What is the capital of {name}?",
            f"The capital of {name} is {{}}.",
            capital,
            [row[0] for row in facts.COUNTRIES.values()],
        )
    for name in rng.sample(sorted(facts.COUNTRIES), EACH):
        language = facts.COUNTRIES[name][2]
        add(
            "languages",
            f"Which language is spoken in {name}?",
            f"People in {name} speak {{}}.",
            language,
            [row[2] for row in facts.COUNTRIES.values()],
        )
    pairs = dict(facts.OPPOSITES)
    for name in rng.sample(sorted(pairs), EACH):
        add("opposites", f"What is the opposite of {name}?", f"The opposite of {name} is {{}}.", pairs[name], [*pairs.values()])
    for a, b in rng.sample([(a, b) for a in range(2, 13) for b in range(2, 9)], EACH):
        add("sums", f"What is {a} plus {b}?", f"{a} plus {b} is {{}}.", str(a + b), [str(n) for n in range(max(1, a + b - 4), a + b + 5)])
    return out


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in questions()), encoding="utf-8")
