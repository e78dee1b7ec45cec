"""Rows as tokens, with a mark on each that is trained: the one place for training, counting and preview. No torch."""
