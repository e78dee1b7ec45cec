"""Tiny models from configs with a tokenizer of their own, and data that they can learn in a few steps."""

import random
from pathlib import Path

import pytest

from tests.workers.test_objectives import COLOURS, WORDS, asked, coloured
from tests.workers.test_peft_methods import BARE, CONFIGS, family

SIZE = 128  # rows of the models' embeddings; the tokenizer knows some words fewer
LOUDER, ROWS = 5, 16
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> dict[str, Path]:
    """Folders of models with weights of chance, by kind, as a person would bring them."""
    import torch
    import transformers

    place, out = tmp_path_factory.mktemp("tiny"), {}
    tokenizer = made_tokenizer()
    for kind, config in CONFIGS.items():
        c = config()
        c.vocab_size, c.pad_token_id, c.bos_token_id, c.eos_token_id, c.decoder_start_token_id = SIZE, 0, 2, 3, 2
        torch.manual_seed(0)
        model = getattr(transformers, BARE[family(kind)]).from_config(c)
        with torch.no_grad():  # weights of chance are so small that what is put beside them could hardly be heard
            for p in model.parameters():
                p.mul_((2 if kind == "t5" else LOUDER) if p.dim() > 1 else 1)  # T5's are larger by themselves
        out[kind] = place / kind
        model.save_pretrained(out[kind])
        tokenizer.save_pretrained(out[kind])
    return out


def made_tokenizer():
    """WordPiece in the manner of BERT's: whole words, but for a few that it must put together from letters. Its words are listed and not
    learnt, for the trainers of `tokenizers` settle ties by chance."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz"
    whole = [w for w in WORDS + COLOURS + "which colour is it what comes next say user assistant".split() if w not in ("garden", "bridge")]
    words = dict.fromkeys([*SPECIAL, *"?.,:", *letters, *(f"##{c}" for c in letters), *whole])
    core = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="[SEP]", mask_token="[MASK]", model_input_names=["input_ids", "attention_mask"], **names
    )


def rows_for(objective: str) -> list[dict]:
    """Rows in which a colour is what is asked for."""
    texts, chance = coloured(ROWS), random.Random(9)
    if objective == "chat":
        return [{"messages": [{"role": "user", "content": r["text"]}, {"role": "assistant", "content": r["label"]}]} for r in texts]
    if objective in ("preference", "reward"):
        others = {r["label"]: next(c for c in COLOURS if c != r["label"]) for r in texts}
        return [{"prompt": r["text"], "chosen": r["label"], "rejected": others[r["label"]]} for r in texts]
    if objective == "text":
        return [{"text": f"{r['label']} {r['label']} {r['text']}"} for r in texts]
    if objective == "regression":
        return [{"text": f"{r['text']} " + "red " * (n := chance.randint(0, 4)), "label": 10.0 * n} for r in texts]
    if objective == "tokens":
        return [{"tokens": (words := r["text"].split()), "tags": [str(w in COLOURS) for w in words]} for r in texts]
    if objective == "qa":
        return asked(ROWS, 10, 5)
    if objective == "seq2seq":
        return [{"source": r["text"], "target": r["label"]} for r in texts]
    return texts
