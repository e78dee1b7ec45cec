"""Judging answers in pairs: verdicts, how far they can be trusted, and what they say of the models."""
