"""The canonical row of each kind of data, and the conversion of records of any shape.

In: a record and a mapping of roles to columns. Out: canonical rows (`convert`), messages, texts. The rest of `data` builds on it."""
