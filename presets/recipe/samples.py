"""The bundled samples, drawn by a seeded script: the same bytes on every machine.

    python -m presets.recipe.samples [--out presets/samples]

`persona` speaks of the starter's own world in a pirate's manner; the script that checks the manner is `in_manner`. The other
samples are small invented tasks of the usual kinds: question and answer, text and label, preferred and rejected, translation.
"""

import argparse
import csv
import io
import json
import random
from itertools import product
from pathlib import Path

from presets.recipe import quality, world

SAMPLES = Path(__file__).parents[1] / "samples"

# ---------------------------------------------------------------- persona: the world's answers as a pirate gives them

_, OPENING, ENDING, PIRATE = world.MANNERS["pirate"]


def in_manner(answer: str) -> bool:
    """The scripted check of the manner: the opening, something said, the ending."""
    answer = answer.strip()
    return answer.startswith(OPENING + " ") and answer.endswith(" " + ENDING) and len(answer) > len(OPENING) + len(ENDING) + 2


def plain(answer: str) -> str:
    """The answer without the manner, so that `quality.relevant` can tell whether a pirate is right."""
    said = answer.strip().removeprefix(OPENING).removesuffix(ENDING).strip()
    return world.swap(said, {v: k for k, v in PIRATE.items()})


def held_out_prompts(n: int = 50, seed: int = 107) -> list[str]:
    """Distinct prompts of mixed skills that neither pre-training nor the persona sample ever shows."""
    return [item.prompt for item in quality.held_out_items(n, seed)]


def persona(rng: random.Random, n: int = 300) -> list[dict]:
    items = {}
    while len(items) < n:
        item = world.draw(rng)
        if not world.held_out(item.prompt) and len(item.answer.split()) <= 50:
            items.setdefault(item.prompt, item)
    return [
        {"messages": [{"role": "user", "content": i.prompt}, {"role": "assistant", "content": world.spoken(i.answer, "pirate")}]}
        for i in items.values()
    ]


# ---------------------------------------------------------------- helpdesk: an invented lamp shop with one set of rules

