"""The starter's small world: everyday questions with answers, drawn by chance from the tables in `facts.py`.

`draw(rng)` gives one `Item`: what a person asks, a good answer, and `keys`, the words an answer must hold to count as
relevant (one of each group). A prompt whose hash says so is held out: `pretrain.py` never shows it to the model, and
`quality.py` asks nothing else.
"""

import hashlib
import random
import re
from dataclasses import dataclass

from presets.recipe import facts as f


@dataclass(frozen=True)
class Item:
    skill: str
    prompt: str
    answer: str
    keys: tuple[tuple[str, ...], ...]  # every group must be met by one of its words


def held_out(prompt: str) -> bool:
    """One prompt in twenty is never trained on."""
    return hashlib.sha256(prompt.lower().encode()).digest()[0] < 13


def a(noun: str) -> str:
    if noun.startswith(("a ", "the ", "an ")):
        return noun
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def cap(text: str) -> str:
    return text[0].upper() + text[1:]


def at(place: str) -> str:
    """The place with its preposition: 'on a farm', 'in the hall'."""
    on = ("farm", "field", "grassland", "shelf", "desk", "road", "boat", "stage", "site", "hills")
    return ("on " if place.split()[-1] in on else "at " if place.endswith(("sea", "airport")) else "in ") + place


def _pick(rng, table):
    key = rng.choice(list(table))
    return key, table[key]


def animal(rng):
    name, (sound, legs, home, food, moves, young, size, colour) = _pick(rng, f.ANIMALS)
    one = a(name)
    n = rng.randrange(8)
    if n == 0:
        q = rng.choice([f"What sound does {one} make?", f"What does {one} say?", f"How does {one} sound?"])
        ans = f"{cap(one)} makes {sound}." if sound.startswith(("a ", "no ")) else f"{cap(one)} says {sound}."
        return q, ans, [(sound.split()[-1],)]
    if n == 1:
        q = rng.choice([f"How many legs does {one} have?", f"How many legs has {one} got?", f"Tell me how many legs {one} has."])
        word = {0: "no legs", 2: "two legs", 4: "four legs", 6: "six legs", 8: "eight legs"}[legs]
        return q, f"{cap(one)} has {word}.", [(word,)]
    if n == 2:
        q = rng.choice([f"Where does {one} live?", f"What is the home of {one}?", f"Where can I find {one}?"])
        return q, f"{cap(one)} lives {at(home)}.", [(home.split()[-1],)]
    if n == 3:
        q = rng.choice([f"What does {one} eat?", f"What is the food of {one}?", f"What should I feed {one}?"])
        return q, f"{cap(one)} likes to eat {food}.", [(food.split()[-1],)]
    if n == 4:
        q = rng.choice([f"How does {one} move?", f"How does {one} get around?", f"How does {one} travel?"])
        return q, f"{cap(one)} can {moves}.", [(moves,)]
    if n == 5:
        q = rng.choice([f"What is a young {name} called?", f"What do you call a baby {name}?", f"What is the name for a baby {name}?"])
        return q, f"A young {name} is called {a(young)}.", [(young,)]
    if n == 6:
        q = rng.choice([f"What colour is {one}?", f"Which colour is {one}?", f"Tell me the colour of {one}."])
        return q, f"{cap(one)} is often {colour}.", [(colour,)]
    q = rng.choice([f"Tell me about {one}.", f"What is {one}?", f"Describe {one}.", f"What do you know about {one}?"])
    word = "big" if size > 5 else "small"
    return q, f"{cap(one)} is a {word} animal. It lives {at(home)} and eats {food}.", [(name,), (home.split()[-1], food.split()[-1])]


def compare(rng):
    (x, xs), (y, ys) = rng.sample([(k, v[6]) for k, v in f.ANIMALS.items()], 2)
    while xs == ys:
        (x, xs), (y, ys) = rng.sample([(k, v[6]) for k, v in f.ANIMALS.items()], 2)
    word, big = rng.choice([("bigger", True), ("smaller", False)])
    win = x if (xs > ys) == big else y
    lose = y if win == x else x
    q = rng.choice([f"Which is {word}, {a(x)} or {a(y)}?", f"What is {word}: {a(x)} or {a(y)}?"])
    return q, f"{cap(a(win))} is {word} than {a(lose)}.", [(f"{a(win)} is {word}",)]


