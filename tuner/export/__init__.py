"""Export of a run: the adapter or a merged model, with a model card that shows how to load it."""