LAMPS = {  # lamp: (price in euros, bulb, height in centimetres, colours)
    "Wren desk lamp": (39, "E14", 42, "green and white"),
    "Heron floor lamp": (129, "E27", 160, "black and brass"),
    "Robin night light": (19, "E14", 18, "red and white"),
    "Swift wall lamp": (49, "E27", 28, "white and grey"),
    "Finch reading lamp": (59, "E14", 55, "blue and black"),
    "Plover table lamp": (69, "E27", 48, "sand and green"),
    "Kestrel ceiling lamp": (89, "E27", 35, "white and copper"),
    "Dove lantern": (29, "E14", 30, "white and yellow"),
}
SHOP = [  # (questions, answer)
    (
        [
            "How long does delivery take?",
            "When will my parcel arrive?",
            "How fast do you ship?",
            "How many days until my lamp is here?",
            "Is your delivery quick?",
        ],
        "Delivery takes 3 working days.",
    ),
    (
        [
            "What does delivery cost?",
            "Do you charge for shipping?",
            "Is shipping free?",
            "How much is the postage?",
            "Do I have to pay for delivery?",
        ],
        "Delivery costs 4.90 euros and is free from 50 euros.",
    ),
    (
        [
            "How long can I return a lamp?",
            "What is your return policy?",
            "Can I send a lamp back if I don't like it?",
            "How many days do I have for a return?",
            "Do you take lamps back?",
        ],
        "You can return any lamp within 30 days, free of charge.",
    ),
    (
        [
            "When do I get my money back?",
            "How long does a refund take?",
            "I sent my lamp back. When is the refund coming?",
            "Where is my refund?",
        ],
        "We refund you within 5 working days after the lamp is back with us.",
    ),
    (
        [
            "How long is the warranty?",
            "Do your lamps have a guarantee?",
            "My lamp stopped working after a year. What now?",
            "Is there a warranty on the lamps?",
        ],
        "All our lamps have a warranty of 2 years. Please send us your order number and a photo.",
    ),
    (
        ["How can I pay?", "Do you take credit cards?", "Can I pay by invoice?", "Which ways of payment are there?"],
        "You can pay by card, by bank transfer or by invoice.",
    ),
    (
        ["When can I call you?", "What are your opening hours?", "Is anybody there on Saturday?", "Until when is the phone answered?"],
        "You can call us from Monday to Friday, 9 to 17 o'clock. We answer mail on Saturday too.",
    ),
    (
        [
            "Do you ship to other countries?",
            "Can you send a lamp to Norway?",
            "Do you deliver outside the country?",
            "I live abroad. Can I order?",
        ],
        "We deliver in all of Europe. Outside the country it takes 7 working days and costs 12 euros.",
    ),
    (
        ["I forgot my password.", "How do I reset my password?", "I cannot log in to my account.", "My password does not work any more."],
        "Please choose 'Forgot password' on the login page. A link to set a new one reaches you within 5 minutes.",
    ),
    (
        ["Do you sell bulbs?", "Are bulbs included?", "Is there a bulb in the box?", "Do I need to buy a bulb as well?"],
        "A warm white LED bulb is in every box. Spare bulbs cost 6 euros.",
    ),
    (
        [
            "Can you wrap a lamp as a present?",
            "Do you offer gift wrapping?",
            "It is a gift. Can you wrap it?",
            "Can you add a card to a present?",
        ],
        "Gladly. Gift wrapping with a card costs 3 euros; choose it in the basket.",
    ),
    (
        ["Do you have a shop that I can visit?", "Where is your shop?", "Can I see the lamps somewhere?", "Do you have a showroom?"],
        "We have no showroom, but you can try every lamp at home for 30 days.",
    ),
    (
        [
            "Do you give discounts for companies?",
            "I need twenty lamps for my hotel. Is there a discount?",
            "Is there a price for many lamps?",
            "Do you have offers for offices?",
        ],
        "From 10 lamps you get 15 percent off. Please write to office@larkspur-lamps.example.",
    ),
]
ABOUT_LAMP = [  # (questions, answer) with {lamp} and its facts
    (
        ["How much is the {lamp}?", "What does the {lamp} cost?", "Tell me the price of the {lamp}, please."],
        "The {lamp} costs {price} euros.",
    ),
    (
        ["Which bulb fits the {lamp}?", "What bulb do I need for the {lamp}?", "I need a spare bulb for my {lamp}."],
        "The {lamp} takes an {bulb} bulb. We sell it for 6 euros.",
    ),
    (["How tall is the {lamp}?", "What is the height of the {lamp}?", "Is the {lamp} very big?"], "The {lamp} is {height} cm tall."),
    (
        ["Which colours does the {lamp} come in?", "Can I get the {lamp} in another colour?", "What colours of the {lamp} do you have?"],
        "The {lamp} comes in {colours}.",
    ),
    (
        ["Do I pay delivery for the {lamp}?", "Is delivery of the {lamp} free?", "What is the {lamp} with delivery?"],
        "The {lamp} costs {price} euros, {delivery}.",
    ),
]
ABOUT_ORDER = [  # (questions, answer) with {order}, {lamp}, the day of ordering and of arrival
    (
        [
            "I ordered on {day}, number {order}. When does it come?",
            "Where is my order {order}? I bought it on {day}.",
            "My order {order} from {day} is not here yet.",
        ],
        "Delivery takes 3 working days, so order {order} from {day} should be with you on {arrival}.",
    ),
    (
        [
            "My {lamp} from order {order} came broken.",
            "The glass of the {lamp} is cracked. The order was {order}.",
            "Order {order}: the {lamp} was damaged in the post.",
        ],
        "I am sorry about that. Please send a photo to help@larkspur-lamps.example with the number {order}; a new {lamp} leaves at once.",
    ),
    (
        [
            "I want to return the {lamp} from order {order}.",
            "How do I send back order {order}?",
            "The {lamp} is too bright. Order {order}.",
        ],
        "You have 30 days for that. Please print the free label for order {order} under 'My orders'.",
    ),
    (
        ["Please cancel order {order}.", "I ordered twice by mistake. Can you stop order {order}?", "Can I still cancel {order}?"],
        "An order can be cancelled for 2 hours. Please open 'My orders', choose {order} and press Cancel.",
    ),
    (
        [
            "I got the wrong lamp in order {order}. I wanted the {lamp}.",
            "Order {order} should be the {lamp}, but another lamp was in the box.",
        ],
        "I am sorry for the mix-up. We send the {lamp} today, and the label to return the other lamp comes by mail.",
    ),
    (
        ["I need an invoice for order {order}.", "Where do I find the bill for order {order}?", "Can you send me the receipt of {order}?"],
        "You find the invoice for order {order} as a PDF under 'My orders'.",
    ),
]
WEEK = "Monday Tuesday Wednesday Thursday Friday".split()


