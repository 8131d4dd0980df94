"""Whole attention patterns of a few pairs: from every token to every other, in both sentences.

Of every pair they would be most of a study's bytes, so they are kept of pairs that lie evenly over
the ranks of d: what a head does in items that a model gets right, wrong, and in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from negtrace.analyses.attention import patterns
from negtrace.models.roles import PADDING
from negtrace.models.tower import TextTower
from negtrace.patching.sentences import Sentence, sentence_pairs
from negtrace.vocabulary import POLARITIES

EXAMPLES = 9


def example_pairs(scores: pd.DataFrame, count: int = EXAMPLES) -> list[str]:
    """Pairs of the items of lowest and highest d and of those evenly between, from the lowest on.

    Args:
        scores: table ``scores``.
        count: how many items; those of one pair count once.
    """
    ordered = scores.sort_values(["d", "item_id"], kind="stable")
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return list(dict.fromkeys(ordered["pair_id"].astype(str).iloc[places]))


@torch.inference_mode()
def attention_patterns(
    tower: TextTower, alignment: pd.DataFrame, pairs: Sequence[str]
) -> pd.DataFrame:
    """Attention of every head from every token to every token that it sees; no padding.

    Args:
        pairs: ids, in the order of the rows.

    Returns:
        the table ``attention_patterns``.
    """
    known = {pair.pair_id: pair for pair in sentence_pairs(alignment)}
    both = [(pair, polarity) for pair in pairs for polarity in POLARITIES]
    sentences = [known[pair].sentence(polarity) for pair, polarity in both]
    found = torch.stack(list(patterns(tower, sentences))).float().cpu().numpy()
    parts = [
        _rows(found[:, number], sentence, tower.shape.causal).assign(
            pair_id=pair, polarity=polarity
        )
        for number, ((pair, polarity), sentence) in enumerate(zip(both, sentences, strict=True))
    ]
    return pd.concat(parts, ignore_index=True)


def _rows(found: np.ndarray, sentence: Sentence, causal: bool) -> pd.DataFrame:
    """One sentence's rows, of [layers, heads, n, n]."""
    shown = np.flatnonzero(np.asarray(sentence.roles) != PADDING)
    query, key = (grid.ravel() for grid in np.meshgrid(shown, shown, indexing="ij"))
    seen = key <= query if causal else np.full(len(key), True)
    query, key = query[seen], key[seen]
    layers, heads = found.shape[:2]
    layer, head, at = np.indices((layers, heads, len(query))).reshape(3, -1)
    return pd.DataFrame(
        {
            "layer": layer + 1,
            "head": head + 1,
            "query_position": query[at],
            "key_position": key[at],
            "attention": found[:, :, query, key].reshape(-1),
        }
    )
