"""Load a model's tokenizer and chat template, without torch: for training, chat, export and preview."""

from pathlib import Path

from tuner import models
from tuner.errors import ModelError
from tuner.models.chat_templates import PLAIN, TEMPLATES
from tuner.models.custom_template import is_custom
from tuner.system.untrusted import regular
from tuner.workers.tokenization import template_sandbox

PLAIN_TEMPLATE = PLAIN


def local_folder(base: str) -> Path:
    """Return the folder of a base model's weights: the folder itself, or the downloaded snapshot of a Hub id. ModelError when it is missing."""
    if Path(base).is_dir():
        return Path(base)
    folder = models.cached_snapshot(base)
    if folder is None:
        raise ModelError(
            f"The weights of {base} are not on this computer.",
            asked=base,
            available="models that were downloaded",
            remedy="Start the run again with a network connection: it downloads them first.",
            field="model",
        )
    return folder


LARGEST = 200 << 20  # bytes of a tokenizer.json; the largest published one has 35 MB


def _read(folder: Path):
    """Load the tokenizer with transformers; ModelError when that fails."""
    from transformers import AutoTokenizer

    file = folder / "tokenizer.json"
    if file.is_file() and (size := regular(file).st_size) > LARGEST:
        raise _unreadable(folder, f"its tokenizer.json has {size / 1e6:,.0f} MB, more than {LARGEST / 1e6:,.0f} MB")
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except BaseException as error:  # the library raises bare Exceptions, and a Rust panic is not even an Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        raise _unreadable(folder, f"{type(error).__name__}: {error}"[:300]) from error


def _unreadable(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"The tokenizer of {folder.name} can't be read: {why}.",
        asked=str(folder),
        available="a tokenizer as save_pretrained writes it",
        remedy="Copy the model's own tokenizer files again.",
        field="model",
    )


def tokenizer(folder: Path, template: str | None = None):
    """Return the model's tokenizer with a padding token. `template` is the setting: a template replaces the tokenizer's own, a name is for
    one without. An encoder's tokenizer has a separator instead of an end token and needs no template.

    An unknown template is tested once in a separate process; ModelError when it can't be used.
    """
    tok = without_template(folder)
    if tok.eos_token is None:
        return tok
    if is_custom(template):
        tok.chat_template = template
    if not tok.chat_template:
        tok.chat_template = TEMPLATES[template or "plain"]
    else:
        template_sandbox.check(tok.chat_template, tok.special_tokens_map, name=folder.name)
    return tok


def without_template(folder: Path):
    """Return the model's tokenizer with a padding token, whatever its template; without an end token only an encoder's."""
    tok = _read(folder)
    if tok.eos_token is None and tok.sep_token is not None:
        return tok
    if tok.eos_token is None:
        raise ModelError(
            f"The tokenizer of {folder.name} has no end token.",
            asked=str(folder),
            available="tokenizers with an eos_token",
            remedy='Add "eos_token" to its tokenizer_config.json.',
            field="model",
        )
    if tok.pad_token is None:
        tok.pad_token = tok.eos_token
    return tok
