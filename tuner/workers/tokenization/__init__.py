"""Tokenize rows and mark the tokens that are trained: the same code for training, counting and preview. No torch."""