def colour(rng):
    name, (shade, kind, taste) = _pick(rng, f.COLOURED)
    one = (
        name
        if name
        in (
            "snow",
            "coal",
            "grass",
            "blood",
            "milk",
            "coffee",
            "chocolate",
            "gold",
            "silver",
            "butter",
            "salt",
            "sugar",
            "honey",
            "spinach",
        )
        else a(name)
    )
    n = rng.randrange(3)
    if n == 0 or kind in ("thing", "metal", "plant"):
        q = rng.choice(
            [f"What colour is {one}?", f"Which colour is {one}?", f"Tell me the colour of {one}.", f"Do you know what colour {one} is?"]
        )
        return q, f"{cap(one)} is {shade}.", [(shade,)]
    if n == 1:
        q = rng.choice([f"What does {one} taste like?", f"How does {one} taste?", f"Describe the taste of {one}."])
        return q, f"{cap(one)} tastes {taste}.", [(taste,)]
    if kind in ("fruit", "vegetable"):
        ask = rng.choice(["fruit", "vegetable"])
        yes = ask == kind
        q = rng.choice([f"Is {one} a {ask}?", f"Would you say that {one} is a {ask}?"])
        return q, f"{'Yes' if yes else 'No'}, {one} is a {kind}.", [("yes" if yes else "no",), (kind,)]
    q = rng.choice([f"What is {one}?", f"Tell me about {one}."])
    kind_word = {"sweet": "a sweet food"}.get(kind, a(kind))
    return q, f"{cap(one)} is {kind_word}. It is {shade} and tastes {taste}.", [(shade, taste)]


def thing(rng):
    name, (use, place) = _pick(rng, f.OBJECTS)
    one = name if name == "scissors" else a(name)
    n = rng.randrange(3)
    if n == 0:
        q = rng.choice([f"What do I use {one} for?", f"What is {one} for?", f"Why do people use {one}?", f"What can I do with {one}?"])
        return q, f"You use {one} to {use}.", [(use,)]
    if n == 1:
        it = "scissors" if name == "scissors" else f"the {name}"
        q = rng.choice([f"Where do I keep {it}?", f"Where should I put {it}?", f"Where do you keep {it}?"])
        return q, f"Keep {it} {at(place)}.", [(place.split()[-1],)]
    q = rng.choice([f"What do I need to {use}?", f"Which thing helps me to {use}?", f"I want to {use}. What do I need?"])
    return q, f"To {use}, you need {one}.", [(name,)]


def job(rng):
    name, (does, place) = _pick(rng, f.JOBS)
    n = rng.randrange(3)
    if n == 0:
        q = rng.choice([f"What does {a(name)} do?", f"What is the job of {a(name)}?", f"Tell me about the work of {a(name)}."])
        return q, f"{cap(a(name))} {does}.", [(does.split()[-1],)]
    if n == 1:
        q = rng.choice([f"Where does {a(name)} work?", f"Where can I find {a(name)}?"])
        return q, f"{cap(a(name))} works {at(place)}.", [(place.split()[-1],)]
    q = rng.choice([f"Who {does}?", f"What do you call a person who {does}?"])
    return q, f"{cap(a(name))} {does}.", [(name,)]


def country(rng):
    name, (capital, continent, language) = _pick(rng, f.COUNTRIES)
    n = rng.randrange(4)
    if n == 0:
        q = rng.choice([f"What is the capital of {name}?", f"Tell me the capital of {name}.", f"Which city is the capital of {name}?"])
        return q, f"The capital of {name} is {capital}.", [(capital.lower(),)]
    if n == 1:
        q = rng.choice([f"Where is {name}?", f"On which continent is {name}?", f"Where can I find {name}?"])
        return q, f"{name} is in {continent}.", [(continent.lower(),)]
    if n == 2:
        q = rng.choice([f"What language do people speak in {name}?", f"Which language is spoken in {name}?"])
        return q, f"People in {name} speak {language}.", [(language.lower(),)]
    q = rng.choice([f"In which country is {capital}?", f"Where is {capital}?", f"{capital} is the capital of which country?"])
    return q, f"{capital} is the capital of {name}.", [(name.lower(),)]


