"""The explorer's blocks: every number is the tables' own, at the cell, item and head it is of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.report.explorer import (
    attention_block,
    item_block,
    map_columns,
    patterns_block,
    value_block,
)

HEADS = pd.array([1, 2], dtype="Int16")


def table(**more) -> pd.DataFrame:
    fixed = {"negation": "all", "segment": "all", "layer": 3, "head": HEADS, "role": "all"}
    return pd.DataFrame({**fixed, "site": "head", "direction": "negate", **more})


def test_what_is_known_of_a_cell_stands_in_its_row_whatever_the_order():
    found = map_columns(
        table(ratio=[0.1, 0.2], n=[5, 5], sd=[1.0, 1.0], n_items=[4, 5]),
        table(rank=[2, 1], rank_ci_low=[1, 1], rank_ci_high=[2, 2])[::-1],
        table(same_sign=[0.6, 0.7], sd_items=[1.0, 2.0], sd_pairs=[3.0, 4.0])
        .drop(columns="segment")[::-1],
        pd.concat(
            [
                table(donor="placebo", difference_donor=[1.0, 2.0], beyond=[0.3, 0.4],
                      beyond_ci_low=0.0, beyond_ci_high=1.0, p_fwer=[0.5, 0.01])[::-1],
                table(donor="transfer", difference_donor=[5.0, 6.0], share=[0.8, 0.9],
                      share_ci_low=0.1, share_ci_high=1.0, p_fwer=1.0)[1:],
            ]
        ),
    )  # fmt: skip
    assert found["head"] == [1, 2]
    assert found["rank"] == [2, 1]
    assert found["same_sign"] == [0.6, 0.7]
    assert found["sd_pairs"] == [3, 4]
    assert found["placebo_beyond"] == [0.3, 0.4]
    assert found["placebo_p_fwer"] == [0.5, 0.01]
    assert found["transfer_share"] == [None, 0.9]
    assert not {"site", "direction", "n", "sd"} & set(found)


SCORES = pd.DataFrame(
    {
        "item_id": ["a", "b"],
        "negation": ["caption", "foil"],
        "s_negated": [4.0, 1.0],
        "s_affirmative": [1.0, 3.0],
        "d": [3.0, 2.0],
    }
)
SEGMENTS = SCORES[["item_id", "negation", "d"]].assign(
    pair_id=["p", "q"], cluster_id=["p", "q"], segment="correct"
)


def sweep(*rows) -> pd.DataFrame:
    columns = ["item_id", "pair_id", "layer", "role", "s_patched", "restoration"]
    head = pd.array([None] * len(rows), dtype="Int16")
    fixed = {"site": "resid", "direction": "negate", "eligible": True, "known": False}
    return pd.DataFrame(rows, columns=columns).assign(head=head, **fixed)


def test_changes_are_oriented_averaged_over_a_roles_tokens_and_missing_where_there_is_none():
    patched = sweep(
        ("a", "p", 1, "EOT", 2.5, 0.5),  # base 1: up by 1.5, and the negated sentence is true
        ("b", "q", 1, "EOT", 2.0, 0.5),  # base 3: down by 1, and it is false, so up by 1
        ("a", "p", 1, "subject_rest", 1.1, 0.1),
        ("a", "p", 1, "subject_rest", 1.3, 0.1),
        ("a", "p", 2, "EOT", 1.0, 0.0),
        ("b", "q", 2, "EOT", 3.0, 0.0),
    )
    found = value_block(patched, SCORES, SEGMENTS)
    cells = list(zip(found["cells"]["layer"], found["cells"]["role"], strict=True))
    changes = dict(zip(cells, found["changes"], strict=True))
    assert changes[1, "EOT"] == [1500, 1000]
    assert changes[1, "subject_rest"] == [200, None]
    assert changes[2, "EOT"] == []


def test_items_know_their_pair_and_picture():
    candidates = pd.DataFrame(
        {
            "item_id": ["b", "a", "unused"],
            "image_file": ["b.png", "gone.png", "c.png"],
            "negated": ["no b", "no a", "no c"],
            "affirmative": ["some b", "some a", "some c"],
        }
    )
    features = pd.DataFrame(
        {
            "item_id": ["a", "b"],
            "caption_foil_similarity": [0.1, 0.2],
            "n_tokens": [7, 8],
            "subject_area": [np.nan, 0.5],
        }
    )
    found = item_block(SEGMENTS, candidates, SCORES, features, {"b.png": 0})
    assert found["items"]["item_id"] == ["a", "b"]
    assert found["items"]["picture"] == [None, 0]
    assert found["items"]["n_tokens"] == [7, 8]
    assert found["items"]["subject_area"] == [None, 0.5]
    sentences = [found["pairs"]["negated"][number] for number in found["items"]["pair"]]
    assert sentences == ["no a", "no b"]


def test_attention_goes_by_head_and_query_from_the_negator_on():
    rows = [
        ("p", 1, head, query, 0.1 * query + 0.01 * head, None if query == 2 else 0.05)
        for head in (1, 2)
        for query in range(4)
    ]
    names = ["pair_id", "layer", "head", "query_position", "a_negated", "a_affirmative"]
    attention = pd.DataFrame(rows, columns=names).sample(frac=1, random_state=0)
    tokens = [("there", 0, False), ("no", 1, True), ("dogs", None, False), (".", 3, False)]
    alignment = pd.DataFrame(
        [
            ("p", side, position, token, "role", counterpart, negator and side == "negated")
            for side in ("negated", "affirmative")
            for position, (token, counterpart, negator) in enumerate(tokens)
        ],
        columns=["pair_id", "polarity", "position", "token", "role", "counterpart", "negator"],
    ).astype({"counterpart": "Int16"})
    found = attention_block(attention, alignment, ["p"])
    assert found["heads"] == {"layer": [1, 1], "head": [1, 2]}
    (pair,) = found["pairs"]
    assert pair["queries"] == [1, 2, 3]
    assert pair["to_negated"] == [11, 21, 31, 12, 22, 32]
    assert pair["to_affirmative"] == [5, None, 5, 5, None, 5]
    assert pair["counterpart"] == [0, 1, None, 3]
    assert pair["negated"] == ["there", "no", "dogs", "."]


def test_whole_patterns_go_by_head_query_and_key_of_the_pairs_that_are_shown():
    names = ["pair_id", "polarity", "layer", "head", "query_position", "key_position", "attention"]
    rows = [
        (pair, side, 1, head, query, key, head / 10 + query / 100 + (side == "negated") / 2)
        for pair in ("q", "left out", "p")
        for side, tokens in (("negated", (0, 2)), ("affirmative", (0,)))
        for head in (1, 2)
        for query in tokens
        for key in tokens
        if key <= query
    ]
    found = patterns_block(pd.DataFrame(rows, columns=names), ["p", "q"])
    assert [one["pair"] for one in found] == [1, 0]
    assert found[0]["negated_tokens"] == [0, 2]
    assert found[0]["negated"] == [60, None, 62, 62, 70, None, 72, 72]
    assert found[0]["affirmative"] == [10, 20]


def test_a_table_with_a_cell_twice_is_refused():
    twice = table(rank=[1, 2], rank_ci_low=1, rank_ci_high=2).assign(head=HEADS[:1].repeat(2))
    with pytest.raises(ValueError, match="one-to-one"):
        map_columns(table(ratio=[0.1, 0.2]), twice, table(same_sign=1.0), pd.DataFrame())
