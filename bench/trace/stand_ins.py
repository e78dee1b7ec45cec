"""What a card does and fake tensors of the CPU don't: put in place for the time of a trace."""

import contextlib
import functools
from collections.abc import Iterator
from unittest import mock

import torch
from torch.nn import functional as F

WIDE = {  # of CUDA's autocast list of float32 (torch docs, "CUDA Ops that can autocast to float32") what these models call
    F: ("layer_norm", "group_norm", "softmax", "log_softmax", "cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy_with_logits"),
    torch: ("softmax", "log_softmax", "pow", "rsqrt", "exp", "log", "sum", "cumsum", "norm"),
    torch.Tensor: ("softmax", "log_softmax", "pow", "rsqrt", "exp", "log", "sum", "cumsum", "norm"),
}


def widened(func):
    """Under autocast the CPU leaves in bf16 what a card computes in float32."""

    @functools.wraps(func)
    def call(*args, **kwargs):
        if torch.is_autocast_enabled("cpu") and kwargs.get("dtype") is None:
            args, kwargs = tuple(map(_wide, args)), {k: _wide(v) for k, v in kwargs.items()}
        return func(*args, **kwargs)

    return call


def _wide(value):
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16) else value


class Kernel(torch.autograd.Function):
    """The buffers of FlashAttention-2 (no `bias`) and of the memory-efficient kernel: what they keep, and what their backward takes.

    q, k, v [B, heads, T, D]; `bias` [B, 1 or heads, T, T] of the width of q, or None. (aten/native/transformers/cuda)
    """

    @staticmethod
    def forward(ctx, q, k, v, bias):
        out = torch.empty_like(q)
        sums = q.new_empty(q.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(q, k, v, out, sums, *([bias] if bias is not None else []))
        ctx.learnt = bias is not None and bias.requires_grad
        return out

    @staticmethod
    def backward(ctx, grad):
        q, k, v, out, sums, *bias = ctx.saved_tensors
        grad = grad.contiguous()
        delta = torch.empty_like(sums)
        sum_q = torch.empty_like(q, dtype=torch.float32) if not bias else None
        dq = torch.empty_like(q)
        wide = q.shape[1] if q.shape[1] != k.shape[1] else None  # grouped keys: gradients for each head, then summed
        dk, dv = (t.new_empty(t.shape[0], wide, *t.shape[2:]) if wide else torch.empty_like(t) for t in (k, v))
        if wide:
            dk, dv = (d.view(d.shape[0], k.shape[1], -1, *d.shape[2:]).sum(2) for d in (dk, dv))
        del delta, sum_q
        return dq, dk, dv, torch.empty_like(bias[0]) if ctx.learnt else None


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """torch's scaled_dot_product_attention as a card allocates it."""
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (t.to(torch.get_autocast_dtype("cpu")) for t in (query, key, value))
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:  # convert_boolean_attn_mask: a new tensor for each layer
            attn_mask = torch.where(attn_mask, 0.0, -torch.inf)
        attn_mask = attn_mask.to(query.dtype)
    return Kernel.apply(query, key, value, attn_mask)


class Packed(torch.autograd.Function):
    """bitsandbytes' MatMul4Bit: the weight is unpacked for the product, forth and back (bitsandbytes/autograd/_functions.py)."""

    @staticmethod
    def forward(ctx, x, packed, bias, state):
        ctx.save_for_backward(packed)
        ctx.state = state
        return F.linear(x, unpacked(packed, state), bias)

    @staticmethod
    def backward(ctx, grad):
        (packed,) = ctx.saved_tensors
        return grad @ unpacked(packed, ctx.state), None, None, None


def unpacked(packed: torch.Tensor, state) -> torch.Tensor:
    constants = packed.new_empty(packed.numel() * 2 // 64, dtype=torch.float32)
    out = packed.new_empty(state.shape, dtype=state.dtype)
    del constants
    return out


def packed_product(x, packed, quant_state, out=None, bias=None):
    return Packed.apply(x, packed, bias, quant_state)


def _reassign(self, fn, recurse=True):
    """nn.Module._apply by plain assignment: fake parameters can't be swapped in place."""
    for child in self.children() if recurse else ():
        child._apply(fn)
    for store in (self._parameters, self._buffers):
        for name, tensor in store.items():
            if tensor is None:
                continue
            made = fn(tensor)
            if made is not tensor:
                store[name] = torch.nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, torch.nn.Parameter) else made
    return self


@contextlib.contextmanager
def in_place(*, card: bool, padded: bool) -> Iterator[None]:
    """All of them; `padded`: a mask with gaps, which sdpa then has to take (else it is left out, and the kernel is causal by itself)."""
    import bitsandbytes
    import transformers.masking_utils as masks
    import trl.kernels.chunked_logprob as head

    def truth(self):
        return not padded

    every = [
        mock.patch.object(masks, "is_tracing", lambda tensor=None: False),  # or it would give up leaving masks out
        mock.patch.object(torch.Tensor, "item", lambda self: 1.0),
        mock.patch.object(torch.Tensor, "tolist", lambda self: [1] * self.numel()),
        mock.patch.object(torch.Tensor, "__bool__", truth),
        mock.patch.object(torch.Tensor, "nonzero", lambda self: torch.arange(self.numel()).unsqueeze(1).repeat(1, self.dim())),
        mock.patch.object(torch.Tensor, "__float__", lambda self: 1.0),
        mock.patch.object(torch.Tensor, "__int__", lambda self: 1),
        mock.patch.object(torch.nn.Module, "_apply", _reassign),
    ]
    if card:
        every += [mock.patch.object(where, name, widened(getattr(where, name))) for where, names in WIDE.items() for name in names]
        every += [
            mock.patch.object(F, "scaled_dot_product_attention", attention),
            mock.patch.object(bitsandbytes, "matmul_4bit", packed_product),
            mock.patch.object(head, "_forward_tile", lambda *a, **k: None),
            mock.patch.object(head, "_backward_tile", lambda *a, **k: None),
            mock.patch.object(head, "_addmm_fp32", lambda acc, a, b: None),
        ]
    with contextlib.ExitStack() as stack:
        for one in every:
            stack.enter_context(one)
        yield
