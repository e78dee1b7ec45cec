"""What can be made of a run: adapter or merged model, with a model card that loads it."""
