"""Scores by their definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
from conftest import EOT, SOT, alignment_table, embedding, items_of, random_images

from negtrace.patching.scores import scores, sentence_embeddings

PAIRS = [
    ([SOT, 1, 2, 3, 10, EOT], [SOT, 1, 2, 4, 10, EOT]),
    ([SOT, 1, 2, 3, 11, 12, 13, EOT], [SOT, 1, 2, 11, 12, 13, EOT]),
]


def test_scores_are_logit_scale_times_cosine(tiny):
    items = items_of(2, 3)
    images = random_images(items, tiny.tower.shape.embed_dim)
    table = scores(
        items,
        sentence_embeddings(tiny.tower, alignment_table(PAIRS, tiny.tower.shape)),
        images,
        30.0,
    )
    for row, item in zip(table.itertuples(), items.itertuples(), strict=True):
        negated, affirmative = PAIRS[int(item.pair_id[-1])]
        image = images.set_index("image_file").loc[item.image_file, "embedding"]
        expected = [
            30.0 * float(embedding(tiny, t).numpy() @ image) for t in (negated, affirmative)
        ]
        np.testing.assert_allclose([row.s_negated, row.s_affirmative], expected, atol=1e-5)
        caption, foil = expected if item.negation == "caption" else expected[::-1]
        np.testing.assert_allclose([row.s_caption, row.s_foil], [caption, foil], atol=1e-5)
        assert row.d == row.s_caption - row.s_foil
    assert table["d"].abs().min() > 1e-4


def test_embeddings_do_not_depend_on_the_memory_budget(tiny):
    alignment = alignment_table(PAIRS, tiny.tower.shape)
    whole = sentence_embeddings(tiny.tower, alignment)
    one_by_one = sentence_embeddings(tiny.tower, alignment, memory_gb=1e-9)
    pd.testing.assert_frame_equal(
        whole.drop(columns="embedding"), one_by_one.drop(columns="embedding")
    )
    np.testing.assert_allclose(
        np.stack(whole["embedding"]), np.stack(one_by_one["embedding"]), atol=1e-6
    )
