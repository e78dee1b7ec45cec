"""What kind of data this is and which column plays which role.

In: the first records as a table (`schema.column_profile`). Out: a `Recognition` with its reason and its questions. One file a family of
kinds: chat, labels, preferences, people, other. May import `data.schema`."""
