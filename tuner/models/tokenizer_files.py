"""Checks of a model's tokenizer files, without torch.

They check that the tokenizer can be read, that each token has a row in the embedding, and that the tokenizer has the special tokens that
the chat template needs.
"""

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from tuner.errors import ModelError
from tuner.models.model_files import DOCUMENT, FOREIGN, document, header, regular_size, wrong_file

LARGEST = 200 << 20  # bytes of a tokenizer.json; the largest published one has 35 MB
SENTENCEPIECE = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm")
WORDS = ("vocab.json", "vocab.txt", "tekken.json", "tokenizer.tiktoken")
FILES = ("tokenizer.json", *SENTENCEPIECE, *WORDS)
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings|tok_embeddings|shared)\.weight$")
BESIDE = re.compile(r"per_layer|vision|visual|audio")
WITHOUT_BOS = (
    None,
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
    "Qwen2Tokenizer",
    "Qwen2TokenizerFast",
)  # classes that add no bos_token


def check(folder: Path, config: dict[str, Any], weights: list[Path], name: str) -> None:
    """Raise ModelError for a tokenizer that is missing, unreadable or of another model. `config`: that of the language model."""
    settings = document(folder / "tokenizer_config.json")
    _check_there(folder, settings, name)
    if (folder / "tokenizer.json").exists():
        _check_rows(folder, config, weights, settings, name)
    _check_template(folder, settings, name)


def _error(message: str, remedy: str, available: str, asked: str) -> ModelError:
    return ModelError(message, asked=asked, available=available, remedy=remedy, field="model")


# --- does it exist, and can it be read -----------------------------------------------------------------------------------------------


def _check_there(folder: Path, settings: dict[str, Any], name: str) -> None:
    if (folder / "tokenizer.json").exists():
        _tokens(folder / "tokenizer.json")
        return
    found = next((f for f in FILES if (folder / f).exists()), None)
    if found is None:
        raise _error(
            f"{name} has no tokenizer.",
            "Save the tokenizer beside the model: tokenizer.save_pretrained(folder).",
            "folders with tokenizer.json",
            str(folder),
        )
    if isinstance(settings.get("auto_map"), dict) and "AutoTokenizer" in settings["auto_map"]:
        raise _error(
            f"The tokenizer of {name} needs code of its own, and Tunesmith never runs a model's code.",
            "Choose a version of the model with a tokenizer.json.",
            "folders with tokenizer.json",
            str(settings.get("tokenizer_class")),
        )
    if found in SENTENCEPIECE:
        _check_sentencepiece(folder / found, name)
    if found == "vocab.json" and not (folder / "merges.txt").exists():
        raise _error(
            f"{name} has vocab.json but no merges.txt, and the tokenizer needs both.",
            "Copy merges.txt or tokenizer.json from the source of the model.",
            "folders with tokenizer.json, or vocab.json and merges.txt",
            str(folder),
        )


def _check_sentencepiece(file: Path, name: str) -> None:
    if not _pieces(file):
        raise wrong_file(file, "it is not a SentencePiece model")
    if not importlib.util.find_spec("sentencepiece"):
        raise _error(
            f"{name} has its tokenizer only as {file.name}, and reading that needs the library sentencepiece.",
            f"Copy the tokenizer.json of a newer version of the model, or run pip install sentencepiece and convert it: "
            f"transformers.AutoTokenizer.from_pretrained({str(file.parent)!r}).save_pretrained({str(file.parent)!r}).",
            "folders with tokenizer.json",
            file.name,
        )


