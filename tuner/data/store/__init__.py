"""The datasets of a workspace: versions on disk that never change.

In: files or rows. Out: `store.Dataset`, its rows, a page of them. May import `importing` and what stands below it."""
