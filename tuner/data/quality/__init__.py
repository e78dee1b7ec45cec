"""The quality report of a dataset version: what is wrong with its rows, why it matters, and what can be done with a click.

In: the rows of a version. Out: findings and fixes. May import `store` and what stands below it."""