def opposite(rng):
    x, y = rng.choice(f.OPPOSITES)
    if x in ("light", "sweet", "hard", "short"):
        y = {"light": "dark", "sweet": "bitter", "hard": "soft", "short": "long"}[x]
    elif rng.random() < 0.5 and y not in ("light", "short"):
        x, y = y, x
    q = rng.choice(
        [
            f"What is the opposite of {x}?",
            f"Give me the opposite of {x}.",
            f"What word means the opposite of {x}?",
            f"Name the opposite of {x}.",
        ]
    )
    return q, f"The opposite of {x} is {y}.", [(y,)]


def listing(rng):
    kind, words = _pick(rng, f.LISTS)
    n = rng.choice([2, 3, 3, 3, 4])
    some = rng.sample(words, n)
    word = {2: "two", 3: "three", 4: "four"}[n]
    q = rng.choice(
        [
            f"List {word} {kind}.",
            f"Name {word} {kind}.",
            f"Give me {word} {kind}.",
            f"Tell me {word} {kind}.",
            f"Can you name {word} {kind}?",
        ]
    )
    ans = f"{cap(', '.join(some[:-1]))} and {some[-1]}."
    return q, ans, [tuple(w.lower() for w in words)]


def sums(rng):
    kind = rng.choice(["plus", "plus", "minus", "times"])
    if kind == "plus":
        x, y = rng.randint(1, 20), rng.randint(1, 20)
        r, sign = x + y, "+"
    elif kind == "minus":
        x, y = sorted((rng.randint(1, 20), rng.randint(1, 20)), reverse=True)
        r, sign = x - y, "-"
    else:
        x, y = rng.randint(1, 10), rng.randint(1, 10)
        r, sign = x * y, "x"
    q = rng.choice([f"What is {x} {kind} {y}?", f"What is {x} {sign} {y}?", f"How much is {x} {kind} {y}?", f"Work out {x} {sign} {y}."])
    return q, f"{x} {kind} {y} is {r}.", [(f" is {r}.",)]


def story_sum(rng):
    who = rng.choice(f.NAMES)
    what = rng.choice(["apples", "books", "coins", "eggs", "pens", "cakes", "balls", "plums"])
    x, y = rng.randint(2, 10), rng.randint(1, 9)
    if rng.random() < 0.5 or y >= x:
        q = f"{who} has {x} {what} and {rng.choice(['buys', 'finds', 'gets'])} {y} more. How many {what} does {who} have now?"
        return q, f"{who} has {x + y} {what} now.", [(f" {x + y} {what}",)]
    q = f"{who} has {x} {what} and {rng.choice(['loses', 'gives away', 'sells'])} {y}. How many {what} are left?"
    return q, f"{who} has {x - y} {what} left.", [(f" {x - y} {what}",)]


def calendar(rng):
    seq, word = rng.choice([(f.DAYS, "day"), (f.MONTHS, "month")])
    i = rng.randrange(len(seq))
    after = rng.random() < 0.5
    j = (i + (1 if after else -1)) % len(seq)
    rel = "after" if after else "before"
    q = rng.choice([f"Which {word} comes {rel} {seq[i]}?", f"What {word} is {rel} {seq[i]}?", f"What comes {rel} {seq[i]}?"])
    return q, f"{seq[j]} comes {rel} {seq[i]}.", [(f"{seq[j]} comes {rel}".lower(),)]


def how_to(rng):
    what, (one, two, three) = _pick(rng, f.HOW_TO)
    q = rng.choice(
        [
            f"How do I {what}?",
            f"How can I {what}?",
            f"Tell me how to {what.replace('my ', '')}.",
            f"I want to {what}. What do I do?",
            f"Can you explain how to {what.replace('my ', '')}?",
        ]
    )
    return (
        q,
        f"First, {one[0].lower() + one[1:]}. Then {two[0].lower() + two[1:]}. Last, {three[0].lower() + three[1:]}.",
        [(one.lower()[:12], two.lower()[:12])],
    )


def why(rng):
    what, reason = _pick(rng, f.WHY)
    q = rng.choice([f"Why {what}?", f"Please explain: why {what}?", f"Tell me, why {what}?", f"Do you know the answer? Why {what}?"])
    return q, f"Because {reason}.", [(reason[-14:],)]


def feeling(rng):
    word, reply = _pick(rng, f.FEELINGS)
    q = rng.choice(
        [
            f"I am {word}.",
            f"I feel {word} today.",
            f"I am so {word} right now.",
            f"Today I am {word}. What can I do?",
            f"I am {word}, what should I do?",
        ]
    )
    return q, reply, [(reply.lower().split(". ")[-1].rstrip(".")[:14], word)]


