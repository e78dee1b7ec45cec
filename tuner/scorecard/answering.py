"""What a contender says of each row: its answer, its likelihood of the reference, or its prediction."""

from collections.abc import Callable
from typing import Any

from tuner.data.schema import convert
from tuner.scorecard.contenders import Contender, as_labels
from tuner.scorecard.prompting import question, within
from tuner.serving import chat_client, parallel
from tuner.serving.chat_client import Client

NO_TEXT = "no text to measure"
TOGETHER = 32  # rows that are scored at once
LONGEST = 512  # tokens of an answer: longer references are rare, and an answer that never ends costs no more than this
Row = dict[str, Any]  # {"row", "value"}
Tell = Callable[[int], None]


def likely(said: dict[str, Any]) -> dict[str, Any]:
    """Return the labels that a classifier gives a text."""
    labels = [n["label"] for n in said["labels"] if n["score"] >= 0.5] if said["several"] else [said["labels"][0]["label"]]
    return {"answer": labels, "several": said["several"]}


TEXT_OF: dict[str, Callable[[dict], dict[str, Any]]] = {  # objectives of one text, and what their prediction means
    "classification": likely,
    "regression": lambda said: {"answer": said["value"]},
    "seq2seq": lambda said: {"answer": said["text"]},
}


class Asking:
    """Asks contenders about the rows of a dataset. `tell(n)` is called with the number of rows that are done, of each contender."""

    def __init__(self, client: Client, kind: str, *, tell: Tell, cancelled: Callable[[], bool]):
        self.client, self.kind, self.tell, self.cancelled = client, kind, tell, cancelled

    def results(self, who: Contender, rows: list[Row]) -> list[dict[str, Any]]:
        """Return what the metrics of the objective need of each row; {"left_out": why} for a row that this model can't take."""
        if who.constant is not None:
            self.tell(len(rows))
            return [reference(row["value"], who.objective, self.kind) | {"answer": _alike(who, row["value"])} for row in rows]
        if who.objective == "chat":
            return self._chat(who, rows)
        if who.objective == "text":
            return [{"reference": "", "answer": ""} | s for s in self._scores(who, [r["value"] for r in rows], self.kind, "text")]
        if who.objective == "preference":
            return self._margins(who, rows)
        return self._predictions(who, rows)

    def likelihoods(self, who: Contender, values: list[dict], kind: str) -> list[dict[str, Any]]:
        """Return how likely a model that writes text finds each row: {"nll", "tokens"}, or {"left_out": why}. `kind`: chat or text."""
        return self._scores(who, values, kind, kind)

    def _chat(self, who: Contender, rows: list[Row]) -> list[dict[str, Any]]:
        if who.examples:
            values = [{"messages": within(convert.as_messages(r["value"], self.kind), who.examples, weight=True)} for r in rows]
            found = self._scores(who, values, "chat", "chat", told=False)
        else:
            found = self._scores(who, [r["value"] for r in rows], self.kind, "chat", told=False)
        asked = []
        for i, row in enumerate(rows):
            messages, expected = question(row["value"], self.kind)
            if "left_out" not in found[i] and not expected.strip():
                found[i] = {"left_out": NO_TEXT}
            if "left_out" not in found[i]:
                asked.append((i, messages, expected, row["value"].get("tools")))
        self.tell(len(rows) - len(asked))

        def ask(item: tuple) -> str | dict[str, str]:
            _, messages, _, tools = item
            how = {"temperature": 0.0, "max_tokens": LONGEST} | ({"tools": tools} if tools else {})
            return self._taken(lambda: self.client.answer(who.spec, within(messages, who.examples), leave=self.cancelled, **how).text)

        for (i, messages, expected, _), answer in parallel.completed(ask, asked, cancelled=self.cancelled):
            told = {"question": messages[-1]["content"], "reference": expected, "answer": answer}
            found[i] = answer if isinstance(answer, dict) else told | found[i]
            self.tell(1)
        return found

    def _taken(self, ask: Callable[[], Any]) -> Any:
        """Return what a model says, or {"left_out": why} when it refuses the request; it is asked once more when the worker was gone."""
        try:
            try:
                return ask()
            except chat_client.Gone:
                self.client.connect()
                return ask()
        except chat_client.TunerErrorFromWorker as error:
            if not error.refused:
                raise
            return {"left_out": error.message}

    def _scores(self, who: Contender, values: list[dict], kind: str, objective: str, told: bool = True) -> list[dict[str, Any]]:
        how = {"kind": kind, "objective": objective, "max_length": who.max_length, "fold_system": who.fold_system}
        out: list[dict[str, Any]] = []
        for at in range(0, len(values), TOGETHER):
            part = values[at : at + TOGETHER]
            if self.cancelled():
                return [*out, *[{"left_out": "cancelled"}] * (len(values) - len(out))]
            scored = self._taken(lambda part=part: self.client.scores(who.spec, part, **how))
            scored = [scored] * len(part) if isinstance(scored, dict) else scored
            out += [s if s.get("tokens") else {"left_out": s.get("left_out", NO_TEXT)} for s in scored]
            if told:
                self.tell(len(part))
        return out

    def _margins(self, who: Contender, rows: list[Row]) -> list[dict[str, Any]]:
        """The difference of the log-likelihoods of the better and the worse answer: positive when the model prefers the better one."""
        sides = [
            self._scores(who, [conversation(r["value"], side) for r in rows], "chat", "chat", told=False) for side in ("chosen", "rejected")
        ]
        self.tell(len(rows))
        out = []
        for row, good, bad in zip(rows, *sides, strict=True):
            out.append(
                next((s for s in (good, bad) if "left_out" in s), None) or _pair(row["value"]) | {"margin": bad["nll"] - good["nll"]}
            )
        return out

    def _predictions(self, who: Contender, rows: list[Row]) -> list[dict[str, Any]]:
        if who.objective in TEXT_OF:
            return self._together(who, rows)
        found: list[dict[str, Any]] = [{"left_out": "cancelled"}] * len(rows)

        def predict(item: tuple) -> dict[str, Any]:
            value = item[1]["value"]
            said = self._taken(lambda: self._prediction(who, value))
            return said if "left_out" in said else reference(value, who.objective, self.kind) | said

        for (i, _), result in parallel.completed(predict, list(enumerate(rows)), cancelled=self.cancelled):
            found[i] = result
            self.tell(1)
        return found

    def _together(self, who: Contender, rows: list[Row]) -> list[dict[str, Any]]:
        """Predict many rows with one request; rows without a text are left out."""
        found: list[dict[str, Any]] = [{"left_out": NO_TEXT}] * len(rows)
        asked = [(i, reference(row["value"], who.objective, self.kind)) for i, row in enumerate(rows)]
        asked = [(i, r) for i, r in asked if r["question"].strip()]
        self.tell(len(rows) - len(asked))
        for at in range(0, len(asked), TOGETHER):
            part = asked[at : at + TOGETHER]
            if self.cancelled():
                break
            said = self._taken(lambda part=part: self.client.tasks(who.spec, [r["question"] for _, r in part]))
            for (i, r), one in zip(part, [said] * len(part) if isinstance(said, dict) else said, strict=True):
                found[i] = one if "left_out" in one else r | TEXT_OF[who.objective](one)
            self.tell(len(part))
        return found

    def _prediction(self, who: Contender, value: dict) -> dict[str, Any]:
        if who.objective == "reward":
            values = [
                self.client.task(who.spec, _last(value[side]), question=_last(value["prompt"]))["value"] for side in ("chosen", "rejected")
            ]
            return {"margin": values[0] - values[1]}
        if who.objective == "tokens":
            said = self.client.task(who.spec, " ".join(value["tokens"]))["words"]
            if len(said) != len(value["tokens"]):  # a word with a space in it, or more words than the model reads
                return {"answer": [*(w["label"] for w in said), *["O"] * len(value["tokens"])][: len(value["tokens"])]}
            return {"answer": [w["label"] for w in said]}
        return {"answer": self.client.task(who.spec, value["context"], question=value["question"])["text"]}


