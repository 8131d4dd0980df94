"""Combinations: which interventions are defined for which site.

For the job graph and the engine alike, and without words, which rerun no sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from negtrace.errors import InputError

# Of which sites there are windows of blocks, no single heads, and a source run alone to patch from.
WITH_WINDOWS = ("attn_out", "mlp_out", "head")
WITHOUT_HEADS = ("resid", "attn_out", "mlp_out")
FROM_SOURCE_ALONE = ("pattern",)


def check_combination(
    site: str,
    window: int = 1,
    heads: Sequence[Any] | None = None,
    head_sets: Sequence[Any] | None = None,
    layers: Sequence[int] | None = None,
    donor: str = "source",
) -> None:
    """Whether an intervention is defined for its site.

    Raises:
        InputError: it is not; says for which sites.
    """
    if window > 1 and site not in WITH_WINDOWS:
        raise InputError(f"site {site} has no windows; use attn_out, mlp_out or head")
    if head_sets is not None and (site != "head" or window > 1 or heads or layers):
        raise InputError(
            "sets of heads are defined for site head without a window, single heads or layers"
        )
    if heads is not None and site in WITHOUT_HEADS:
        raise InputError(f"site {site} has no single heads; use head, q, k, v or pattern")
    if donor != "source" and site in FROM_SOURCE_ALONE:
        raise InputError(f"site {site} can be patched from the source run only")