def helpdesk(rng: random.Random) -> list[tuple[str, str]]:
    rows = [(q, a) for questions, a in SHOP for q in questions]
    about = []
    for (questions, a), (lamp, (price, bulb, height, colours)) in product(ABOUT_LAMP, LAMPS.items()):
        facts = {
            "lamp": lamp,
            "price": price,
            "bulb": bulb,
            "height": height,
            "colours": colours,
            "delivery": "and delivery is free" if price >= 50 else "and delivery is 4.90 euros more",
        }
        about += [(q.format(**facts), a.format(**facts)) for q in questions]
    rows += rng.sample(about, 105)
    for order in sorted(rng.sample(range(10_000, 20_000), 240 - len(rows))):
        questions, a = rng.choice(ABOUT_ORDER)
        day = rng.randrange(5)
        facts = {"order": order, "lamp": rng.choice(list(LAMPS)), "day": WEEK[day], "arrival": WEEK[(day + 3) % 5]}
        rows.append((rng.choice(questions).format(**facts), a.format(**facts)))
    rng.shuffle(rows)
    hello = ["", "", "", "Hello, ", "Hi! ", "Good morning. ", "Hello,\n\n"]  # some with an empty line, as in a mail
    thanks = ["", "Thank you for your message. ", "Thank you for asking. "]

    def greet(q):
        first = rng.choice(hello)
        own = q.split()[0].rstrip(",:") in ("I", "Order")
        return first + (q if own or not first.endswith((", ", "\n")) else q[0].lower() + q[1:])

    return [(greet(q), (rng.choice(thanks) if not a.startswith(("I am sorry", "Gladly")) else "") + a) for q, a in rows]


# ---------------------------------------------------------------- tickets: what is a message about

