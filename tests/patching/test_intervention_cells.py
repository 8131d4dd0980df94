"""Which cells an intervention has, and which roles have to be there."""

from __future__ import annotations

import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.intervention_checks import check_roles
from negtrace.patching.interventions import Intervention
from negtrace.patching.score_grid import under_name

SHAPE = TowerShape(
    width=8, heads=2, layers=4, mlp_width=8, context_length=8, vocab_size=9, embed_dim=4
)


def cells(**options) -> list[tuple[int, int | None]]:
    return [(cell.layer, cell.head) for cell in Intervention(**options).cells(SHAPE)]


def test_layers_and_heads_are_chosen():
    assert cells(site="resid", layers=(0, 4)) == [(0, None), (4, None)]
    assert cells(site="attn_out", window=3, layers=(2,)) == [(2, None)]
    assert cells(site="q", heads=((3, 1), (1, 2))) == [(1, 2), (3, 1)]
    assert cells(site="head", heads=((1, 1), (3, 2)), layers=(3, 4)) == [(3, 2)]
    assert len(cells(site="head")) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": "attn_out", "layers": (0,)}, "has no layer 0 here: use 1 to 4"),
        ({"site": "attn_out", "window": 3, "layers": (3,)}, "has no layer 3 here: use 1 to 2"),
        ({"site": "v", "heads": ((1, 3),)}, "the tower has no head 3 in block 1"),
        ({"site": "v", "heads": ((1, 1),), "layers": (2,)}, "none of the heads is in one"),
    ],
)
def test_what_the_tower_lacks_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        cells(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": "resid", "layers": ()}, r"layers \(\): give a list of whole numbers"),
        ({"site": "resid", "layers": (1.5,)}, "give a list of whole numbers"),
        ({"site": "q", "heads": (1, 2)}, r"where a \(block, head\) pair should be"),
        ({"site": "q", "heads": ()}, "a set of heads is empty"),
        ({"site": "resid", "heads": ((1, 1),)}, "site resid has no single heads"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Intervention(**options)


def test_a_role_that_no_sentence_has_is_refused():
    roles = {"p": ["SOT", "edit", "EOT"], "q": ["SOT", "subject_rest", "EOT"]}
    table = pd.DataFrame(
        [(pair, "affirmative", role) for pair, own in roles.items() for role in own],
        columns=["pair_id", "polarity", "role"],
    )
    check_roles(table, ("edit", "EOT"), "negate")
    check_roles(table, "all", "negate", each=True)
    with pytest.raises(InputError, match="sentence of any pair has the role determiner; its roles"):
        check_roles(table, ("determiner",), "negate")
    with pytest.raises(InputError, match="sentence of pair q has the role edit"):
        check_roles(table, ("edit",), "negate", each=True)


def test_sets_of_heads_are_named_by_their_heads_and_roles():
    sets = Intervention("head", "each", head_sets=(((1, 1), (2, 2)), ((3, 1),)))
    table = pd.DataFrame({"head_set": [1, 2, 1], "role": ["SOT", "SOT", "EOT"], "site": "head"})
    found = under_name(table, "mine", sets)
    assert found["role"].tolist() == ["1.1+2.2 at SOT", "3.1 at SOT", "1.1+2.2 at EOT"]
    assert set(found["site"]) == {"mine"}
    assert "head_set" not in found
