"""The scores of the publication's authors, as tables of the pipeline.

Their file has a row per item and wording: the real model's score of both sentences, the similarity
of the sentences, the size of the subject (rephrased items only; the last for negated foils only).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import open_clip
import pandas as pd
import yaml

import negtrace
from negtrace.analyses.features import (
    accuracy_above_area,
    feature_correlations,
    feature_summary,
    item_features,
)
from negtrace.data.pairs import candidates, select
from negtrace.data.readers.valse import read_valse
from negtrace.statistics.groups import accuracy, segments
from negtrace.vocabulary import WORDINGS

CONFIG = yaml.safe_load((Path(negtrace.__file__).parents[2] / "config.yaml").read_text())
FEATURES_WORDING = "rephrased"  # the one that their features are of

Tables = dict[tuple[str | None, str], pd.DataFrame]


class Run(NamedTuple):
    """What the real model gave in one wording."""

    pairs: pd.DataFrame  # table ``pairs``
    excluded: pd.DataFrame  # table ``excluded``
    scores: pd.DataFrame  # columns of table ``scores``, the order of `pairs`
    features: pd.DataFrame | None  # table ``features``; None in another wording


def read_authors(scores: Path, annotations: Path) -> dict[str, Run]:
    """Their run in every wording.

    The pairs are those of `annotations` by the pipeline's own filter; an item that the authors have
    and the filter leaves out, or the reverse, is a KeyError.
    """
    theirs = pd.read_csv(scores, dtype={"item_id": str, "wording": str})
    items = read_valse(annotations)
    runs = {}
    for wording in WORDINGS:
        pairs, excluded = select(*candidates(items, wording), CONFIG["filter"]["min_votes"])
        own = theirs[theirs["wording"] == wording].set_index("item_id")
        if len(own) != len(pairs):
            raise KeyError(f"{wording}: {len(pairs)} items pass the filter, not {len(own)}")
        own = own.loc[pairs["item_id"]].reset_index()
        values = pairs[["item_id", "pair_id", "negation"]].assign(
            d=own["s_caption"] - own["s_foil"]
        )
        features = None
        if wording == FEATURES_WORDING:
            features = _features(segments(values, pairs, CONFIG["segments"]), pairs, own)
        runs[wording] = Run(pairs, excluded, values, features)
    return runs


def _features(classified: pd.DataFrame, pairs: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Table ``features``; the similarity is given as two embeddings with that cosine."""
    once = own.assign(pair_id=pairs["pair_id"]).drop_duplicates("pair_id")
    cosine = once["caption_foil_similarity"].to_numpy()
    vectors = {
        "negated": np.stack([np.ones_like(cosine), np.zeros_like(cosine)], axis=1),
        "affirmative": np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1),
    }
    sentences = pd.concat(
        once[["pair_id"]].assign(polarity=polarity, embedding=list(embeddings))
        for polarity, embeddings in vectors.items()
    )
    sizes = own[["item_id"]].assign(area=own["subject_area"], area_above=own["subject_area_binary"])
    return item_features(classified, pairs, sentences, last_tokens(pairs), sizes)


def last_tokens(pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows of role EOT of the table ``alignment``."""
    once = pairs.drop_duplicates("pair_id")
    return pd.concat(
        once[["pair_id"]].assign(
            polarity=polarity,
            role="EOT",
            position=open_clip.tokenize(once[polarity].tolist()).argmax(dim=1).numpy(),
        )
        for polarity in ("negated", "affirmative")
    )


def tables(runs: dict[str, Run]) -> Tables:
    """All tables that follow from scores, similarities and sizes, for `ledger.ledger`."""
    made: Tables = {}
    for wording, run in runs.items():
        classified = segments(run.scores, run.pairs, CONFIG["segments"])
        made[wording, "pairs"] = run.pairs
        made[wording, "excluded"] = run.excluded
        made[wording, "accuracy"] = accuracy(classified)
        if run.features is not None:
            made[wording, "feature_summary"] = feature_summary(run.features)
            made[wording, "feature_correlations"] = feature_correlations(run.features)
            made[wording, "accuracy_above_area"] = accuracy_above_area(run.features)
    return made
