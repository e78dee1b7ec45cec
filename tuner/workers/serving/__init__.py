"""The process that answers: base models with any number of adapters behind an OpenAI-compatible API on 127.0.0.1."""
