"""Every statement about a map that names something, recomputed from the sweep by plain loops."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from negtrace.report import robustness
from negtrace.report.section import Section
from negtrace.statistics.accuracy import with_intervals
from negtrace.statistics.credible import with_study_tests
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.families import study_tests
from negtrace.statistics.groups import segments
from negtrace.statistics.resampling import flip_interval, random_signs
from negtrace.statistics.specification import OWN_PAIR, named_heads, specification_curve
from negtrace.statistics.spread import spread_map
from negtrace.statistics.stability import half_of, overlap, split_halves

OPTIONS = Options(replicates=400, flips=999)
ALPHA = 0.05
PAIRS, LAYERS = 60, 3

# Share of d that a cell brings; the rest of the heads bring noise alone.
HEADS = {(1, 2): 0.6, (2, 1): 0.25, (3, 2): -0.3}
STATES = {
    "determiner": [1.0, 0.7, 0.2, 0.0],
    "subject_first": [0.0, 0.3, 0.35, 0.0],
    "EOT": [0.0, 0.1, 0.7, 1.0],
}
NAMES = re.compile(r"head \d+ of block \d+|hidden state \d|EOT|determiner|subject_first|layer \d")


def raw() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of 120 items of 60 pairs, and the cells (site, layer, head, role) of each."""
    rng = np.random.default_rng(3)
    items = [f"item{i}" for i in range(2 * PAIRS)]
    negation = ["caption" if i % 2 else "foil" for i in range(2 * PAIRS)]
    d = rng.normal(2, 1.5, 2 * PAIRS)
    sign = np.where(np.array(negation) == "caption", 1, -1)
    scores = pd.DataFrame(
        {
            "item_id": items,
            "pair_id": [f"pair{i // 2}" for i in range(2 * PAIRS)],
            "negation": negation,
            "s_affirmative": 20.0,
            "s_negated": 20 + sign * d,
            "d": d,
        }
    )
    cells = [("head", b, h, "all", HEADS.get((b, h), 0.0)) for b in (1, 2, 3) for h in (1, 2, 3)]
    cells += [("resid", n, None, r, v) for r, of in STATES.items() for n, v in enumerate(of)]
    rows = []
    for site, layer, head, role, share in cells:
        known = site == "resid" and layer in (0, LAYERS)
        for item in scores.itertuples():
            noise = 0 if known else rng.normal(0, 0.4)
            change = share * item.d + noise
            oriented = change * (1 if item.negation == "caption" else -1)
            rows.append((item.item_id, item.pair_id, site, layer, head, role, known, oriented))
    columns = ["item_id", "pair_id", "site", "layer", "head", "role", "known", "oriented"]
    swept = pd.DataFrame(rows, columns=columns).astype({"head": "Int16"})
    swept["s_patched"] = 20 + swept["oriented"]
    of_item = scores.set_index("item_id").loc[swept["item_id"]]
    swept["restoration"] = swept["oriented"].to_numpy() / (of_item["s_negated"] - 20).to_numpy()
    return scores, swept.assign(direction="negate", eligible=True).drop(columns="oriented")


SCORES, SWEPT = raw()
SITES = ("resid", "head")
SWEEPS = {site: SWEPT[SWEPT["site"] == site].reset_index(drop=True) for site in SITES}
SEGMENTS = segments(SCORES, SCORES[["item_id"]], {"incorrect_below": -1.0, "correct_from": 1.0})


def changes(site: str, layer: int, head: int | None, role: str, negation: str) -> dict[str, list]:
    """(change, d) of each item of a cell, by pair: by a loop over the sweep's rows."""
    of_item = {row.item_id: row for row in SCORES.itertuples()}
    found: dict[str, list] = {}
    for row in SWEPT.itertuples():
        item = of_item[row.item_id]
        same_head = pd.isna(row.head) if head is None else row.head == head
        same_cell = (row.site, row.layer, row.role) == (site, layer, role) and same_head
        if same_cell and negation in ("all", item.negation):
            sign = 1 if item.negation == "caption" else -1
            change = sign * (row.s_patched - item.s_affirmative)
            found.setdefault(row.pair_id, []).append((change, item.d))
    return found


def by_pair(of: dict[str, list]) -> np.ndarray:
    """Sums of change and of d [2, pairs]."""
    return np.array([np.sum(of[pair], axis=0) for pair in sorted(of)]).T


def ratio(*cell) -> float:
    change, d = by_pair(changes(*cell))
    return change.sum() / d.sum()


def head_cell(block: str, head: str, negation: str = "all") -> tuple:
    return "head", int(block), int(head), "all", negation


