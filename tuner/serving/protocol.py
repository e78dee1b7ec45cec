"""OpenAI's requests as far as models here can answer them, and its shape of errors. Used by the gateway and by the serving worker; no torch.

A field that would change the answer and is not known is refused by name; `HARMLESS` ones are accepted and named in the header `x-ignored-fields`.
"""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

HARMLESS = (
    "user",
    "metadata",
    "store",
    "service_tier",
    "parallel_tool_calls",
    "safety_identifier",
    "prompt_cache_key",
    "reasoning_effort",
    "verbosity",
)
ROLES = ("system", "developer", "user", "assistant", "tool")
IGNORED = "x-ignored-fields"
TEMPERATURE, TOP_P = 0.7, 0.95  # as in Chat: a model answers a program as it answers a person
ANSWERS = 32  # the most of `n`


class Refused(Exception):
    """A request that can't be answered, in OpenAI's shape: `status`, and `body()`."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        kind = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}.get(self.status)
        kind = kind or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class StreamOptions(BaseModel):
    """`stream_options`: with `include_usage` the last event has the counts of tokens, with `continuous_usage_stats` each event, and its timings."""

    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False
    continuous_usage_stats: bool = False


class JsonSchema(BaseModel):
    """The schema within `response_format`."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)
    name: str = "answer"
    document: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    """`response_format`: free text, any JSON object, or JSON of a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _with_schema(self):
        if self.type == "json_schema" and (self.json_schema is None or self.json_schema.document is None):
            raise ValueError("json_schema needs json_schema.schema")
        return self


class Sampled(BaseModel):
    """What chat and text completions have in common."""

    model_config = ConfigDict(extra="forbid")
    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float = Field(TEMPERATURE, ge=0, le=5)
    top_p: float = Field(TOP_P, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    n: int = Field(1, ge=1, le=ANSWERS)
    max_tokens: int | None = Field(None, ge=1)
    stop: list[str] = Field(default_factory=list, max_length=16)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    logit_bias: dict[int, float] = Field(default_factory=dict)
    response_format: ResponseFormat | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        """Leave out what is null, which clients send for "as you like", and what is ignored."""
        return {k: v for k, v in given.items() if v is not None and k not in HARMLESS} if isinstance(given, dict) else given

    @field_validator("stop", mode="before")
    @classmethod
    def _several(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("logit_bias")
    @classmethod
    def _within(cls, bias: dict[int, float]) -> dict[int, float]:
        if any(not -100 <= v <= 100 or k < 0 for k, v in bias.items()):
            raise ValueError("token ids from 0 on, with a bias from -100 to 100")
        return bias


class ChatRequest(Sampled):
    """POST /v1/chat/completions."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    modalities: list[Literal["text"]] | None = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("messages")
    @classmethod
    def _readable(cls, messages: list[dict]) -> list[dict]:
        return [_message(i, m) for i, m in enumerate(messages)]

    @field_validator("tool_choice")
    @classmethod
    def _free(cls, choice: Any) -> Any:
        if choice not in (None, "none", "auto"):
            raise ValueError('only "auto" and "none": a call can\'t be forced here')
        return choice

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """Return how many alternatives each token has; None without log-probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def offered(self) -> list[dict] | None:
        """Return the tools that the model may call."""
        return self.tools if self.tools and self.tool_choice != "none" else None


class CompletionRequest(Sampled):
    """POST /v1/completions: the text goes on from the prompt, without a chat template."""

    prompt: str | list[str] | list[int] | list[list[int]]
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool = False

    @property
    def limit(self) -> int:
        return self.max_tokens or 16  # OpenAI's own

    @property
    def alternatives(self) -> int | None:
        return self.logprobs

    @property
    def prompts(self) -> list[str | list[int]]:
        """Return the prompts one by one."""
        one = isinstance(self.prompt, str) or (bool(self.prompt) and isinstance(self.prompt[0], int))
        return [self.prompt] if one else list(self.prompt)


class EmbeddingsRequest(BaseModel):
    """POST /v1/embeddings."""

    model_config = ConfigDict(extra="forbid")
    model: str
    input: str | list[str] = Field(min_length=1)
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


class ClassifyRequest(BaseModel):
    """POST /v1/classify: what a tuned model that does not chat says of each text."""

    model_config = ConfigDict(extra="forbid")
    model: str
    input: str | list[str] = Field(min_length=1)
    question: str = ""
    max_tokens: int = Field(256, ge=1, le=4096)

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def read(kind: type[BaseModel], body: Any) -> Any:
    """Return `body` as a request of this kind; Refused with all its problems at once, each with its field."""
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        problems = [(".".join(str(p) for p in e["loc"]) or "body", e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        told = "; ".join(f"{where}: {'not known here' if what.startswith('Extra inputs') else what}" for where, what in problems[:8])
        raise Refused(400, told, param=problems[0][0]) from error


def ignored(body: dict[str, Any]) -> str:
    """Return the names of the fields that are accepted without effect, for the header."""
    return ", ".join(k for k in HARMLESS if body.get(k) is not None)


def _message(index: int, message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as chat templates read it: text as one string, arguments of calls as objects."""
    if message.get("role") not in ROLES:
        raise ValueError(f"message {index} has the role {message.get('role')!r}; roles are {', '.join(ROLES)}")
    message = {k: v for k, v in message.items() if v is not None}
    content = message.get("content", "")
    if isinstance(content, list):
        other = next(
            (p.get("type") for p in content if not isinstance(p, dict) or p.get("type") not in ("text", "input_text", "refusal")), None
        )
        if other is not None:
            raise ValueError(f"message {index} has a part of type {other!r}; models here read text only")
        content = "".join(str(p.get("text", p.get("refusal", ""))) for p in content)
    if not isinstance(content, str):
        raise ValueError(f"the content of message {index} is neither a text nor a list of parts")
    message["content"] = content
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    if isinstance(function.get("arguments"), str):
        try:
            function["arguments"] = json.loads(function["arguments"] or "{}")
        except ValueError as error:
            raise ValueError(f"the arguments of the call of {function.get('name')} are not JSON") from error
    return call | {"function": function}
