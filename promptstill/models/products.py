"""Products with frozen weights, and LoRA layers with fewer passes over memory.

Where the processor multiplies bfloat16 in hardware, frozen weights are kept in bfloat16, and the factors of
their products are rounded to it. All else stays in float32: what the products are added to, attention, the
adapters and their optimiser. On such a processor a product takes a third to a fifth of the time.

peft computes `W x + scale * B (A x)` as four products and two element-wise passes over the output. On a CPU
these passes take about a tenth of a training step. Here the product itself adds the low-rank part (`addmm_`),
forward and backward.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Names of processor features, of which one is enough.
MULTIPLIES_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")


def precision() -> torch.dtype:
    """What frozen weights are kept in on this machine: bfloat16 if it is multiplied in hardware."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(can.get(name) for name in MULTIPLIES_BFLOAT16) else torch.float32


def quicken(model: Any) -> Any:  # noqa: ANN401
    """The model with the weights of its layers in `precision()`. Embeddings and head stay as they are."""
    kept = precision()
    head = model.get_output_embeddings()
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and layer is not head and layer.weight.dtype != kept:
            layer.weight.data = layer.weight.data.to(kept)
            if layer.bias is not None:
                layer.bias.data = layer.bias.data.to(kept)
            layer.forward = partial(_product, layer)  # type: ignore[method-assign]
    return model


def _product(layer: nn.Linear, x: Tensor) -> Tensor:
    return functional.linear(x.to(layer.weight.dtype), layer.weight, layer.bias).to(x.dtype)


class LoraProduct(torch.autograd.Function):
    """`x W^T + scale * x A^T B^T` for x of shape (..., in), W (out, in), A (rank, in), B (out, rank).

    The factors are rounded to the type of W, the results are of the types of x, A and B. Gradients flow to x,
    A and B; W is frozen.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:  # noqa: ANN401
        """Keep x and its image under A for the backward pass."""
        flat, low_a, low_b = x.reshape(-1, x.shape[-1]).to(w.dtype), a.to(w.dtype), b.to(w.dtype)
        low = flat @ low_a.T
        out = (flat @ w.T).addmm_(low, low_b.T, alpha=scale)
        ctx.save_for_backward(flat, low, w, low_a, low_b)
        ctx.scale, ctx.shape, ctx.types = scale, x.shape, (x.dtype, a.dtype, b.dtype)
        return out.view(*x.shape[:-1], -1).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, None]:  # noqa: ANN401
        """Gradients of x (if it needs one), A and B."""
        flat, low, w, a, b = ctx.saved_tensors
        of_x, of_a, of_b = ctx.types
        up = gradient.reshape(-1, gradient.shape[-1]).to(w.dtype)
        back = (up @ b).mul_(ctx.scale)
        to_x = (up @ w).addmm_(back, a).view(ctx.shape).to(of_x) if ctx.needs_input_grad[0] else None
        return to_x, None, (back.T @ flat).to(of_a), (up.T @ low).mul_(ctx.scale).to(of_b), None


def fuse(model: Any, adapter: str = "default") -> Any:  # noqa: ANN401
    """The peft model, which runs every LoRA layer that has no dropout and no bias as one `LoraProduct`.

    Weights, names and files stay those of peft; only `forward` is replaced. Layers with dropout or bias keep
    peft's own.
    """
    from peft.tuners.lora import Linear

    for layer in model.modules():
        if (
            isinstance(layer, Linear)
            and adapter in layer.lora_A
            and isinstance(layer.lora_dropout[adapter], nn.Identity)
            and layer.base_layer.bias is None
        ):
            layer.forward = partial(_forward, layer, adapter)
    return model


def _forward(layer: Any, adapter: str, x: Tensor) -> Tensor:  # noqa: ANN401
    a, b = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
    product: Tensor = LoraProduct.apply(  # type: ignore[no-untyped-call]
        x, layer.base_layer.weight, a, b, layer.scaling[adapter]
    )
    return product