def reference(value: dict, objective: str, kind: str) -> dict[str, Any]:
    """Return the question and the right answer of a row, for models that don't chat."""
    if objective == "classification":
        labels = as_labels(value["label"])
        return {"question": value["text"], "reference": labels, "several": isinstance(value["label"], list)}
    if objective == "regression":
        return {"question": value["text"], "reference": float(value["label"])}
    if objective == "tokens":
        return {"question": " ".join(value["tokens"]), "reference": value["tags"]}
    if objective == "qa":
        return {"question": value["question"], "reference": value["answers"]["text"]}
    if objective == "seq2seq":
        source, target = pair(value, kind)
        return {"question": source, "reference": target}
    return _pair(value) | {"margin": 0.0}


def pair(value: dict, kind: str) -> tuple[str, str]:
    """Return the source and the target of a row."""
    if kind == "seq2seq":
        return value["source"], value["target"]
    messages, answer = question(value, kind)
    if len(messages) == 1:
        return messages[0]["content"] or "", answer
    return "\n".join(f"{m['role']}: {m['content'] or ''}" for m in messages), answer


def conversation(value: dict, side: str) -> dict[str, Any]:
    """Return one side of a pair as a chat row of which the last answer counts."""
    before = [m | {"weight": 0} if m["role"] == "assistant" else m for m in value["prompt"]]
    return {"messages": before + value[side]} | ({"tools": value["tools"]} if value.get("tools") else {})


def _alike(who: Contender, value: dict) -> Any:
    return [who.constant] * len(value["tags"]) if who.objective == "tokens" else who.constant


def _pair(value: dict) -> dict[str, Any]:
    return {"question": _last(value["prompt"]), "reference": _last(value["chosen"]), "answer": _last(value["rejected"])}


def _last(messages: list[dict]) -> str:
    return messages[-1]["content"] or "" if messages else ""
