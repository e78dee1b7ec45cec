"""Detect the kind of data and the role of each column.

In: the first records as a table (`schema.column_profile`). Out: a `Recognition` with its reason and its questions. One file per family
of kinds: chat, labels, preferences, people, other. May import `data.schema`."""
