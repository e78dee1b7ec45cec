"""The canonical row of each kind of data, and the way there from a record of any shape.

In: a record and a mapping of roles to columns. Out: canonical rows (`convert`), messages, texts. Everything else in `data` stands on it."""
