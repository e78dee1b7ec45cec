"""OpenAI's fine-tuning API on this computer: files, uploads, jobs with events and checkpoints, and the map from its model names to models here.

In: requests of OpenAI's clients, with the key that sends them. Out: datasets and ordinary runs, and answers in OpenAI's shapes. The routes are served
by `tunesmith serve` beside the chat (`tuner.serving.gateway`). May import serving and whatever lies below it. No torch.
"""