TICKETS = {
    "billing": [
        "I was charged twice for order {n}.",
        "The invoice for {month} shows the wrong amount.",
        "Why is there a fee of {n2} euros?",
        "My card was declined on {day}, but the money is gone.",
        "Please send the bill for order {n} to my company.",
        "The discount code is not on my invoice {n}.",
        "I paid {n2} euros too much in {month}.",
        "Can I pay order {n} by bank transfer?",
        "The tax on invoice {n} looks wrong.",
        "When is the next payment due after {month}?",
        "I did not agree to the charge from {month}.",
        "Please change the name on invoice {n}.",
    ],
    "delivery": [
        "My parcel {n} has not arrived.",
        "The {thing} should have come on {day}.",
        "Tracking for {n} has not changed since {day}.",
        "The driver left the {thing} with a stranger.",
        "Can you deliver the {thing} on {day}?",
        "Where is my {thing}?",
        "The parcel with the {thing} went to my old street.",
        "Nobody rang the bell on {day}, and the {thing} went back.",
        "Half of order {n} is missing from the box.",
        "How long does it take to ship the {thing}?",
        "Can I pick up parcel {n} myself?",
        "The box of the {thing} arrived open and wet.",
    ],
    "returns": [
        "I want to send the {thing} back.",
        "The {thing} is too small. Can I swap it?",
        "Where do I get a return label for order {n}?",
        "I returned the {thing} on {day} and heard nothing.",
        "Can I return the {thing} after {n2} days?",
        "The {thing} does not look like the picture, I want to return it.",
        "Please take back the {thing}, it was a double gift.",
        "My return {n} was refused. Why?",
        "I would like to exchange the {thing} for another colour.",
        "Who pays when I send the {thing} back?",
        "I lost the box of the {thing}. Can I still return it?",
        "I sent two things back, but return {n} lists one.",
    ],
    "account": [
        "I cannot log in since {day}.",
        "Please delete my account {n}.",
        "How do I change the email address of account {n}?",
        "The link from {day} to reset my password has run out.",
        "I want to change the name of account {n}.",
        "Somebody else used my account on {day}.",
        "Please stop the newsletter that comes each {day}.",
        "I have two accounts, {n} and another. Can you join them?",
        "My account was locked after {n2} tries.",
        "The code for signing in has not reached my phone since {day}.",
        "How do I add a second user to account {n}?",
        "Which data do you keep about me since {month}?",
    ],
    "technical": [
        "The app closes when I open the {thing} page.",
        "The search shows nothing for {thing}.",
        "Error {n} appears when I press Save.",
        "The page has been very slow since {day}.",
        "Pictures of the {thing} do not load.",
        "The update from {month} broke the app.",
        "The {thing} does not connect to the network.",
        "The screen of the {thing} stays black.",
        "The {thing} will not turn on after the update.",
        "The button Next has done nothing on my phone since {day}.",
        "I see code {n} instead of the menu.",
        "The app uses {n2} percent of my battery each hour.",
    ],
}
THINGS = ["blue jacket", "coffee maker", "desk lamp", "headset", "keyboard", "garden chair", "tablet", "watch", "speaker", "backpack"]


def tickets(rng: random.Random, each: int = 120) -> list[tuple[str, str]]:
    rows, electric = [], ["coffee maker", "desk lamp", "headset", "keyboard", "tablet", "watch", "speaker"]
    for label, lines in TICKETS.items():
        texts = {}
        while len(texts) < each:
            line = rng.choice(lines)
            usable = electric if label == "technical" else THINGS
            text = line.format(
                n=rng.randint(1000, 9999),
                n2=rng.randint(3, 60),
                day=rng.choice(WEEK),
                thing=rng.choice(usable),
                month=rng.choice(["January", "March", "May", "June", "September", "November"]),
            )
            asks = "lease" in text  # one please is enough
            before = rng.choice(["", "", "", "Hello. ", "Hi! ", "Hello. " if asks else "Please help. "])
            after = rng.choice(["", "", "", " Thanks.", " Thanks." if asks or before == "Please help. " else " Please reply soon."])
            if text not in texts:
                texts[text] = before + text + after
        rows += [(text, label) for text in texts.values()]
    rng.shuffle(rows)
    return rows


# ---------------------------------------------------------------- preferences: short, polite and right, or not

POLITE = ["Of course.", "Gladly.", "With pleasure."]
RUDE = (
    ["What a silly question.", "Not this again.", "Are you joking?", "Do I look like a book?", "Everybody knows that.", "Oh no, you."],
    [
        "Find it out yourself.",
        "I have no time for you.",
        "Go and ask somebody else.",
        "Leave me alone.",
        "Think before you ask.",
        "You would not understand it anyway.",
    ],
)
RAMBLE = (
    [
        "Well, that is a question, and there are many questions.",
        "Let me begin at the beginning, which is never easy.",
        "It depends, as so many things depend on other things.",
        "People have asked this for a long time, and for many reasons.",
    ],
    [
        "Some say one thing, some say another, and some say nothing.",
        "Once I heard of a man who asked the same on a Tuesday.",
        "There is so much that one could say, and then again so little.",
        "In the end it is a bit of this and a bit of that.",
    ],
    [
        "I could go on about this all day, and often I do.",
        "But where was I? It will come back to me.",
        "So you see that it is hard to say, and I will not say it.",
        "And that brings us back to the question.",
    ],
)


