"""What the explorer shows of one dataset, model and wording, as plain values for `blocks.py`.

Items, pairs and cells are numbered in the order of their lists, and everything that is known of
each goes by these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from negtrace.report.blocks import columns, plain
from negtrace.report.circuits import of_circuit
from negtrace.report.edge_block import edge_block
from negtrace.report.pictures import Picture
from negtrace.report.section import Section
from negtrace.report.value_block import CHANGES_PER_LOGIT, integers, value_block
from negtrace.vocabulary import DONORS, FIGURES

KEY = ["negation", "segment", "layer", "head", "role"]

# What joins the columns of a map: of the table `ranks`, of `spread`, of every donor in `donor_map`.
OF_RANKS = ["rank", "rank_ci_low", "rank_ci_high"]
OF_SPREAD = ["same_sign", "sd_items", "sd_pairs"]
OF_DONORS = {
    "placebo": ["difference_donor", "beyond", "beyond_ci_low", "beyond_ci_high", "p_fwer"],
    "transfer": ["difference_donor", "share", "share_ci_low", "share_ci_high"],
}

STEPS_OF_ATTENTION = 100  # in which it is kept

# Tables of figures with more rows are left to their files.
MOST_ROWS = 3000

SIDES = ("negated", "affirmative")
FEATURES = ["caption_foil_similarity", "n_tokens", "subject_area"]


def blocks_of(
    section: Section, table: Callable[[str], pd.DataFrame], pictures: Mapping[str, int]
) -> dict[str, Any]:
    """What the explorer shows of a section, by kind of block.

    Args:
        table: reads a table of the section by its name.
        pictures: number of each picture that the page holds, by image file.
    """
    scores, segments = table("scores"), table("segments")
    known = item_block(segments, table("candidates"), scores, table("features"), pictures)
    attention = table("attention")
    maps = {
        sweep: map_columns(
            found, table(f"ranks.{sweep}"), section.spread[sweep], section.donors[sweep]
        )
        for sweep, found in section.maps.items()
    }
    values = {s: value_block(table(f"sweep.{s}"), scores, segments) for s in section.maps}
    blocks: dict[str, Any] = {
        "maps": maps,
        "items": known,
        "values": {**values, "per_logit": CHANGES_PER_LOGIT},
        "figures": [_figure(one, section, table) for one in section.plain_pictures],
    }
    if section.circuit is not None:
        edges, circuit, needed = section.circuit
        blocks["edges"] = {
            **edge_block(edges, table("edges"), scores, segments),
            "said": [*map(section.said, of_circuit(circuit, needed, section.alpha))],
        }
    if len(attention):
        seen = attention_block(attention, table("alignment"), known["pairs"]["pair_id"])
        blocks["attention"] = {**seen, "steps": STEPS_OF_ATTENTION}
        blocks["patterns"] = patterns_block(table("attention_patterns"), known["pairs"]["pair_id"])
    return blocks


def _figure(
    picture: Picture, section: Section, table: Callable[[str], pd.DataFrame]
) -> dict[str, Any]:
    """A figure with the tables that it is drawn from, those of the run that are short."""
    names = {path.stem for path in section.tables}
    given = FIGURES[picture.name].tables if picture.name in FIGURES else ()
    drawn = {name: table(name) for name in given if name in names}
    tables = {name: columns(found) for name, found in drawn.items() if len(found) <= MOST_ROWS}
    return {**picture._asdict(), "tables": tables}


def map_columns(
    table: pd.DataFrame, ranks: pd.DataFrame, spread: pd.DataFrame, donors: pd.DataFrame
) -> dict[str, list[Any]]:
    """All that is known of the cells of one sweep, a row per cell, negation and segment.

    Args:
        table: ``restoration_map``, with p_study where there is one.
        ranks, spread, donors: tables ``ranks``, ``spread`` and ``donor_map`` of the same.

    Returns:
        by column; a donor's are ``{donor}_{column}``.
    """
    given = [name for name in table if name not in ("dataset", "model", "wording")]
    found = _keyed(table[given].drop(columns=["site", "direction", "n", "sd"], errors="ignore"))
    found = _with(found, ranks, OF_RANKS)
    found = _with(found, spread.assign(segment="all"), OF_SPREAD)
    for donor in DONORS:
        own = donors[donors["donor"] == donor] if len(donors) else donors
        if len(own):
            renamed = {name: f"{donor}_{name}" for name in OF_DONORS[donor]}
            found = _with(found, own.rename(columns=renamed), list(renamed.values()))
    order = [*KEY, *(name for name in found if name not in KEY)]
    return columns(found[order].dropna(axis="columns", how="all"))


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    types: Any = dict.fromkeys(KEY, object) | {"layer": int, "head": "Int16"}
    return table.astype(types)


def _with(table: pd.DataFrame, other: pd.DataFrame, added: list[str]) -> pd.DataFrame:
    there = [name for name in added if name in other]
    return table.merge(_keyed(other[[*KEY, *there]]), on=KEY, how="left", validate="one_to_one")


def item_block(
    segments: pd.DataFrame,
    candidates: pd.DataFrame,
    scores: pd.DataFrame,
    features: pd.DataFrame,
    pictures: Mapping[str, int],
) -> dict[str, Any]:
    """Items and pairs of a run.

    Args:
        segments, candidates, scores, features: tables of those names.
        pictures: number of each picture that the page holds, by image file.

    Returns:
        items: lists by column, `pair` and `picture` being numbers; pairs: lists by column.
    """
    items = segments[["item_id", "pair_id", "negation", "d", "segment"]].astype({"pair_id": object})
    found = items.merge(
        candidates[["item_id", "image_file", "negated", "affirmative"]], on="item_id", how="left"
    )
    found = found.merge(scores[["item_id", "s_negated", "s_affirmative"]], on="item_id", how="left")
    found = found.merge(features[["item_id", *FEATURES]], on="item_id", how="left")
    pairs = found.drop_duplicates("pair_id")
    number = {pair: n for n, pair in enumerate(pairs["pair_id"])}
    of_items: list[Any] = [pictures.get(name) for name in found["image_file"]]
    shown = found.assign(pair=found["pair_id"].map(number), picture=of_items)
    kept = ["item_id", "image_file", "pair", "picture", "negation", "segment", "d"]
    return {
        "items": columns(shown[[*kept, "s_negated", "s_affirmative", *FEATURES]]),
        "pairs": columns(pairs[["pair_id", "negated", "affirmative"]]),
    }


def attention_block(
    attention: pd.DataFrame, alignment: pd.DataFrame, pairs: list[str]
) -> dict[str, Any]:
    """Attention of every head to the negator, and to its counterpart in the other sentence.

    Args:
        pairs: ids of the pairs in the order of their numbers.

    Returns:
        heads: lists of layer and head; pairs: for each pair its tokens (negated and affirmative,
        and which are the negator's), its queries (from the negator on) as positions in the negated
        sentence, and for both sentences a list of heads x queries in 1/`STEPS_OF_ATTENTION`.
    """
    heads = attention[["layer", "head"]].drop_duplicates().sort_values(["layer", "head"])
    start = alignment[alignment["negator"]].groupby("pair_id", observed=True)["position"].min()
    seen = attention.sort_values(["layer", "head", "query_position"])
    first = seen["pair_id"].astype(object).map(start).fillna(0)
    seen = seen[seen["query_position"] >= first]
    queries, to_negated, to_affirmative = (
        seen[name].to_numpy() for name in ("query_position", "a_negated", "a_affirmative")
    )
    token, role, counterpart, negator = (
        alignment[name].astype(object).to_numpy()
        for name in ("token", "role", "counterpart", "negator")
    )
    # Rows of each pair, in each sentence: pandas would take a second to filter them one by one.
    of_pair = seen.groupby("pair_id", observed=True).indices
    words = alignment.groupby(["pair_id", "polarity"], observed=True).indices
    found = []
    for pair in pairs:
        rows, negated, affirmative = of_pair[pair], *(words[pair, side] for side in SIDES)
        found.append(
            {
                **{"negated": list(token[negated]), "affirmative": list(token[affirmative])},
                "roles": list(role[negated]),
                "counterpart": plain(counterpart[negated]),
                "negator": plain(negator[negated]),
                "queries": plain(pd.unique(queries[rows])),
                "to_negated": integers(to_negated[rows] * STEPS_OF_ATTENTION),
                "to_affirmative": integers(to_affirmative[rows] * STEPS_OF_ATTENTION),
            }
        )
    return {"heads": columns(heads), "pairs": found}


def patterns_block(patterns: pd.DataFrame, pairs: list[str]) -> list[dict[str, Any]]:
    """Whole attention patterns, a record for each pair that has them, in the order of the table.

    Args:
        patterns: table ``attention_patterns``.
        pairs: ids of the pairs in the order of their numbers; others are left out.

    Returns:
        of each: its number; for both sentences the positions of its tokens, and a list of heads
        (as in `attention_block`) x queries x keys in 1/`STEPS_OF_ATTENTION`, None where a token is
        not seen.
    """
    number = {pair: n for n, pair in enumerate(pairs)}
    found: dict[int, dict[str, Any]] = {}
    for (pair, side), rows in patterns.groupby(["pair_id", "polarity"], observed=True, sort=False):
        if pair not in number:
            continue
        tokens = sorted(set(rows["query_position"]))
        axes = ["layer", "head", "query_position", "key_position"]
        wanted: Any = pd.MultiIndex.from_product(
            [sorted(set(rows[name])) for name in axes[:2]] + [tokens, tokens], names=axes
        )
        weights = rows.set_index(axes)["attention"].reindex(wanted)
        record = found.setdefault(number[pair], {"pair": number[pair]})
        record[f"{side}_tokens"] = plain(tokens)
        record[str(side)] = integers(weights * STEPS_OF_ATTENTION)
    return list(found.values())
