"""Blocks: what is packed comes out again, rounded to four digits and no less."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from page_blocks import unpacked

from negtrace.report.blocks import columns, packed, plain


def test_a_value_comes_out_as_it_went_in_and_packs_alike():
    value = {"a": [1, None, "</script>é"], "b": {"c": True}}
    assert unpacked(packed(value)) == value
    assert packed(value) == packed(value)
    assert "<" not in packed(value)


def test_columns_are_plain_rounded_and_null_where_there_is_nothing():
    table = pd.DataFrame(
        {
            "x": [0.123456, np.nan, -1234.56],
            "head": pd.array([1, None, 3], dtype="Int16"),
            "role": pd.Categorical(["EOT", None, "be"]),
            "known": [True, False, True],
        }
    )
    assert columns(table) == {
        "x": [0.1235, None, -1235],
        "head": [1, None, 3],
        "role": ["EOT", None, "be"],
        "known": [True, False, True],
    }
    assert columns(table)["known"][0] is True


def test_no_number_moves_by_more_than_its_fourth_digit():
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(-5, 5).repeat(100)
    assert np.abs(np.array(plain(values)) / values - 1).max() <= 0.5e-3


def test_infinite_numbers_are_shown_as_none():
    assert columns(pd.DataFrame({"x": [np.inf, 1.0, -np.inf]})) == {"x": [None, 1, None]}


def test_data_that_no_script_can_read_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        packed({"x": [math.inf]})