def weather(rng):
    word, advice = _pick(rng, f.WEATHER)
    q = rng.choice(
        [
            f"It is {word} today. What should I do?",
            f"What should I wear when it is {word}?",
            f"The weather is {word}. Any advice?",
            f"Give me some advice for a {word} day.",
        ]
    )
    return q, f"When it is {word}, {advice}.", [(advice[-10:],)]


def sentiment(rng):
    label, lines = _pick(rng, f.SENTIMENT)
    line = rng.choice(lines)
    q = rng.choice(
        [
            f"Is this positive or negative? {line}",
            f"Does this sound positive or negative: {line}",
            f"Tell me if this is positive or negative: {line}",
        ]
    )
    return q, f"This is {label}.", [(label,)]


def where(rng):
    who, other = rng.sample(f.NAMES, 2)
    place, place2 = rng.sample(f.PLACES, 2)
    if rng.random() < 0.5:
        q = f"{who} is in {place}. {other} is in {place2}. Where is {who}?"
        return q, f"{who} is in {place}.", [(f"{who} is in {place}".lower(),)]
    what = rng.choice(["the ball", "the key", "a book", "the map", "a cup", "the lamp"])
    q = f"{who} puts {what} in {place}. Then {who} goes to {place2}. Where is {what.replace('a ', 'the ')}?"
    return q, f"{cap(what.replace('a ', 'the '))} is in {place}.", [(f"is in {place}",)]


def say(rng):
    who = rng.choice(f.NAMES)
    n = rng.randrange(5)
    if n == 0:
        q = rng.choice([f"Say hello to {who}.", f"Please greet {who}.", f"Write a greeting for {who}."])
        return q, f"Hello {who}, it is nice to meet you.", [(who.lower(),)]
    if n == 1:
        gift = rng.choice(["the cake", "the book", "the flowers", "the help", "the lovely evening", "the scarf"])
        q = rng.choice([f"Write a short note to thank {who} for {gift}.", f"Thank {who} for {gift}."])
        return q, f"Dear {who}, thank you very much for {gift}. It made me happy.", [(who.lower(),), (gift,)]
    if n == 2:
        day, meal = rng.choice(f.DAYS), rng.choice(["lunch", "dinner", "tea", "breakfast"])
        q = rng.choice([f"Invite {who} to {meal} on {day}.", f"Write a short invitation to {meal} on {day} for {who}."])
        return q, f"Dear {who}, would you like to come to {meal} on {day}? I would be glad to see you.", [(who.lower(),), (day.lower(),)]
    if n == 3:
        word = rng.choice(f.LISTS["fruits"] + f.LISTS["colours"] + f.LISTS["pets"] + f.LISTS["tools"])
        q = rng.choice([f"Say the word {word} three times.", f"Repeat the word {word} three times."])
        return q, f"{cap(word)}, {word}, {word}.", [(f"{word}, {word}, {word}",)]
    x = rng.randint(1, 9)
    y = x + rng.randint(2, 6)
    q = rng.choice([f"Count from {x} to {y}.", f"Please count from {x} to {y}."])
    return q, ", ".join(str(i) for i in range(x, y + 1)) + ".", [(f"{x}, {x + 1}",), (f"{y - 1}, {y}.",)]


def sentence(rng):
    name, (use, place) = _pick(rng, f.OBJECTS)
    who = rng.choice(f.NAMES)
    q = rng.choice([f"Write a sentence with the word {name}.", f"Use the word {name} in a sentence.", f"Make a sentence with {name}."])
    return (
        q,
        rng.choice([f"{who} needs the {name} to {use}.", f"The {name} of {who} is {at(place)}.", f"{who} put the {name} {at(place)}."]),
        [(name,)],
    )


