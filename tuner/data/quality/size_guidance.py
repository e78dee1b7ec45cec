"""What so many rows of a kind can teach, and what not: said honestly, in plain words."""

CAN = {  # kind -> ((rows from which it holds, what they teach, what they don't), ...), the most rows first
    "chat": (
        (
            20_000,
            "teach a manner, a form and the common facts of a field",
            "they still don't reliably teach rare facts such as single prices",
        ),
        (2_000, "teach a manner, a form and often-repeated facts", "what is said only once or twice is not reliably learnt"),
        (200, "teach a manner and a form", "they do not reliably teach facts such as prices"),
        (30, "teach a manner of speaking a little", "they teach no facts, and the model may repeat whole answers"),
        (0, "show that training works", "they are too few to teach anything that lasts"),
    ),
    "text": (
        (20_000, "teach the language and many of the common facts of a field", "to answer questions it also needs questions with answers"),
        (1_000, "teach the style and the words of a field", "they do not teach its facts reliably, nor how to answer questions"),
        (100, "teach a style", "they teach neither facts nor how to answer questions"),
        (0, "show that training works", "they are too few for a style; the model may repeat them by heart"),
    ),
    "preference": (
        (5_000, "teach which of two answers people like better, in many situations", "they teach no new facts"),
        (500, "teach a clear preference, such as polite over curt", "they teach no new facts and no fine distinctions"),
        (50, "push the model a little in one direction", "they do not teach a preference that holds for other questions"),
        (0, "show that training works", "they are too few to teach a preference"),
    ),
    "rated": (
        (5_000, "teach what makes an answer good or bad, in many situations", "they teach no new facts"),
        (500, "teach a clear difference between good and bad answers", "they teach no new facts and no fine distinctions"),
        (0, "push the model a little in one direction", "they do not teach what is good in other questions"),
    ),
    "classification": (
        (5_000, "teach to tell the labels apart, fine differences included", "labels with few rows stay uncertain"),
        (500, "teach to tell clearly different labels apart", "close cases and labels with few rows stay uncertain"),
        (50, "teach a first rough sorting", "expect many mistakes; every label wants at least 50 rows"),
        (0, "show that training works", "they are too few to sort by"),
    ),
    "regression": (
        (5_000, "teach to estimate the number well where similar texts were seen", "numbers beyond those in the data stay guesses"),
        (500, "teach a rough estimate", "they do not teach exact numbers"),
        (0, "teach hardly more than the average", "they are too few for an estimate"),
    ),
    "seq2seq": (
        (50_000, "teach the task well, common words and turns included", "rare words stay a matter of luck"),
        (2_000, "teach the form and the common cases of the task to a model that knows the language", "they do not teach a new language"),
        (200, "teach the form of the task", "they do not teach new words or a new language"),
        (0, "show that training works", "they are too few for the task"),
    ),
    "qa": (
        (10_000, "teach to find answers in passages of this kind", "the model still can't answer without the passage"),
        (500, "teach where such answers usually stand", "unusual questions will often fail"),
        (0, "show that training works", "they are too few to find answers by"),
    ),
    "tokens": (
        (3_000, "teach to mark the words reliably in texts of this kind", "tags that are rare stay uncertain"),
        (300, "teach to mark the common cases", "rare tags and other kinds of text stay uncertain"),
        (0, "show that training works", "they are too few to mark words by"),
    ),
}
NAMES = {
    "chat": "question-answer rows",
    "text": "passages of text",
    "preference": "pairs of answers",
    "rated": "rated answers",
    "classification": "labelled texts",
    "regression": "texts with numbers",
    "seq2seq": "pairs of texts",
    "qa": "questions about passages",
    "tokens": "sentences with tags",
}


def teaches(ds) -> str:
    """One sentence about the rows that are trained on; the held-out ones teach nothing."""
    n = ds.rows - ds.held_out
    _, can, cannot = next(step for step in CAN[ds.kind] if n >= step[0])
    return f"{n:,} {NAMES[ds.kind]} {can}; {cannot}."