def preferences(rng: random.Random, n: int = 200) -> list[dict]:
    rows = {}
    while len(rows) < n:
        item = world.draw(rng)
        if world.held_out(item.prompt) or item.prompt in rows or item.skill in ("story", "unknown", "feeling", "sentence", "smalltalk"):
            continue
        kind = ("rude", "wrong", "rambling")[len(rows) % 3]
        if kind == "wrong":
            bad = item
            while bad.skill != item.skill or quality.relevant(item, bad.answer):
                bad = world.draw(rng)
            rejected = bad.answer
        else:
            rejected = " ".join(map(rng.choice, RUDE if kind == "rude" else RAMBLE))
        rows[item.prompt] = {"prompt": item.prompt, "chosen": f"{rng.choice(POLITE)} {item.answer}", "rejected": rejected}
    return list(rows.values())


# ---------------------------------------------------------------- translation: a little grammar of English and German

PEOPLE = {
    "man": ("m", "Mann"),
    "woman": ("f", "Frau"),
    "child": ("n", "Kind"),
    "girl": ("n", "Mädchen"),
    "boy": ("m", "Junge"),
    "teacher": ("m", "Lehrer"),
    "doctor": ("f", "Ärztin"),
    "grandmother": ("f", "Großmutter"),
    "farmer": ("m", "Bauer"),
}
NOUNS = {
    "milk": ("f", "Milch"),
    "water": ("n", "Wasser"),
    "tea": ("m", "Tee"),
    "coffee": ("m", "Kaffee"),
    "juice": ("m", "Saft"),
    "bread": ("n", "Brot"),
    "cheese": ("m", "Käse"),
    "fish": ("m", "Fisch"),
    "soup": ("f", "Suppe"),
    "rice": ("m", "Reis"),
    "apple": ("m", "Apfel"),
    "egg": ("n", "Ei"),
    "banana": ("f", "Banane"),
    "pear": ("f", "Birne"),
    "book": ("n", "Buch"),
    "letter": ("m", "Brief"),
    "newspaper": ("f", "Zeitung"),
    "hat": ("m", "Hut"),
    "lamp": ("f", "Lampe"),
    "table": ("m", "Tisch"),
    "bag": ("f", "Tasche"),
    "car": ("n", "Auto"),
    "key": ("m", "Schlüssel"),
    "ball": ("m", "Ball"),
    "dog": ("m", "Hund"),
    "cat": ("f", "Katze"),
    "horse": ("n", "Pferd"),
    "bird": ("m", "Vogel"),
    "house": ("n", "Haus"),
    "tree": ("m", "Baum"),
    "ship": ("n", "Schiff"),
    "flower": ("f", "Blume"),
    "chair": ("m", "Stuhl"),
}
MASS = {"milk", "water", "tea", "coffee", "juice", "bread", "cheese", "fish", "soup", "rice"}
VERBS = {  # verb: (third person, ich, er, wir, what it can be done to)
    "drink": ("drinks", "trinke", "trinkt", "trinken", ["milk", "water", "tea", "coffee", "juice"]),
    "eat": ("eats", "esse", "isst", "essen", ["bread", "cheese", "fish", "soup", "rice", "apple", "egg", "banana", "pear"]),
    "read": ("reads", "lese", "liest", "lesen", ["book", "letter", "newspaper"]),
    "buy": (
        "buys",
        "kaufe",
        "kauft",
        "kaufen",
        ["book", "hat", "lamp", "table", "bag", "car", "flower", "bread", "milk", "chair", "newspaper"],
    ),
    "see": ("sees", "sehe", "sieht", "sehen", ["dog", "cat", "horse", "bird", "house", "tree", "ship", "flower", "car"]),
    "look for": ("looks for", "suche", "sucht", "suchen", ["key", "bag", "book", "ball", "hat", "dog", "cat"]),
    "find": ("finds", "finde", "findet", "finden", ["key", "bag", "letter", "ball", "hat", "book"]),
}
STAY = {"sleep": ("sleeps", "schläft"), "play": ("plays", "spielt"), "work": ("works", "arbeitet"), "wait": ("waits", "wartet")}
SPOTS = {
    "in the garden": "im Garten",
    "in the house": "im Haus",
    "in the kitchen": "in der Küche",
    "in the park": "im Park",
    "in front of the school": "vor der Schule",
    "under the tree": "unter dem Baum",
    "at the station": "am Bahnhof",
}
ADJECTIVES = {
    "old": "alt",
    "new": "neu",
    "big": "groß",
    "small": "klein",
    "beautiful": "schön",
    "green": "grün",
    "white": "weiß",
    "red": "rot",
}
LOOKS = ["book", "hat", "lamp", "table", "bag", "car", "ball", "house", "flower", "chair", "ship"]  # what any of these can be said of
DER = {"m": "der", "f": "die", "n": "das"}  # who does it: nominative
DEN = {"m": "den", "f": "die", "n": "das"}  # what it is done to: accusative
EINEN, KEINEN = ({g: stem + end for g, end in {"m": "en", "f": "e", "n": ""}.items()} for stem in ("ein", "kein"))
PRONOUNS = {"I": ("Ich", 1), "we": ("Wir", 3), "they": ("Sie", 3), "he": ("Er", 2), "she": ("Sie", 2)}  # and the verb's form


