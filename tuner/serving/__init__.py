"""What asks the serving worker: the chat's client, many questions at once, and the gateway of `tunesmith serve` with OpenAI's API. In: messages.
Out: a stream of text. No torch; the worker is `workers/serving`."""
