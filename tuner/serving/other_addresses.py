"""The addresses and the key's header of Azure's client, on the same routes: /openai/deployments/NAME/chat/completions is /v1/chat/completions."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

DEPLOYED = re.compile(r"/openai/(?:v1/)?deployments/.+?(/chat/completions|/completions|/embeddings)")
BELOW = "/openai/"  # /openai/files, and /openai/v1/files of the newer API
HEADER, AUTHORIZATION = b"api-key", b"authorization"


class OtherAddresses:
    """Rewrite the address and the key of a request. The model's name stands in the body, too: that in the address is not looked at."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(BELOW):
            path = as_v1(scope["path"])
            scope = scope | {"path": path, "raw_path": path.encode(), "headers": _with_key(scope["headers"])}
        await self.app(scope, receive, send)


def as_v1(path: str) -> str:
    """Return the address of ours for one of Azure's."""
    if found := DEPLOYED.fullmatch(path):
        return f"/v1{found[1]}"
    return "/v1/" + path.removeprefix(BELOW).removeprefix("v1/")


def _with_key(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers with the key of `api-key` as a bearer's, unless there is one."""
    given = dict(headers)
    if HEADER in given and AUTHORIZATION not in given:
        return [*headers, (AUTHORIZATION, b"Bearer " + given[HEADER])]
    return headers
