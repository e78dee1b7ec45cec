"""What ends an answer."""


def end_tokens(model, tokenizer) -> list[int]:
    """Return all end tokens: those of the generation config and of the tokenizer, which may differ."""
    ids = model.generation_config.eos_token_id
    ids = ids if isinstance(ids, list) else [] if ids is None else [ids]
    return list(dict.fromkeys([*ids, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])]))
