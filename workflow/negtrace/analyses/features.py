"""What makes an item hard: features of items, and how they go with d.

Features of an item (Quantmeyer et al. 2024, section on dataset features):
    caption_foil_similarity: cosine of the embeddings of its two sentences.
    n_tokens: tokens of its caption as the model sees them, from the start token to EOT.
    subject_area, subject_area_above: how much of the image the subject takes (`subjects.py`).
A head's negator selectivity for the item's pair is correlated with d in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.correlations import MEASURES, correlate
from negtrace.vocabulary import ALL

FEATURES = ("caption_foil_similarity", "n_tokens", "subject_area", "subject_area_above")
AREA_THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.4)

# The most frequent pair of VALSE; it hides the correlation of similarity with d in captions.
NO_PEOPLE = "There are no people."
WITHOUT_NO_PEOPLE = "without_no_people"

Rows = TypeVar("Rows", pd.Series, pd.DataFrame)


def item_features(
    segments: pd.DataFrame,
    candidates: pd.DataFrame,
    sentences: pd.DataFrame,
    alignment: pd.DataFrame,
    subject_sizes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The features of every item of `segments`, in their order.

    Args:
        segments, candidates, sentences, alignment: tables of those names, of one model and wording.
        subject_sizes: table ``subject_sizes``; without it areas are null.

    Returns:
        item_id, pair_id, negation, no_people (whether the negated sentence is exactly
        "There are no people."), d, correct, caption_foil_similarity (cosine), n_tokens,
        subject_area, subject_area_above (shares of the image; null where unknown).

    Raises:
        InputError: an item or a pair of `segments` is missing in another table.
    """
    items = segments.reset_index(drop=True).astype({"pair_id": str, "negation": str})
    of_item, of_pair = pd.Index(items["item_id"]), pd.Index(items["pair_id"])
    negated = looked_up(candidates.set_index("item_id")["negated"], of_item, "candidates")
    polarity = items["negation"].map({"caption": "negated", "foil": "affirmative"})
    captions = pd.MultiIndex.from_arrays([of_pair, polarity])
    features = items[["item_id", "pair_id", "negation"]].assign(
        no_people=(negated == NO_PEOPLE).to_numpy(),
        d=items["d"],
        correct=items["correct"],
        caption_foil_similarity=looked_up(similarity(sentences), of_pair, "sentences").to_numpy(),
        n_tokens=looked_up(token_counts(alignment), captions, "alignment").to_numpy(),
        subject_area=np.nan,
        subject_area_above=np.nan,
    )
    if subject_sizes is not None:
        sizes = subject_sizes.set_index("item_id")[["area", "area_above"]].astype(float)
        areas = looked_up(sizes, of_item, "subject_sizes")
        features[["subject_area", "subject_area_above"]] = areas.to_numpy()
    return features


def similarity(sentences: pd.DataFrame) -> pd.Series:
    """Cosine of the negated and the affirmative sentence's embedding, by pair_id."""
    vectors = {
        polarity: part.astype({"pair_id": str}).set_index("pair_id")["embedding"]
        for polarity, part in sentences.groupby("polarity", observed=True)
    }
    pairs = vectors["negated"].index
    negated, affirmative = (
        np.stack(list(looked_up(vectors[polarity], pairs, "sentences"))).astype(float)
        for polarity in ("negated", "affirmative")
    )
    lengths = np.linalg.norm(negated, axis=1) * np.linalg.norm(affirmative, axis=1)
    return pd.Series(np.einsum("pe,pe->p", negated, affirmative) / lengths, index=pairs)


def token_counts(alignment: pd.DataFrame) -> pd.Series:
    """Tokens from the start of a sentence to EOT, both included, by (pair_id, polarity)."""
    last = alignment[alignment["role"] == "EOT"].astype({"pair_id": str, "polarity": str})
    return last.set_index(["pair_id", "polarity"])["position"] + 1


