"""Size guidance: what a number of rows is enough for, by kind of data, and what it is not enough for."""

GUIDANCE = {  # kind -> ((rows from which it holds, what they are enough for, what they are not), ...), the most rows first
    "chat": (
        (
            20_000,
            "are enough for a style, a format and the common facts of a field",
            "rare facts such as single prices are still not reliable",
        ),
        (2_000, "are enough for a style, a format and often-repeated facts", "facts that occur only once or twice are not reliable"),
        (200, "are enough for a style and a format", "facts such as prices are not reliable"),
        (30, "are enough for a slight change of style", "the model picks up no facts and may repeat whole answers"),
        (0, "are enough to show that training works", "they are too few for a lasting effect"),
    ),
    "text": (
        (
            20_000,
            "are enough for the language and many of the common facts of a field",
            "to answer questions the model also needs questions with answers",
        ),
        (
            1_000,
            "are enough for the style and the vocabulary of a field",
            "its facts are not reliable, and the model does not get better at answering questions",
        ),
        (100, "are enough for a style", "the model picks up no facts and does not get better at answering questions"),
        (0, "are enough to show that training works", "they are too few for a style; the model may memorize them"),
    ),
    "preference": (
        (5_000, "are enough to show which of two answers people prefer, in many situations", "the model picks up no new facts"),
        (500, "are enough for a clear preference, such as polite over curt", "the model picks up no new facts and no fine distinctions"),
        (50, "are enough to push the model slightly in one direction", "the preference may not carry over to other questions"),
        (0, "are enough to show that training works", "they are too few for a preference"),
    ),
    "rated": (
        (5_000, "are enough to show what makes an answer good or bad, in many situations", "the model picks up no new facts"),
        (
            500,
            "are enough for a clear difference between good and bad answers",
            "the model picks up no new facts and no fine distinctions",
        ),
        (0, "are enough to push the model slightly in one direction", "the effect may not carry over to other questions"),
    ),
    "classification": (
        (5_000, "are enough to tell the labels apart, including fine differences", "labels with few rows stay uncertain"),
        (500, "are enough to tell clearly different labels apart", "close cases and labels with few rows stay uncertain"),
        (50, "are enough for a first, rough classifier", "expect many mistakes; every label needs at least 50 rows"),
        (0, "are enough to show that training works", "they are too few for a classifier"),
    ),
    "regression": (
        (
            5_000,
            "are enough to estimate the number well for texts similar to these",
            "numbers outside the range of the data stay guesses",
        ),
        (500, "are enough for a rough estimate", "exact numbers are not reliable"),
        (0, "are enough for little more than the average", "they are too few for an estimate"),
    ),
    "seq2seq": (
        (50_000, "are enough to do the task well, including common words and phrases", "rare words stay a matter of luck"),
        (
            2_000,
            "are enough for the format and the common cases of the task, with a model that knows the language",
            "they are too few for a new language",
        ),
        (200, "are enough for the format of the task", "they are too few for new words or a new language"),
        (0, "are enough to show that training works", "they are too few for the task"),
    ),
    "qa": (
        (10_000, "are enough to find answers in passages of this kind", "the model still can't answer without the passage"),
        (500, "are enough to show where such answers usually are", "unusual questions will often fail"),
        (0, "are enough to show that training works", "they are too few to find answers"),
    ),
    "tokens": (
        (3_000, "are enough to tag the words reliably in texts of this kind", "rare tags stay uncertain"),
        (300, "are enough to tag the common cases", "rare tags and other kinds of text stay uncertain"),
        (0, "are enough to show that training works", "they are too few to tag words"),
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


def guidance(ds) -> str:
    """Return one sentence about the training rows; validation rows are not counted."""
    n = ds.rows - ds.held_out
    _, can, cannot = next(step for step in GUIDANCE[ds.kind] if n >= step[0])
    return f"{n:,} {NAMES[ds.kind]} {can}; {cannot}."
