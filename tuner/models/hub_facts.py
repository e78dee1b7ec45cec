"""Models on the Hub that are not downloaded yet: what they are, and whether they can be trained, from small files only."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.errors import ModelError, NetworkError, translate
from tuner.models import card_languages, stored_formats
from tuner.models.facts import ModelFacts
from tuner.models.from_config import check_config, facts_from_config
from tuner.models.model_files import document


def facts(id: str, token: str | bool) -> ModelFacts:
    """Return the facts of a model on the Hub, from its file list and two small files; no weights are downloaded."""
    import httpx
    from huggingface_hub import HfApi, constants

    try:
        if not constants.HF_HUB_OFFLINE:
            httpx.head(constants.ENDPOINT, timeout=5)  # fails fast: without a network the download itself retries for 23 s
        listed = HfApi().model_info(id, token=token)
        files = {f.rfilename for f in listed.siblings or []}
        config = _document(id, "config.json", files, token)
        check(id, files, config)
        tokenizer_config = _document(id, "tokenizer_config.json", files, token)
        template = bool(tokenizer_config.get("chat_template")) or bool({"chat_template.jinja", "chat_template.json"} & files)
        found = facts_from_config(config, name=id, has_template=template, languages=_of_card(listed))
        if found.notes:  # an unknown model_type: count the parameters in the headers of its weights
            found = replace(found, parameters=sum(HfApi().get_safetensors_metadata(id, token=token).parameter_count.values()))
        return found
    except Exception as error:
        raise translate(error) or NetworkError(
            f"{id} can't be looked up on the Hub.",
            asked=id,
            available="models on this computer",
            remedy="Check the network and the spelling.",
        ) from error


def _of_card(listed: Any) -> tuple[str, ...]:
    """Return the languages of the model card, whose front matter comes with the list of files."""
    return card_languages.listed(getattr(getattr(listed, "card_data", None), "language", None) or [])


def check(id: str, files: set[str], config: dict[str, Any]) -> None:
    """Raise ModelError for a repository that can't be trained, judging by its file names and its config.json."""
    if "adapter_config.json" in files and not stored_formats.weights(files):
        raise ModelError(
            f"{id} contains an adapter, not a complete model.",
            asked=id,
            available="complete models, and adapters in a folder on this computer",
            remedy="Choose the base model that its page names, or download the adapter and choose its folder.",
            field="model",
        )
    stored_formats.check_files(files, id, id, config)
    if "config.json" not in files or not stored_formats.weights(files):
        raise ModelError(
            f"{id} has no {'weights' if 'config.json' in files else 'config.json, so it is not a model'}.",
            asked=id,
            available="models with config.json, a tokenizer and *.safetensors",
            remedy="Check the id, or choose another model.",
            field="model",
        )
    stored_formats.check_names(files, id, id)
    check_config(config, files, id)


def _document(id: str, file: str, files: set[str], token: str | bool) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    return document(Path(hf_hub_download(id, file, etag_timeout=5, token=token))) if file in files else {}
