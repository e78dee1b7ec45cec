"""The gateway's counters for Prometheus."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

disable_created_metrics()  # a second line for each number, which nobody here reads
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one gateway, in a registry of its own."""

    FORMAT = CONTENT_TYPE_LATEST

    def __init__(self):
        own: dict[str, Any] = {"registry": CollectorRegistry()}
        self.registry, self.running = own["registry"], 0
        self.requests = Counter("tunesmith_requests", "Requests by path and HTTP status (499: the reader left)", ["path", "status"], **own)
        self.took = Histogram("tunesmith_request_seconds", "Time of a whole request", ["path"], buckets=SECONDS, **own)
        self.first = Histogram("tunesmith_first_token_seconds", "Time to the first token", ["model"], buckets=SECONDS, **own)
        self.tokens = Counter("tunesmith_tokens", "Tokens by model; kind is prompt or completion", ["model", "kind"], **own)
        Gauge("tunesmith_requests_running", "Requests under way", **own).set_function(lambda: self.running)

    def begun(self) -> None:
        """Count a request that begins; `ended` must follow."""
        self.running += 1

    def ended(self, path: str, status: int, seconds: float) -> None:
        self.running -= 1
        self.requests.labels(path, str(status)).inc()
        self.took.labels(path).observe(seconds)

    def answered(self, model: str, document: dict[str, Any]) -> None:
        """Count the tokens of an answer with `usage` and, where it was generated, `timings`."""
        usage, timings = document.get("usage") or {}, document.get("timings") or {}
        self.tokens.labels(model, "prompt").inc(usage.get("prompt_tokens", 0))
        self.tokens.labels(model, "completion").inc(usage.get("completion_tokens", 0))
        if (first := timings.get("first_token_seconds")) is not None:
            self.first.labels(model).observe(first)

    def text(self) -> bytes:
        return generate_latest(self.registry)
