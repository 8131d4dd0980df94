"""Linear maps with fixed weights, at the best rate that torch has for them.

In float32 on a CPU, oneDNN multiplies with weights that are laid out for it once, and applies the
activation function while a result is still in the cache.  Where the processor has AVX-512 that is
faster than the BLAS behind `torch.nn.functional.linear`, without it at few rows only.  CUDA, other
precisions, builds of torch without oneDNN, and inputs whose gradient is wanted take the ordinary
product.

The choice follows from the processor and the number of rows, never from a measurement: the same
machine gives the same bytes again.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Activation = Literal["none", "silu", "gelu", "gelu_tanh"]

# Name and algorithm under which oneDNN's operator knows them.
FUSED = {
    "none": ("none", ""),
    "silu": ("swish", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
}


# Most rows at which packed weights pay on a processor without AVX-512.
FEW_ROWS = 128


def packed_pays(rows: int) -> bool:
    """Whether oneDNN's product of so many rows is the faster one on this processor.

    torch names what it uses of the processor; ``ATEN_CPU_CAPABILITY`` can narrow it.
    """
    return rows <= FEW_ROWS or bool(torch.backends.cpu.get_cpu_capability() == "AVX512")


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN takes products with a weight; `torch.backends.mkldnn` can switch it off."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and bool(torch.backends.mkldnn.is_available())
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


class Linear:
    """activation(scale x W^T + bias).

    Args:
        weight: [outputs, inputs].
        bias: [outputs].
        scale: factor of the product, free of charge.
        activation: what is applied to the result.
    """

    def __init__(
        self,
        weight: Float[Tensor, "outputs inputs"],
        bias: Float[Tensor, " outputs"],
        scale: float = 1.0,
        activation: Activation = "none",
    ) -> None:
        self.weight, self.bias = weight, bias
        self.scale, self.activation = scale, activation

    def __call__(self, x: Float[Tensor, "... inputs"]) -> Float[Tensor, "... outputs"]:
        if can_pack(self.weight) and packed_pays(x.shape[:-1].numel()) and not x.requires_grad:
            return self.packed(x)
        return self.ordinary(x)

    def packed(self, x: Float[Tensor, "... inputs"]) -> Float[Tensor, "... outputs"]:
        """By oneDNN (`can_pack`)."""
        name, algorithm = FUSED[self.activation]
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self.bias, name, [], algorithm
        )
        return product

    def ordinary(self, x: Float[Tensor, "... inputs"]) -> Float[Tensor, "... outputs"]:
        """By the BLAS, or whatever a device has."""
        rows = x.flatten(0, -2)
        product = torch.addmm(self.bias, rows, self.weight.T, alpha=self.scale)
        return self._activate(product).view(*x.shape[:-1], -1)

    @cached_property
    def _packed(self) -> Tensor:
        """The scaled weight as oneDNN wants it; a copy, made when it is first needed."""
        weight = self.weight if self.scale == 1.0 else self.weight * self.scale
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        return packed

    def _activate(self, product: Tensor) -> Tensor:
        if self.activation == "none":
            return product
        if self.activation == "silu":
            return F.silu(product, inplace=not product.requires_grad)
        return F.gelu(product, approximate="tanh" if self.activation == "gelu_tanh" else "none")