@pytest.fixture(scope="module")
def p_study() -> dict[tuple, float]:
    """p of every computed cell of every map: the largest statistic of all maps, flip by flip."""
    signs = random_signs(PAIRS, OPTIONS.flips, OPTIONS.seed)
    scaled = {}
    cells = SWEPT.loc[~SWEPT["known"], ["site", "layer", "head", "role"]].drop_duplicates()
    for site, layer, head, role in cells.itertuples(index=False):
        for negation in ("foil", "caption", "all"):
            key = (site, layer, None if pd.isna(head) else int(head), role, negation)
            change = by_pair(changes(*key))[0]
            scaled[key] = change / np.sqrt((change**2).sum())
    largest = np.zeros(OPTIONS.flips)
    for values in scaled.values():
        largest = np.maximum(largest, np.abs(signs @ values))
    return {
        key: (1 + (largest >= abs(values.sum()) - 1e-9).sum()) / (1 + OPTIONS.flips)
        for key, values in scaled.items()
    }


@pytest.fixture(scope="module")
def section() -> Section:
    tables = {site: (swept, SCORES, SEGMENTS) for site, swept in SWEEPS.items()}
    family = study_tests(tables.values(), OPTIONS).drop(columns="sweep")
    family = family.assign(dataset="d", wording="rephrased")
    maps = {site: effect_map(*of, OPTIONS) for site, of in tables.items()}
    return Section(
        *("d", "m", "rephrased", "valse", {}, {}, pd.DataFrame({"reason": []})),
        accuracy=with_intervals(SEGMENTS, OPTIONS),
        selectivity=maps["head"][:0].drop(columns=["ratio", "p_fwer"]),
        maps={f"{site}.negate": with_study_tests(table, family) for site, table in maps.items()},
        figures={},
        tables=[Path("none")],
        segment="all",
        items=SEGMENTS,
        stability={
            f"{site}.negate": (
                overlap(*of, options=OPTIONS),
                split_halves(*of, options=OPTIONS),
            )
            for site, of in tables.items()
        },
        family=family,
        spread={f"{site}.negate": spread_map(*of) for site, of in tables.items()},
        alpha=ALPHA,
    )


def only(pattern: str, said: list[str]) -> str:
    (sentence,) = [s for s in said if re.search(pattern, s)]
    return sentence


def test_named_heads_their_shares_and_intervals(section, p_study):
    sentence = only(r"^Highest mean restoration \(all", section.sentences)
    shown = re.findall(
        r"head (\d) of block (\d) \((\S+) \[(\S+), (\S+)\]; foil (\S+) \[(\S+), (\S+)\], caption"
        r" (\S+) \[(\S+), (\S+)\]\)",
        sentence,
    )
    assert [(int(block), int(head)) for head, block, *_ in shown] == [(1, 2), (2, 1)]
    for head, block, *values in shown:
        assert p_study[head_cell(block, head)] <= ALPHA
        expected = []
        for negation in ("all", "foil", "caption"):
            change, d = by_pair(changes(*head_cell(block, head, negation)))
            signs = random_signs(len(d), OPTIONS.replicates, OPTIONS.seed)
            interval = flip_interval(change[:, None], d[:, None], signs, OPTIONS.level)
            expected += [change.sum() / d.sum(), *np.concatenate(interval)]
        assert [float(value) for value in values] == pytest.approx(expected, abs=0.0051)
    assert f"({shown[0][2]} [{shown[0][3]}, {shown[0][4]}])" in section.headline
    against = only("^Most negative", [s for x in section.sentences for s in x.split(". ")])
    assert "head 2 of block 3" in against
    assert p_study[head_cell("3", "2")] <= ALPHA


def test_the_route(section):
    for negation in ("foil", "caption"):
        sentence = only(f"^Negation in the {negation}: restoration", section.sentences)
        left, there = re.search(
            r"determiner is below one half from .*? (\d) on \((\S+)", sentence
        ).groups()
        cell = ("resid", int(left), None, "determiner", negation)
        assert float(there) == pytest.approx(ratio(*cell), abs=0.0051)
        assert ratio(*cell) < 0.5 <= ratio("resid", int(left) - 1, None, "determiner", negation)
        role, peak, state = re.search(
            r"tokens, (\w+) carries most \((\S+) \[\S+, \S+\] at .*? (\d)\)", sentence
        ).groups()
        assert float(peak) == pytest.approx(
            ratio("resid", int(state), None, role, negation), abs=0.0051
        )
        end, there = re.search(
            r"EOT holds .*? state (\d) on \((\S+) \[\S+, \S+\] there", sentence
        ).groups()
        assert float(there) == pytest.approx(
            ratio("resid", int(end), None, "EOT", negation), abs=0.0051
        )


def test_the_family_of_all_maps(section, p_study):
    tested = section.family.dropna(subset=["p_study"])
    found = {
        (row.site, row.layer, None if pd.isna(row.head) else row.head, row.role, row.negation): (
            row.p_study
        )
        for row in tested.itertuples()
    }
    assert found == pytest.approx(p_study)


def test_counts_of_significant_cells(section, p_study):
    for site, what in (("head", "head"), ("resid", "hidden state")):
        sentence = only(f"cells by {what} that can differ", section.sentences)
        cells = {key: p for key, p in p_study.items() if key[0] == site and key[-1] == "all"}
        counted = int(re.search(r"Of the (\d+) cells", sentence)[1])
        assert counted == len(cells)
        found = int(re.search(r", (\d+) family-wise over all maps", sentence)[1])
        assert found == sum(p <= ALPHA for p in cells.values())
        assert 0 < found <= counted
    family = only("^Cells are named where", section.sentences)
    assert "over all 6 maps" in family
    assert f"({len(p_study)} cells;" in family


