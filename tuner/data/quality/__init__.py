"""The quality report of a dataset version: problems of its rows, why they matter, and one-click fixes.

Input: the rows of a version. Output: findings and fixes. May import `store` and the layers below it."""