def looked_up(by_key: Rows, keys: pd.Index, table: str) -> Rows:
    """The rows of the given keys, in their order.

    Raises:
        InputError: a key is missing; names it and the table.
    """
    missing = keys.difference(by_key.index)
    if len(missing):
        raise InputError(
            f"table {table} has no row for {missing[0]!r} ({len(missing)} in all); "
            "make it from the same candidates, model and wording"
        )
    return by_key.loc[keys]


def by_negation(items: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(negation, items) for caption, foil and all; those without items are left out."""
    for negation in ("caption", "foil", ALL):
        part = items if negation == ALL else items[items["negation"] == negation]
        if len(part):
            yield negation, part


def _subsets(features: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """({negation, subset}, items) for every negation, with and without `NO_PEOPLE`."""
    for subset, items in ((ALL, features), (WITHOUT_NO_PEOPLE, features[~features["no_people"]])):
        for negation, part in by_negation(items):
            yield {"negation": negation, "subset": subset}, part


def feature_summary(features: pd.DataFrame) -> pd.DataFrame:
    """Range and mean of every feature.

    Returns:
        feature, negation, subset (all; without_no_people: items whose negated sentence is exactly
        "There are no people." left out), min, mean, max (null if no item has a value), n_items
        (items that have one).
    """
    rows = [
        {
            "feature": feature,
            **keys,
            "min": items[feature].min(),
            "mean": items[feature].mean(),
            "max": items[feature].max(),
            "n_items": int(items[feature].count()),
        }
        for feature in FEATURES
        for keys, items in _subsets(features)
    ]
    return pd.DataFrame(rows)


def feature_correlations(features: pd.DataFrame) -> pd.DataFrame:
    """Correlation of every feature with d; the p-values ignore that items share pairs.

    Returns:
        feature, negation, subset (as in `feature_summary`), pearson, pearson_p, spearman,
        spearman_p (null where fewer than 3 items have a value, or values or d do not vary),
        n_items.
    """
    parts = [
        correlate(items[list(FEATURES)], items["d"]).rename_axis("feature").assign(**keys)
        for keys, items in _subsets(features)
    ]
    table = pd.concat(parts).reset_index()
    in_order = table.sort_values("feature", key=lambda f: f.map(FEATURES.index), kind="stable")
    return in_order[["feature", "negation", "subset", *MEASURES, "n_items"]].reset_index(drop=True)


def accuracy_above_area(
    features: pd.DataFrame, thresholds: Sequence[float] = AREA_THRESHOLDS
) -> pd.DataFrame:
    """Share of items with d > 0 among those whose subject takes at least a share of the image.

    Threshold 0 covers every item that has an area, absent subjects (area 0) included.

    Returns:
        negation, threshold, accuracy (null if there is no such item), n_items.
    """
    rows = []
    for negation, items in by_negation(features):
        for threshold in thresholds:
            correct = items.loc[items["subject_area"] >= threshold, "correct"]
            rows.append(
                {
                    "negation": negation,
                    "threshold": threshold,
                    "accuracy": correct.mean() if len(correct) else np.nan,
                    "n_items": len(correct),
                }
            )
    return pd.DataFrame(rows)


def selectivity_correlation(selectivity: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Correlation over items of each head's negator selectivity with d.

    Items enter with the selectivity of their pair (Quantmeyer et al. 2024); the p-values ignore
    that items share pairs.

    Args:
        selectivity: table ``selectivity``.
        segments: table ``segments``.

    Returns:
        negation, layer, head, pearson, pearson_p, spearman, spearman_p (null where a head's
        selectivity is the same for all items), n_items.

    Raises:
        InputError: a pair of `segments` is missing in `selectivity`.
    """
    by_pair = selectivity.astype({"pair_id": str}).pivot(
        index="pair_id", columns=["layer", "head"], values="selectivity"
    )
    parts = []
    for negation, items in by_negation(segments):
        values = looked_up(by_pair, pd.Index(items["pair_id"].astype(str)), "selectivity")
        parts.append(correlate(values, items["d"]).reset_index().assign(negation=negation))
    table = pd.concat(parts, ignore_index=True)
    return table[["negation", "layer", "head", *MEASURES, "n_items"]]