def _pieces(file: Path) -> int:
    """Return the number of pieces in a SentencePiece model (entries of field 1 of its protocol buffer); 0 for other files."""
    if not 2 < regular_size(file) <= DOCUMENT:
        return 0
    data, at, found = file.read_bytes(), 0, 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 != 2 or not 1 <= key >> 3 <= 200:  # all top-level fields are length-delimited
            return 0
        size, at = _varint(data, at)
        at += size
        if size < 0 or at > len(data):
            return 0
        found += key >> 3 == 1
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (number, end position) of a varint; -1 for one that does not end."""
    value = 0
    for i in range(10):
        if at + i >= len(data):
            break
        value |= (data[at + i] & 127) << 7 * i
        if data[at + i] < 128:
            return value, at + i + 1
    return -1, len(data)


def _tokens(file: Path) -> tuple[int, dict[int, tuple[str, bool]]]:
    """Return (the highest id of the vocabulary, {id: (text, special)} of the added tokens) of a tokenizer.json."""
    stat = (regular_size(file), file.stat().st_mtime_ns)
    return _read_tokens(str(file), *stat)


@lru_cache(maxsize=16)
def _read_tokens(path: str, size: int, changed: int) -> tuple[int, dict[int, tuple[str, bool]]]:
    file = Path(path)
    if size > LARGEST:
        raise wrong_file(file, f"it has {size / 1e6:,.0f} MB; the limit is {LARGEST / 1e6:,.0f} MB")
    try:
        read = orjson.loads(file.read_bytes())
        vocabulary = read["model"].get("vocab") or {}
        ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
        added = {int(t["id"]): (str(t["content"]), bool(t.get("special"))) for t in read.get("added_tokens") or []}
        return max((int(n) for n in ids), default=-1), added
    except FOREIGN as error:
        raise wrong_file(file, str(error)[:200] or type(error).__name__) from error


# --- do the tokens match the weights -------------------------------------------------------------------------------------------------


def _check_rows(folder: Path, config: dict[str, Any], weights: list[Path], settings: dict[str, Any], name: str) -> None:
    """Check that every token has a row in the embedding; a token without one would stop the training.

    Added special tokens that nothing uses are ignored, such as the image tokens of a text-only Gemma.
    """
    rows = _rows(config, weights)
    highest, added = _tokens(folder / "tokenizer.json")
    used = _used(folder, settings)
    beyond = [n for n, (text, special) in added.items() if not special or text in used]
    if not rows or (most := max([highest, *beyond], default=-1)) < rows:
        return
    raise _error(
        f"The tokenizer of {name} has {most + 1:,} tokens, but the model's embedding has only {rows:,} rows.",
        "Copy the tokenizer that belongs to the model, or resize the model once with model.resize_token_embeddings(len(tokenizer)) and save both.",
        f"up to {rows:,} tokens",
        f"{most + 1:,} tokens",
    )


def _rows(config: dict[str, Any], weights: list[Path]) -> int:
    """Return the number of rows of the embedding, from the weights or, failing that, from config.json."""
    for file in weights:
        for tensor, about in header(file).items():
            if (
                EMBEDDING.search(tensor)
                and not BESIDE.search(tensor)
                and len(about["shape"]) == 2
                and about["dtype"] in ("F32", "F16", "BF16")
            ):
                return about["shape"][0]
    size = config.get("vocab_size")
    return size if type(size) is int else 0


def _used(folder: Path, settings: dict[str, Any]) -> str:
    """Return the texts that name the special tokens in use: the chat templates and the tokens of tokenizer_config.json."""
    return "\n".join([*templates(folder, settings), *(text for text in (_text(settings.get(key)) for key in SPECIAL) if text)])


def _text(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token if isinstance(token, str) else None


# --- the template --------------------------------------------------------------------------------------------------------------------


def templates(folder: Path, settings: dict[str, Any] | None = None) -> list[str]:
    """Return the chat templates of a folder as texts; [] without any."""
    file = folder / "chat_template.jinja"
    if file.exists():
        if regular_size(file) > 1 << 20:
            raise wrong_file(file, "it is larger than 1 MB")
        return [file.read_text(encoding="utf-8", errors="replace")]
    settings = document(folder / "tokenizer_config.json") if settings is None else settings
    found = document(folder / "chat_template.json").get("chat_template") or settings.get("chat_template")
    if isinstance(found, list):  # several named templates, as in older files
        found = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
    found = list(found.values()) if isinstance(found, dict) else [found]
    return [t for t in found if isinstance(t, str) and t]


def _check_template(folder: Path, settings: dict[str, Any], name: str) -> None:
    special_tokens = document(folder / "special_tokens_map.json")
    for text in templates(folder, settings):
        for token in _needs(text, name):
            if _lacks(token, settings, special_tokens):
                raise _error(
                    f"The chat template of {name} needs a {token}, but its tokenizer has none.",
                    f'Write the token into "{token}" of tokenizer_config.json (the model\'s page names it), or choose another model.',
                    "a tokenizer with all the tokens that its template uses",
                    token,
                )


def _needs(text: str, name: str) -> list[str]:
    """Return the special tokens without which a template fails: used in expressions without a check that they exist."""
    from jinja2 import TemplateSyntaxError, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(MARKS.sub("", text))
        checked = {n.name for branch in tree.find_all((nodes.If, nodes.CondExpr)) for n in branch.test.find_all(nodes.Name)}
        checked |= {n.test.name for n in tree.find_all((nodes.If, nodes.CondExpr)) if isinstance(n.test, nodes.Name)}
        strict = list(tree.find_all((nodes.Add, nodes.Getattr, nodes.Getitem, nodes.Mod)))
    except TemplateSyntaxError as error:
        raise _error(
            f"The chat template of {name} is broken at line {error.lineno}: {(error.message or '').partition('. ')[0]}.",
            "Copy the chat template from the source of the model, or remove it; a plain one is then used.",
            "a valid Jinja template",
            f"line {error.lineno}",
        ) from error
    except RecursionError as error:
        raise _error(f"The chat template of {name} is nested too deeply.", "Choose another template.", "a Jinja template", name) from error
    inner = [side for n in strict for side in (getattr(n, "left", None), getattr(n, "right", None), getattr(n, "node", None))]
    return sorted({n.name for n in inner if isinstance(n, nodes.Name) and n.name in SPECIAL} - checked)


MARKS = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")  # a tag of transformers that Jinja does not know


def _lacks(token: str, settings: dict[str, Any], special_tokens: dict[str, Any]) -> bool:
    """Return whether the tokenizer lacks this token. Where its files don't mention it, the tokenizer's class may define one."""
    if _text(settings.get(token)) or _text(special_tokens.get(token)):
        return False
    return token in settings or settings.get("tokenizer_class") in WITHOUT_BOS
