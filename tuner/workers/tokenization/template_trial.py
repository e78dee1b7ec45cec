"""What a person's chat template has to do before anything is trained with it: write conversations, whole, with answers that can be trained.

A template may refuse some conversations, which are left out and counted as with any model's template, but not all of them.
"""

from dataclasses import dataclass
from typing import Any

from tuner.models.chat_templates import THINKING
from tuner.models.custom_template import Problem, brief, wrong_line
from tuner.workers.tokenization.template_render import ANEW, NO_ANSWER, Ranges, Renderer, TemplateRefusal
from tuner.workers.tokenization.template_sandbox import CONVERSATIONS, LETTERS, MEMORY

Conversation = tuple[list[dict], list[dict] | None]  # messages, tools
PROBE = "Forty-two, said after a while."  # an answer that no template contains by itself
MARKED = "Put {% generation %} before and {% endgeneration %} after what the template writes of an answer."
PROMPT = (
    "With add_generation_prompt the template has to end with what stands before an answer, such as the name of the assistant. It ends "
    "otherwise, so a chat would ask the model in another way than the training did."
)


@dataclass(frozen=True)
class Written:
    """A conversation as the template writes it; `answer`: the index and the text of the last answer that is trained."""

    conversation: Conversation
    text: str
    spans: Ranges
    answer: tuple[int, str] | None


def trial(template: str, special: dict[str, Any], own: list[Conversation]) -> tuple[Problem | None, list[str]]:
    """Return why a template can't be used (None: it can), and what a person should know about it. `own`: conversations of the dataset;
    without them those of the sandbox are to be written."""
    try:
        renderer = Renderer(template, special)
        written, refused = _write(renderer, own or list(CONVERSATIONS))
        if not written:
            return refused or _unusable(template, "it writes no conversation", "Loop over `messages`."), []
        found = (
            _first_problem(template, renderer, written) or _others(template, renderer)
            if own
            else _first_problem(template, renderer, written)
        )
        return found, [] if found else [PROMPT] * any(_asks_otherwise(renderer, w) for w in written)
    except MemoryError:
        return _unusable(template, f"it takes more than {MEMORY >> 20} MB", "Let it write less."), []
    except Exception as error:  # compiling it: the template is a stranger's program
        return _of_error(template, error), []


def _write(renderer: Renderer, conversations: list[Conversation]) -> tuple[list[Written], Problem | None]:
    """Return the conversations that the template accepts, and why it refuses the first of the others."""
    written, refused = [], None
    for messages, tools in conversations:
        try:
            text, spans = renderer.write(messages, tools)
            written.append(Written((messages, tools), text, spans, _last_answer(messages)))
        except TemplateRefusal as refusal:
            refused = refused or _of_refusal(renderer.template, refusal)
    return written, refused


def _others(template: str, renderer: Renderer) -> Problem | None:
    """Return what is wrong with conversations that the dataset lacks and a chat may bring: only their size is judged."""
    written, _ = _write(renderer, list(CONVERSATIONS))
    return next((p for w in written if (p := _too_long(template, w))), None)


def _first_problem(template: str, renderer: Renderer, written: list[Written]) -> Problem | None:
    return next((p for w in written if (p := _too_long(template, w) or _answer_lost(template, w))), None) or _constant(
        template, renderer, written
    )


def _too_long(template: str, w: Written) -> Problem | None:
    if len(w.text) <= LETTERS:
        return None
    return _unusable(
        template, f"it writes {len(w.text):,} characters for a conversation of {len(w.conversation[0])} messages", "Let it write less."
    )


def _answer_lost(template: str, w: Written) -> Problem | None:
    """Return that an answer is not in the text, or not in the part of it that is trained."""
    if w.answer is None:
        return None
    number, answer = w.answer
    if answer not in w.text:
        why = f"message {number + 1}, an answer, is not in the text of a conversation of {len(w.conversation[0])} messages"
        return _unusable(template, why, "Write {{ message['content'] }} for each message of the assistant.")
    if not any(answer in w.text[a:b] for a, b in w.spans):
        return _unusable(template, "the part between {% generation %} and {% endgeneration %} does not contain the whole answer", MARKED)
    return None


def _constant(template: str, renderer: Renderer, written: list[Written]) -> Problem | None:
    """Return that another answer gives no other text."""
    for w in written:
        if w.answer is None:
            continue
        (messages, tools), at = w.conversation, w.answer[0]
        other = [*messages[:at], messages[at] | {"content": PROBE}, *messages[at + 1 :]]
        try:
            text, _ = renderer.write(other, tools)
        except TemplateRefusal:
            continue
        if PROBE not in text:
            return _unusable(
                template, "its text does not change with the answer", "Write {{ message['content'] }} for each message of the assistant."
            )
        return None
    return None


def _asks_otherwise(renderer: Renderer, w: Written) -> bool:
    """Return whether the generation prompt is not what stands before the answer in training; an opened reasoning tag may follow it."""
    if w.answer is None:
        return False
    (messages, tools), (at, answer) = w.conversation, w.answer
    begin = next(a for a, b in reversed(w.spans) if answer in w.text[a:b])
    if renderer.how == "prefixes" and not any(tag in w.text[begin:] for pair in THINKING for tag in pair):
        begin = w.text.index(answer, begin)  # without marks, what the prompt lacks would count as a part of the answer
    try:
        asked = renderer.render([{k: v for k, v in m.items() if k != "weight"} for m in messages[:at]], tools, True)[0]
    except Exception:  # it does not accept a conversation that ends with a question
        return True
    return not asked.startswith(w.text[:begin].rstrip())


def _last_answer(messages: list[dict]) -> tuple[int, str] | None:
    for i in reversed(range(len(messages))):
        message, answer = messages[i], str(messages[i].get("content") or "").strip()
        if message["role"] == "assistant" and answer and float(message.get("weight") if message.get("weight") is not None else 1):
            return i, answer
    return None


# --- errors in words --------------------------------------------------------------------------------------------------------


def _unusable(template: str, why: str, remedy: str) -> Problem:
    return Problem(
        f"The chat template can't be used: {why}.", str(brief(template)), "a template that writes each message of a conversation", remedy
    )


def _of_refusal(template: str, refusal: TemplateRefusal) -> Problem:
    """Return a refusal as a problem: an error of the template with its line, or answers that can't be found."""
    if refusal.__cause__ is not None:
        return _of_error(template, refusal.__cause__)
    if str(refusal) == NO_ANSWER:
        return _unusable(template, "it does not write the answers, or nothing of them is between the marks", MARKED)
    if str(refusal) == ANEW:
        return _unusable(template, "it writes earlier messages in another way when others follow, so the answers can't be found", MARKED)
    return _unusable(template, str(refusal).replace("the model's chat template", "it"), MARKED)


def _of_error(template: str, error: BaseException) -> Problem:
    of_jinja = any(c.__name__ == "TemplateError" for c in type(error).__mro__)
    why = str(error) if of_jinja and str(error) else f"{type(error).__name__}: {error}"
    return wrong_line(template, getattr(error, "lineno", None) or _line(error), why[:300])


def _line(error: BaseException) -> int | None:
    """Return the line of the template in which an error was raised."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
