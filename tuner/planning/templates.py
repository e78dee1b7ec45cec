"""The chat template of a run: the plan's choice for a model without one, and what it means to replace a model's own."""

from typing import Any

from tuner.models import Model, ModelFacts, chat_templates, custom_template, tokenizer_files
from tuner.planning import token_counts
from tuner.planning.decisions import Choices
from tuner.runs import run_warnings
from tuner.settings import objectives


def decide(choices: Choices, facts: ModelFacts) -> list[str]:
    """Decide the template of a model that needs one and has none; return the notes about it."""
    if facts.has_template or not _used(choices, facts):
        return []
    choices.decide("chat_template", "plain", "A template of plain words that any model has seen; it is saved with the result.")
    if custom_template.is_custom(choices.settings.chat_template):
        return ["This model has no chat template. Conversations are written with yours, which is saved with the result."]
    example = chat_templates.SAMPLES[choices.settings.chat_template].replace("\n", " ⏎ ")
    return [f"This model has no chat template. Conversations will look like this: {example}"]


def ignored(template: str | None, facts: ModelFacts) -> str | None:
    """Return why a chosen template has no effect on this model; None when it has one."""
    if facts.family != "decoder":
        return "Only decoder models have one."
    if facts.has_template and not custom_template.is_custom(template):
        return "The model's own chat template is used."
    return None


def own(model: Model) -> str | None:
    """Return the template that comes with a model, with marks around the answers where such a copy of it is known; None when it has none,
    or is not on this computer yet."""
    folder = token_counts.tokenizer_folder(model)
    found = next(iter(tokenizer_files.templates(folder)), None) if folder else None
    return (custom_template.marked(found)[0] or found) if found else None


def warnings(choices: Choices, model: Model) -> list[dict[str, Any]]:
    """Return the warning that the model's own template is replaced by another one."""
    facts, template = model.facts, choices.settings.chat_template
    if not (facts.has_template and _used(choices, facts) and custom_template.is_custom(template)):
        return []
    if template.strip() == (own(model) or "").strip():
        return []
    message = (
        "Your chat template replaces the model's own. The model was taught another format: it has to learn yours from these rows, and may "
        "answer worse where they teach little. Programs that write the model's own format no longer fit the result."
    )
    remedy = "Reset the chat template to keep the model's own, unless your conversations need another format."
    return [run_warnings.make("template_replaced", message, remedy)]


def _used(choices: Choices, facts: ModelFacts) -> bool:
    return facts.family == "decoder" and choices.settings.objective in objectives.USES_CHAT_TEMPLATE
