"""Read files as records: every format, encoding and kind of damage, in bounded memory.

In: a path. Out: a `Reader` and its records, each with its row number. `bounds` limits how large an untrusted file may be.
May import `data.schema` (known column names show where a header is)."""
