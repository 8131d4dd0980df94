"""Directions: along what the hidden states of two sentences differ.

Fitted on the states of some pairs and used on those of others, all hidden states at once:

    difference  delta = mean(source) - mean(base)
    probe       (T + shrinkage tr(T) / width I)^-1 delta,  T the covariance of all states

The difference of means is the mass-mean direction of Marks & Tegmark 2023 (arXiv 2310.06824).  The
probe is ridge regression on the label, which has the direction of linear discriminant analysis with
a shrunken covariance (Friedman 1989; Hastie, Tibshirani & Friedman 2009, 4.3.1).  Both follow from
sums over the pairs, so that states need not be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64

States = Float[np.ndarray, "*states n width"]
Vectors = Float64[np.ndarray, "*states width"]

# As tables have them: directions that are not fitted, and levels of a design set against an item's.
RANDOM = "random"
SAME, ANOTHER = "the same", "another"

# Variance of states that are all the same, as a share of their squares.
ROUNDING = 1e-12


class Moments(NamedTuple):
    """Sums over n states of source sentences, and over as many of base sentences."""

    n: int
    source: Vectors
    base: Vectors
    products: Float64[np.ndarray, "*states width width"] | None  # of both; None: for no probe

    @property
    def middle(self) -> Vectors:
        """Between both means: where a direction tells source from base."""
        middle: np.ndarray = (self.source + self.base) / (2 * self.n)
        return middle


def moments(source: States, base: States, products: bool = True) -> Moments:
    """Sums over the states of pairs.

    Args:
        products: whether they are to serve for a probe.
    """
    source, base = source.astype(np.float64), base.astype(np.float64)
    squares = sum(x.mT @ x for x in (source, base)) if products else None
    return Moments(source.shape[-2], source.sum(-2), base.sum(-2), squares)


def pooled(parts: Sequence[Moments]) -> Moments:
    """The moments of all states of several."""
    products = [part.products for part in parts if part.products is not None]
    return Moments(
        sum(part.n for part in parts),
        np.sum([part.source for part in parts], axis=0),
        np.sum([part.base for part in parts], axis=0),
        np.sum(products, axis=0) if len(products) == len(parts) else None,
    )


def difference_of_means(of: Moments) -> Vectors:
    """From the mean base state to the mean source state, in units of the residual stream."""
    difference: np.ndarray = (of.source - of.base) / of.n
    return difference


def probe(of: Moments, shrinkage: float) -> Vectors:
    """Weights of a regularised linear probe of source against base; 0 where no state differs.

    Args:
        of: with products.
        shrinkage: ridge added to every variance, as a share of the mean variance; above 0.
    """
    assert of.products is not None
    squares = of.products / (2 * of.n)
    covariance = squares - of.middle[..., :, None] * of.middle[..., None, :]
    size, variance = (np.trace(x, axis1=-2, axis2=-1) for x in (squares, covariance))
    varies = (variance > ROUNDING * size)[..., None, None]
    one = np.eye(covariance.shape[-1])
    ridge = shrinkage * variance[..., None, None] / len(one)
    system = np.where(varies, covariance + ridge * one, one)
    weights = np.linalg.solve(system, difference_of_means(of)[..., None])
    return np.asarray(np.where(varies[..., 0], weights[..., 0], 0.0))


def unit(vectors: Vectors) -> Vectors:
    """Vectors of length 1; 0 stays 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return scaled


def told_apart(
    direction: Vectors, middle: Vectors, source: States, base: States
) -> Float64[np.ndarray, "*states n"]:
    """Share of a pair's two states that a direction puts on their own side of the middle.

    Where a direction does not tell the two apart, that is one half.
    """
    sides = [
        np.einsum("...nw,...w->...n", states - middle[..., None, :], direction) > 0
        for states in (source, base)
    ]
    right: np.ndarray = (sides[0].astype(float) + ~sides[1]) / 2
    return right
