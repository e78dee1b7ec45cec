"""Export of a run: the adapter, a merged model or a GGUF, with a model card that shows how to load it."""
