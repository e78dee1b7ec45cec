"""Data: from a person's file to a dataset version that never changes.

`readers` open a file, `detection` tells what its columns are, `schema` makes canonical rows of its records, `importing` goes over a whole
file, `store` keeps versions, `quality` reports what is wrong with them, `versions` makes new ones. No torch. In: files. Out: `store.Dataset`
and its rows. May import `system` and the ground floor."""
