"""Ends of edges by their names."""

from __future__ import annotations

import pytest

from negtrace.statistics.edge_names import READS, component, height, reads


@pytest.mark.parametrize(
    ("receiver", "of", "kind"),
    [
        ("4.1", "4.1", "head"),
        ("4.1.q", "4.1", "q"),
        ("12.10.v", "12.10", "v"),
        ("mlp.4", "mlp.4", "mlp"),
        ("read-out", "read-out", "read-out"),
    ],
)
def test_a_receiver_is_of_a_component_and_reads_with_one_thing(receiver, of, kind):
    assert component(receiver) == of
    assert reads(receiver) == kind
    assert kind in READS


def test_a_block_has_its_mlp_above_its_heads_and_the_read_out_is_above_all():
    names = ["embedding", "1.12", "mlp.1", "2.1", "mlp.11", "12.1", "read-out"]
    assert sorted(names, key=height) == names
    assert height("1.12") == height("1.1") == 1