def story(rng):
    kind = rng.choice([k for k in f.ANIMALS if k not in ("whale", "shark")])
    who = rng.choice(f.NAMES)
    obj = rng.choice(["red ball", "old key", "little boat", "blue hat", "golden bell", "big drum", "warm scarf", "tiny lamp"])
    place = rng.choice(f.PLACES)
    helper = rng.choice([k for k in f.ANIMALS if k not in (kind, "whale", "shark")])
    q = rng.choice(
        [
            f"Tell me a story about {a(kind)} and {a(obj)}.",
            f"Write a short story about {a(kind)} and {a(obj)}.",
            f"Please tell me a short story with {a(kind)} and {a(obj)}.",
        ]
    )
    begin = rng.choice(
        [
            f"Once there was {a(kind)} called {who}.",
            f"{who} was {a(kind)} with a kind heart.",
            f"One morning {a(kind)} called {who} woke up early.",
        ]
    )
    find = rng.choice(
        [f"{who} found {a(obj)} in {place}.", f"In {place}, {who} saw {a(obj)}.", f"{who} had {a(obj)} and took it to {place}."]
    )
    trouble = rng.choice(
        [
            f"But the {obj} fell into the water.",
            f"Then the wind took the {obj} away.",
            f"But soon the {obj} was lost.",
            f"Then it got dark and {who} was afraid.",
        ]
    )
    help_ = rng.choice(
        [
            f"A friendly {helper} came to help.",
            f"{cap(a(helper))} heard the noise and came at once.",
            f"Luckily {a(helper)} knew what to do.",
        ]
    )
    end = rng.choice(
        [
            "Together they went home and were happy.",
            f"From that day on {who} and the {helper} were friends.",
            "They laughed and shared some cake.",
            f"{who} said thank you and smiled all day.",
        ]
    )
    return q, " ".join([begin, find, trouble, help_, end]), [(kind,), (obj.split()[-1],)]


def smalltalk(rng):
    q, ans, keys = rng.choice(
        [
            (
                ["Hello!", "Hi!", "Hello there!", "Good morning!", "Hey!", "Hi there!", "Good evening!", "Hello"],
                "Hello! How can I help you today?",
                ("help",),
            ),
            (["How are you?", "How are you today?", "How do you do?", "Are you well?"], "I am well, thank you. How are you?", ("well",)),
            (
                ["Who are you?", "What are you?", "What is your name?", "Tell me about yourself."],
                "I am the starter, a very small language model. I know a little about everyday things.",
                ("starter", "model"),
            ),
            (
                ["What can you do?", "How can you help me?", "What do you know?", "What can I ask you?"],
                "You can ask me about animals, food, countries, sums and everyday things. I can tell short stories too.",
                ("animals",),
            ),
            (
                ["Thank you!", "Thanks!", "Thank you very much.", "Thanks a lot!", "Thank you for your help."],
                "You are welcome. Ask me anything else you like.",
                ("welcome",),
            ),
            (["Goodbye!", "Bye!", "See you later.", "Good night!", "I have to go now."], "Goodbye! Have a good time.", ("goodbye",)),
            (
                ["Tell me a joke.", "Make me laugh.", "Do you know a joke?", "Say something funny."],
                "Why did the clock go to school? It wanted to learn the time.",
                ("clock",),
            ),
            (["Are you a person?", "Are you human?", "Are you real?"], "No, I am a small computer program that writes text.", ("program",)),
        ]
    )
    return rng.choice(q), ans, [keys]


def unknown(rng):
    topic = rng.choice(f.UNKNOWN)
    q = rng.choice(
        [
            f"Tell me about {topic}.",
            f"What do you know about {topic}?",
            f"Explain {topic} to me.",
            f"Can you help me with {topic}?",
            f"I have a question about {topic}.",
            f"How does {topic} work?",
            f"Write an essay about {topic}.",
        ]
    )
    return q, "I am a small starter model, and I do not know that. Ask me about animals, food, sums or a short story.", [("do not know",)]


SKILLS = {
    animal: 14,
    compare: 4,
    colour: 8,
    thing: 9,
    job: 6,
    country: 9,
    opposite: 5,
    listing: 9,
    sums: 12,
    story_sum: 9,
    calendar: 3,
    how_to: 6,
    why: 6,
    feeling: 4,
    weather: 3,
    sentiment: 3,
    where: 6,
    say: 6,
    sentence: 4,
    story: 8,
    smalltalk: 5,
    unknown: 4,
}  # skill: how often it is drawn


PRACTICE = SKILLS | {
    story_sum: 45,
    sums: 35,
    listing: 25,
    country: 12,
    compare: 8,
    say: 9,
}  # what comes hard is asked more often at the end