def test_spread_of_the_named_cells(section, p_study):
    said = [s for s in section.sentences if s.startswith("Pairs whose change")]
    assert len(said) == 2
    shown = re.findall(
        r"([^:;]+): (\d+)% \((\S+); (\S+); (\S+)\)", "; ".join(s.split("pairs): ")[1] for s in said)
    )
    assert len(shown) == 5  # three hidden states, two heads
    for name, *values in shown:
        if by_head := re.search(r"head (\d) of block (\d)", name):
            cell = head_cell(by_head[2], by_head[1])
        else:
            role, layer = re.search(r"(\w+) in layer (\d)", name).groups()
            cell = ("resid", int(layer), None, role, "all")
        assert p_study[cell] <= ALPHA
        of = changes(*cell)
        change = np.array([value for pair in of.values() for value, _ in pair])
        sums = np.array([sum(value for value, _ in pair) for pair in of.values()])
        means = sums / [len(pair) for pair in of.values()]
        same = 100 * np.mean(np.sign(sums) == np.sign(sums.sum()))
        expected = [same, change.mean(), change.std(ddof=1), means.std(ddof=1)]
        assert [float(v) for v in values] == pytest.approx(expected, abs=0.51)
        assert [float(v) for v in values[1:]] == pytest.approx(expected[1:], abs=0.0051)


def test_heads_that_hold_on_the_other_half(section):
    sentence = only("highest heads on one half", section.sentences)
    choosing = set(half_of(SCORES["pair_id"], OPTIONS.seed))
    cells = [head_cell(block, head) for block in "123" for head in "123"]

    def of_half(cell: tuple, chooses: bool) -> np.ndarray:
        return by_pair({p: v for p, v in changes(*cell).items() if (p in choosing) == chooses})

    def share(cell: tuple, chooses: bool) -> float:
        change, d = of_half(cell, chooses)
        return change.sum() / d.sum()

    best = sorted(cells, key=lambda cell: -share(cell, True))[:5]
    scaled = [
        change / np.sqrt((change**2).sum()) for change, _ in (of_half(c, False) for c in best)
    ]
    signs = random_signs(len(scaled[0]), OPTIONS.flips, OPTIONS.seed)
    largest = np.max([np.abs(signs @ values) for values in scaled], axis=0)
    p = [(1 + (largest >= abs(v.sum()) - 1e-9).sum()) / (1 + OPTIONS.flips) for v in scaled]
    holding = sum(p <= ALPHA and share(c, False) > 0 for p, c in zip(p, best, strict=True))
    assert 1 < holding < 5
    assert sentence.startswith(f"Of the 5 highest heads on one half of the pairs, {holding} are")


def test_shares_of_specifications(section):
    table = section.maps["head.negate"]
    heads = named_heads([table], ALPHA)
    assert heads == [(1, 2), (2, 1)]
    chosen = table.assign(wording="rephrased", donor=OWN_PAIR, seed=0)
    curve = specification_curve(chosen, heads)
    (sentence,) = robustness.of_specification(curve)
    found = re.findall(r"head (\d) of block (\d) in (\d+)% \(worst rank (\d)\)", sentence)
    for head, block, share, worst in found:
        ranks = []
        for _, part in table.groupby(["negation", "segment"], observed=True):
            for effect in ("ratio", "mean", "difference", "flip_rate"):
                own = part[(part["layer"] == int(block)) & (part["head"] == int(head))].iloc[0]
                if effect != "ratio" or pd.notna(own["ratio_ci_low"]):
                    ranks.append(1 + (part[effect] > own[effect]).sum())
        assert int(worst) == max(ranks)
        assert int(share) == round(100 * np.mean(np.array(ranks) <= 3))
        assert f"over {len(ranks)} specifications" in sentence


def test_every_sentence_that_names_something_is_one_of_these(section):
    """A new kind of statement needs a check of its own here."""
    checked = (
        r"^Highest mean restoration \(all items\)",
        r"^Most negative mean restoration",
        r"^Negation in the (foil|caption): restoration",
        r"^Of the \d+ cells by",
        r"^Pairs whose change has the sign",
    )
    for sentence in section.sentences:
        if NAMES.search(sentence):
            assert any(re.search(pattern, sentence) for pattern in checked), sentence
    assert sum(bool(NAMES.search(s)) for s in section.sentences) >= 6


def test_nothing_is_named_where_the_family_says_no(section):
    tests = section.family.assign(p_study=0.5)
    maps = {name: with_study_tests(table, tests) for name, table in section.maps.items()}
    silent = replace(section, maps=maps, family=tests)
    said = " ".join([silent.headline, *silent.sentences])
    assert not re.search(r"head \d of block \d|carries most|Pairs whose change", said)
