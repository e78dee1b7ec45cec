"""The client of the serving worker. In: messages. Out: a stream of text. No torch; the worker is `workers/serving`."""
