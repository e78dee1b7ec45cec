"""OpenAI's requests as far as models here can answer them, and its shape of errors. Used by the gateway and by the serving worker; no torch.

A field that would change the answer and is not known is refused by name; `HARMLESS` ones are accepted and named in the header `x-ignored-fields`.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator

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
OF_THE_TOKENIZER = frozenset(  # arguments of `apply_chat_template` that are none of the template's
    """chat_template tokenize return_dict add_generation_prompt continue_final_message conversation messages tools documents return_tensors padding
    truncation max_length tokenizer_kwargs processor_kwargs return_assistant_tokens_mask template load_audio_from_video""".split()
)
ROLES = ("system", "developer", "user", "assistant", "tool")
IGNORED = "x-ignored-fields"
TEMPERATURE, TOP_P = 0.7, 0.95  # as in Chat: a model answers a program as it answers a person
DEEPEST = 64  # levels of a body
ANSWERS = 32  # the most of `n`


Token = Annotated[StrictInt, Field(ge=0, lt=2**31)]
Tokens = Annotated[list[Token], Field(min_length=1)]


class Refused(Exception):
    """A request that can't be answered, in OpenAI's shape: `status`, and `body()`."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        kind = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}.get(self.status)
        kind = kind or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class Asked(BaseModel):
    """A request: its fields that are null are left out, which clients send for "as you like", and those that are ignored."""

    model_config = ConfigDict(extra="forbid")
    model: str

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        return {k: v for k, v in given.items() if v is not None and k not in HARMLESS} if isinstance(given, dict) else given


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


class Sampled(Asked):
    """What chat and text completions have in common."""

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
    logit_bias: dict[Annotated[int, Field(ge=0, lt=2**31)], float] = Field(default_factory=dict)
    response_format: ResponseFormat | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _several(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("logit_bias")
    @classmethod
    def _within(cls, bias: dict[int, float]) -> dict[int, float]:
        if any(not -100 <= v <= 100 for v in bias.values()):
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

    @field_validator("tools")
    @classmethod
    def _functions(cls, tools: list[dict] | None) -> list[dict] | None:
        for i, tool in enumerate(tools or ()):
            function = tool.get("function")
            if tool.get("type") != "function" or not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise ValueError(f"tool {i} is no function with a name")
        return tools

    @field_validator("chat_template_kwargs")
    @classmethod
    def _of_templates(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name, value in given.items():
            if name in OF_THE_TOKENIZER or not isinstance(value, str | bool | int | float):
                raise ValueError(f"{name}: only what the template itself reads, as a text, number or boolean")
        return given

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

    prompt: str | Annotated[list[str] | list[Token] | list[Tokens], Field(min_length=1)]
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool = False

    @model_validator(mode="after")
    def _of_answers(self):
        if self.echo and self.logprobs is not None:
            raise ValueError("echo has no log-probabilities of the prompt here: leave one of the two out")
        return self

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


class EmbeddingsRequest(Asked):
    """POST /v1/embeddings."""

    input: str | list[str] = Field(min_length=1)
    encoding_format: Literal["float", "base64"] = "float"

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


class ClassifyRequest(Asked):
    """POST /v1/classify: what a tuned model that does not chat says of each text."""

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


def parse(content: bytes) -> Any:
    """Return the JSON of a request; Refused for what is no JSON, for numbers and characters that JSON does not have, and for very deep nesting."""

    def strange(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        document = json.loads(content, parse_constant=strange)
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Refused(400, "The body has half a character (a lone surrogate).", code="invalid_json") from error
    except RecursionError as error:
        raise Refused(400, f"The body is nested more than {DEEPEST} levels deep.", code="invalid_json") from error
    except ValueError as error:
        raise Refused(400, f"The body is not JSON: {error}", code="invalid_json") from error
    level = [document]
    for _ in range(DEEPEST):
        level = [
            inner for outer in level if isinstance(outer, dict | list) for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return document
    raise Refused(400, f"The body is nested more than {DEEPEST} levels deep.", code="invalid_json")


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
        content = "".join(str(p.get("text") or p.get("refusal") or "") for p in content)
    if not isinstance(content, str):
        raise ValueError(f"the content of message {index} is neither a text nor a list of parts")
    message["content"] = content
    if calls := message.get("tool_calls"):
        if not isinstance(calls, list):
            raise ValueError(f"the tool_calls of message {index} are no list")
        message["tool_calls"] = [_call(index, call) for call in calls]
    return message


def _call(index: int, call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(f"a call in message {index} is no function with a name")
    function = dict(function)
    if isinstance(function.get("arguments"), str):
        try:
            function["arguments"] = json.loads(function["arguments"] or "{}")
        except ValueError as error:
            raise ValueError(f"the arguments of the call of {function.get('name')} are not JSON") from error
    return call | {"function": function}