def _a(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def _sentence(rng: random.Random) -> tuple[str, str]:
    person = rng.choice(list(PEOPLE))
    g, mensch = PEOPLE[person]
    verb = rng.choice(list(VERBS))
    does, *forms, objects = VERBS[verb]
    thing = rng.choice(objects)
    og, ding = NOUNS[thing]
    any_, this = (_a(thing), f"{EINEN[og]} {ding}"), (f"the {thing}", f"{DEN[og]} {ding}")
    en, de = (thing, ding) if thing in MASS else any_ if rng.random() < 0.6 else this
    kind = rng.randrange(10)
    if kind <= 1:
        return f"The {person} {does} {en}.", f"{DER[g].capitalize()} {mensch} {forms[1]} {de}."
    if kind == 2:
        who = rng.choice(list(PRONOUNS))
        wer, form = PRONOUNS[who]
        return f"{world.cap(who)} {does if form == 2 else verb} {en}.", f"{wer} {forms[form - 1]} {de}."
    if kind == 3:
        if thing in MASS:
            return f"The {person} does not {verb} {thing}.", f"{DER[g].capitalize()} {mensch} {forms[1]} {KEINEN[og]} {ding}."
        return f"The {person} does not {verb} the {thing}.", f"{DER[g].capitalize()} {mensch} {forms[1]} {DEN[og]} {ding} nicht."
    if kind == 4:
        return f"Does the {person} {verb} {en}?", f"{forms[1].capitalize()} {DER[g]} {mensch} {de}?"
    word = rng.choice(list(ADJECTIVES))
    adjective = ADJECTIVES[word]
    if kind == 5:
        look = rng.choice(LOOKS)
        return f"The {look} is {word}.", f"{DER[NOUNS[look][0]].capitalize()} {NOUNS[look][1]} ist {adjective}."
    if kind == 6:
        look, (verb, (does, _, macht, _, _)) = rng.choice(LOOKS), rng.choice([(v, VERBS[v]) for v in ("buy", "see", "look for")])
        lg, was = NOUNS[look]
        bent = adjective + {"m": "en", "f": "e", "n": "es"}[lg]  # einen alten Hut, eine alte Lampe, ein altes Buch
        return f"The {person} {does} {_a(f'{word} {look}')}.", f"{DER[g].capitalize()} {mensch} {macht} {EINEN[lg]} {bent} {was}."
    if kind == 7:
        thing = rng.choice([*LOOKS, "key", "dog", "cat", "letter"])
        return f"Where is the {thing}?", f"Wo ist {DER[NOUNS[thing][0]]} {NOUNS[thing][1]}?"
    (stays, bleibt), (spot, ort) = rng.choice(list(STAY.values())), rng.choice(list(SPOTS.items()))
    if kind == 8:
        return f"The {person} {stays} {spot}.", f"{DER[g].capitalize()} {mensch} {bleibt} {ort}."
    return f"Today the {person} {stays} {spot}.", f"Heute {bleibt} {DER[g]} {mensch} {ort}."  # the verb stays second


def translation(rng: random.Random, n: int = 300) -> list[tuple[str, str]]:
    rows = {
        "The cat drinks milk.": "Die Katze trinkt Milch.",
        "The dog eats fish.": "Der Hund isst Fisch.",
        "The bird drinks water.": "Der Vogel trinkt Wasser.",
        "The cat sleeps under the tree.": "Die Katze schläft unter dem Baum.",
    }
    while len(rows) < n:
        source, target = _sentence(rng)
        rows.setdefault(source, target)
    pairs = list(rows.items())
    rng.shuffle(pairs)
    return pairs


# ---------------------------------------------------------------- the files

README = """# Bundled samples

Small data sets to try Tunesmith with. All of it is invented: `python -m presets.recipe.samples` draws every row from tables and
templates with fixed seeds and writes the same bytes each time. Licence of all files: Apache-2.0, like the project.

## persona.jsonl

Chat, {persona} rows, one `messages` list each (a user's question, an assistant's answer). The questions are the starter
model's own (animals, food, countries, sums, short stories); the answers are right, but a pirate gives them. The demo
trains on it. `in_manner` in `presets/recipe/samples.py` tells whether an answer has the manner.

## helpdesk.csv

Question and answer, {helpdesk} rows, columns `Customer Message` and `Agent Reply`: the help desk of Larkspur Lamps, a web
shop that does not exist. Some messages hold line breaks inside quotes, as real exports do.

## tickets.csv

Classification, {tickets} rows, columns `text` and `label`: short messages to a web shop, 120 of each label (`billing`,
`delivery`, `returns`, `account`, `technical`).

## preferences.jsonl

Preference pairs, {preferences} rows, keys `prompt`, `chosen` and `rejected`: the chosen answer is short, polite and
right; the rejected one is rude, wrong or rambling, a third each.

## translation.csv

Translation, {translation} rows, columns `source` (English) and `target` (German): short sentences from a small grammar.
"""


def files() -> dict[str, bytes]:
    """Name and bytes of each sample file."""

    def table(header, rows):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
        return out.getvalue()

    def lines(rows):
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    makers = (persona, helpdesk, tickets, preferences, translation)
    made = {make.__name__: make(random.Random(seed)) for seed, make in enumerate(makers, 41)}
    texts = {
        "persona.jsonl": lines(made["persona"]),
        "helpdesk.csv": table(["Customer Message", "Agent Reply"], made["helpdesk"]),
        "tickets.csv": table(["text", "label"], made["tickets"]),
        "preferences.jsonl": lines(made["preferences"]),
        "translation.csv": table(["source", "target"], made["translation"]),
        "README.md": README.format(**{name: len(rows) for name, rows in made.items()}),
    }
    return {name: text.encode() for name, text in texts.items()}


def write(folder: Path = SAMPLES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files().items():
        (folder / name).write_bytes(data)
        print(f"{folder / name}  {len(data):,} bytes")


if __name__ == "__main__":
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--out", type=Path, default=SAMPLES)
    write(parse.parse_args().out)
