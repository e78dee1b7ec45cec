"""Files as records: every format, encoding and kind of damage, in bounded memory.

In: a path. Out: `reader.open_file` and the records of a `Reader`, with the place of each. `bounds` says how large a stranger's file may be.
May import `data.schema` (the spellings of columns tell where a header is)."""
