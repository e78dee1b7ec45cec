"""Lines to paste that ask a served model."""

import json
import shlex

from tuner.settings import objectives


def curl(url: str, key: str, model: str, objective: str) -> str:
    """Return the command that asks a served model: a chat model for an answer, another one for its labels. `url` ends in /v1."""
    if objective in objectives.GENERATIVE:
        path, body = "chat/completions", {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    else:
        path, body = "classify", {"model": model, "input": ["The first text.", "The second text."]}
        if objective == "qa":
            body["question"] = "What is it about?"
    return (
        f"curl {url}/{path} -H {shlex.quote(f'Authorization: Bearer {key}')} \\\n"
        f"  -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def python(url: str, key: str, model: str) -> str:
    """Return the lines of Python that ask a served chat model by OpenAI's own client."""
    return (
        "from openai import OpenAI\n\n"
        f"client = OpenAI(base_url={url!r}, api_key={key!r})\n"
        f'answer = client.chat.completions.create(model={model!r}, messages=[{{"role": "user", "content": "Hello!"}}])\n'
        "print(answer.choices[0].message.content)"
    )