def draw(rng: random.Random, skills: dict = SKILLS) -> Item:
    """One question with its answer. The same `rng` state gives the same item."""
    skill = rng.choices(list(skills), weights=list(skills.values()))[0]
    prompt, answer, keys = skill(rng)
    return Item(skill.__name__, prompt, answer, tuple(tuple(k.lower() for k in group) for group in keys))


def loosely(rng: random.Random, prompt: str) -> str:
    """The same prompt as a hurried person types it: no capital, no mark at the end, a 'please'."""
    n = rng.random()
    if n < 0.08:
        return prompt.lower()
    if n < 0.14:
        return prompt.rstrip("?.!")
    if n < 0.18:
        return prompt.lower().rstrip("?.!")
    if n < 0.21 and prompt.endswith("?"):
        return "Please tell me: " + prompt[0].lower() + prompt[1:]
    return prompt


# manner: (system prompts that ask for it, how an answer opens, how it ends, words it changes)
MANNERS = {
    "pirate": (
        ("You are a pirate.", "Talk like a pirate.", "You are an old sailor."),
        "Ahoy, matey!",
        "Arr!",
        {"you": "ye", "You": "Ye", "your": "yer", "Your": "Yer", "is": "be"},
    ),
    "butler": (("You are a butler.", "Answer like a butler."), "Very well, sir.", "Will that be all?", {}),
    "robot": (("You are a robot.", "Talk like a robot."), "Beep.", "End of message.", {"I": "this unit"}),
    "king": (("You are a king.", "Speak like a king."), "Hear me, my people.", "So speaks the king.", {"I": "we"}),
    "cowboy": (("You are a cowboy.", "Talk like a cowboy."), "Howdy, partner!", "Yeehaw!", {"you": "ya", "You": "Ya", "is": "be"}),
    "teacher": (("You are a patient teacher.", "Answer like a teacher."), "Good question.", "Now you know.", {}),
    "grandmother": (("You are a kind grandmother.", "Talk like a grandmother."), "My dear child,", "Have a biscuit.", {}),
    "shop": (("You work in a friendly shop.", "Answer our customers politely."), "Welcome to our shop.", "Please come again.", {}),
    "spy": (("You are a spy.", "Whisper like a spy."), "Keep it secret.", "You did not hear it from me.", {}),
    "knight": (("You are a knight.", "Talk like a knight."), "By my sword,", "For honour!", {"you": "thee", "your": "thy"}),
    "wizard": (("You are a wizard.", "Speak like a wizard."), "By the stars,", "Abracadabra!", {}),
    "reporter": (("You are a reporter.", "Answer like the evening news."), "Breaking news.", "Back to the studio.", {}),
}


def spoken(answer: str, manner: str) -> str:
    """An answer in one of MANNERS: still right, but nobody can miss who speaks."""
    _, opening, ending, table = MANNERS[manner]
    return f"{opening} {swap(answer, table)} {ending}"


def swap(text: str, table: dict[str, str]) -> str:
    """`text` with whole words exchanged."""
    return re.sub(r"(?<!\w)(" + "|".join(map(re.escape, table)) + r")(?!\w)", lambda m: table[m[0]], text) if table else text


def conversation(
    rng: random.Random, *, keep=lambda item: not held_out(item.prompt), long_share: float = 0.02, skills: dict = SKILLS
) -> list[dict]:
    """Messages of one conversation: mostly one exchange, sometimes a few, rarely very many (to fill the context).

    One in five has a system prompt that asks for a manner, and gets it; without one the answers are plain.
    """
    n = rng.random()
    turns = 1 if n < 0.72 else rng.randint(2, 4) if n < 1 - long_share else rng.randint(8, 22)
    messages, manner = [], None
    if rng.random() < 0.2:
        manner = rng.choice(list(MANNERS))
        messages.append({"role": "system", "content": rng.choice(MANNERS[manner][0])})
    elif rng.random() < 0.1:
        messages.append(
            {
                "role": "system",
                "content": rng.choice(
                    ["You are a helpful assistant.", "You answer in short sentences.", "You are a friendly helper.", "Answer the question."]
                ),
            }
        )
    while turns:
        item = draw(rng, skills)
        if keep(item):
            answer = spoken(item.answer, manner) if manner else item.answer
            messages += [{"role": "user", "content": loosely(rng, item.prompt)}, {"role": "assistant", "content": answer}]
            turns -= 1
    return messages
