"""The datasets of a workspace: versions on disk that never change.

Input: files or rows. Output: `store.Dataset`, its rows, a page of them. May import `importing` and the layers below it."""
