"""Make `presets/starter/` from nothing: tokenizer, then a Llama of four million parameters, pre-trained on `world.py`.

    python -m presets.recipe.pretrain [--out presets/starter] [--tokens 10500000] [--device cpu]

In two parts: the world as it is, then a fifth as much with more of what comes hard (sums, lists) at a third of the step.
Deterministic for one machine, library version and thread count: one seed draws the text, another the weights. About
45 minutes on two cores with bf16 arithmetic. The architecture is Llama's (Touvron et al. 2023, arXiv:2302.13971), so everything that works
on the starter works on its big relatives.
"""

import argparse
import math
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from presets.recipe import words, world
from tuner import devices

END, START_TURN, END_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VOCABULARY, CONTEXT, BATCH_TOKENS = 4096, 1024, 6144
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|im_start|>assistant\\n' }}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def make_tokenizer(texts) -> PreTrainedTokenizerFast:
    """Byte-level BPE with GPT-2's pre-tokeniser (Radford et al. 2019): any text can be written, none is unknown."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[END, START_TURN, END_TURN],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END_TURN,
        pad_token=END,
        additional_special_tokens=[START_TURN],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(tokenizer) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rope_theta=10000.0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def rows(tokenizer, seed: int, tokens: int, skills: dict = world.SKILLS):
    """Token ids of conversations, `tokens` in all, none of them longer than the context."""
    rng, total, out = random.Random(seed), 0, []
    while total < tokens:
        chunk = [world.conversation(rng, skills=skills) for _ in range(2000)]
        texts = [tokenizer.apply_chat_template(c, tokenize=False) for c in chunk]
        for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
            out.append(ids[:CONTEXT])
            total += len(out[-1])
    return out


def batches(ids: list[list[int]], rng: random.Random):
    """Rows of like length together (little padding), at most BATCH_TOKENS a batch, in a shuffled order."""
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]) // 4, rng.random()))
    groups, group = [], []
    for i in order:
        if group and len(ids[i]) * (len(group) + 1) > BATCH_TOKENS:
            groups.append(group)
            group = []
        group.append(i)
    groups.append(group)
    rng.shuffle(groups)
    return groups


def loss_of(model, batch, labels):
    """Cross-entropy of every real token; the head sees no padding, which is half of a small model's arithmetic."""
    hidden = model.model(input_ids=batch).last_hidden_state[:, :-1].flatten(0, 1)  # right padding: causal attention never sees it
    targets = labels[:, 1:].flatten()
    real = targets != -100
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[real]).float(), targets[real])


def train(model, tokenizer, ids, device: str, learning_rate: float) -> None:
    """AdamW, 3% warm-up, cosine to a twentieth; the steps are taken by a copy in fp32 of the weights, which may be bf16."""
    groups = batches(ids, random.Random(1))
    params = list(model.parameters())
    master = [p.detach().float().clone() for p in params]
    optimizer = torch.optim.AdamW(
        [
            {"params": [w for w in master if w.dim() > 1], "weight_decay": 0.1},
            {"params": [w for w in master if w.dim() <= 1], "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )
    warm, began, seen, recent = max(1, len(groups) * 3 // 100), time.time(), 0, []
    for step, group in enumerate(groups):
        share = (step - warm) / max(1, len(groups) - warm)
        rate = learning_rate * ((step + 1) / warm if step < warm else 0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)
        for g in optimizer.param_groups:
            g["lr"] = rate
        width = max(len(ids[i]) for i in group)
        batch = torch.full((len(group), width), tokenizer.pad_token_id)
        labels = torch.full((len(group), width), -100)
        for row, i in enumerate(group):
            batch[row, : len(ids[i])] = labels[row, : len(ids[i])] = torch.tensor(ids[i])
        loss = loss_of(model, batch.to(device), labels.to(device))
        loss.backward()
        for p, w in zip(params, master, strict=True):
            w.grad, p.grad = p.grad.float(), None
        torch.nn.utils.clip_grad_norm_(master, 1.0)
        optimizer.step()
        with torch.no_grad():
            for p, w in zip(params, master, strict=True):
                p.copy_(w)
        seen += sum(len(ids[i]) for i in group)
        recent = (recent + [loss.item()])[-50:]
        if step % 50 == 0 or step == len(groups) - 1:
            spent = time.time() - began
            left = spent / (step + 1) * (len(groups) - step - 1)
            print(
                f"step {step + 1}/{len(groups)}  loss {sum(recent) / len(recent):.3f}  {seen / spent:,.0f} tokens/s  {left / 60:.1f} min left",
                flush=True,
            )


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "starter")
    parse.add_argument("--tokens", type=int, default=10_500_000)
    parse.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parse.add_argument("--learning-rate", type=float, default=3e-3)
    parse.add_argument("--practise", type=Path, metavar="FOLDER", help="skip the first part: go on from the model it left in FOLDER")
    parse.add_argument("--threads", type=int, default=2)
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    # a processor without bf16 arithmetic emulates it fifty times slower
    width = torch.bfloat16 if args.device != "cpu" or devices.bf16_is_fast() else torch.float32

    rng = random.Random(7)
    sample = [world.conversation(rng, long_share=0) for _ in range(20_000)]
    spoken = [m["content"] for c in sample for m in c]
    listed = [" ".join(words.ENGLISH + words.GERMAN), " ".join(w.capitalize() for w in words.ENGLISH)] * 40
    tokenizer = make_tokenizer(spoken + listed)
    if args.practise:
        model = LlamaForCausalLM.from_pretrained(args.practise, dtype=width).to(args.device)
    else:
        torch.manual_seed(13)
        model = make_model(tokenizer).to(args.device, width)
        ids = rows(tokenizer, seed=11, tokens=args.tokens)
        print(f"{model.num_parameters():,} parameters, {len(ids):,} conversations, {sum(map(len, ids)):,} tokens", flush=True)
        train(model, tokenizer, ids, args.device, args.learning_rate)
    ids = rows(tokenizer, seed=17, tokens=args.tokens // 5, skills=world.PRACTICE)
    print(f"practice: {len(ids):,} conversations, {sum(map(len, ids)):,} tokens", flush=True)
    train(model, tokenizer, ids, args.device, args.learning_rate / 3)
    model.to("cpu", torch.bfloat16)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=True, temperature=0.3, top_p=0.9
    )
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)


if __name__ == "__main__":
    main()
