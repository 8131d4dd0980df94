"""The atlas of a study: its models beside one another, in sentences and as the page draws them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from negtrace.figures.shown import listed
from negtrace.report.blocks import columns
from negtrace.report.comparison import small_map
from negtrace.report.findings import cell_name, plural
from negtrace.report.intervals import with_limits
from negtrace.vocabulary import ALL, SITES

GROUP = ["dataset", "wording", "direction"]


# From this coefficient on, and in as many resamples, two heads are said to do the same.
ALIKE, SURE = 0.8, 0.95
MOST = 6  # models that a sentence names one by one


@dataclass(frozen=True)
class Atlas:
    """The models of a study.

    Args:
        rows: tables ``atlas`` of all runs.
        matches: tables ``head_matches`` of all runs.
        named: (dataset, wording, direction) -> heads that the first model's map names, as (block,
            head), the strongest first.
        differences: tables ``base_difference`` of all runs.
        alpha: level of the tests.
    """

    rows: pd.DataFrame
    matches: pd.DataFrame
    named: Mapping[tuple[str, str, str], list[tuple[int, int]]]
    differences: pd.DataFrame
    alpha: float

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row of the page's table for each model, dataset, wording and direction."""
        values: Any = self.rows.astype(object).where(self.rows.notna(), None)
        return list(values.to_dict("records"))

    @property
    def varying(self) -> list[str]:
        """What of dataset, wording and direction tells the rows apart, beside the model."""
        return [name for name in GROUP if self.rows[name].nunique() > 1]

    @property
    def sentences(self) -> list[str]:
        """What the tables say, group by group."""
        groups: list[Any] = list(self.rows.groupby(GROUP, observed=True, sort=False))
        return [
            f"{_lead(group) if len(groups) > 1 else ''}{sentence}"
            for group, rows in groups
            for sentence in (
                *_ranges(rows),
                *self._of_matches(group),
                *self._of_differences(group),
            )
        ]

    def _of_matches(self, group: tuple[str, str, str]) -> Iterator[str]:
        heads = self.named.get(group, [])
        found = self.matches[(self.matches[GROUP].astype(str) == list(group)).all(axis=1)]
        for model, rows in found.groupby("model", observed=True, sort=False):
            places = [
                tuple(place) for place in rows[["reference_layer", "reference_head"]].to_numpy()
            ]
            named = rows[[place in heads for place in places]]
            sure = named[(named["identity"] >= ALIKE) & (named["share"] >= SURE) & named["mutual"]]
            if named.empty:
                continue
            pairs = [
                f"{row.reference_layer}.{row.reference_head} in {row.layer}.{row.head}"
                f" ({with_limits(row, 'identity')})"
                for row in sure.itertuples()
            ]
            reference = named["reference"].iloc[0]
            yield (
                f"Of {plural(len(named), 'head')} named in {reference}, {model} has"
                f" {len(sure)} that {'does' if len(sure) == 1 else 'do'} the same"
                + (f": {listed(pairs)}." if pairs else ".")
            )

    def _of_differences(self, group: tuple[str, str, str]) -> Iterator[str]:
        found = self.differences[(self.differences[GROUP].astype(str) == list(group)).all(axis=1)]
        for _, rows in found.groupby(["model", "base", "site"], observed=True, sort=False):
            yield self._of_difference(rows)

    def _of_difference(self, rows: pd.DataFrame) -> str:
        """What differs in one map."""
        first: Any = rows.iloc[0]
        said = f"{first['model']} against {first['base']}, by {SITES[first['site']].label}"
        tested = rows[rows["p_fwer"].notna()]
        if tested.empty:
            return f"{said}: one of the two has no share to give."
        sure = tested[tested["p_fwer"] <= self.alpha]
        said += (
            f": {len(sure)} of {plural(len(tested), 'cell')} differ (family-wise in the map,"
            f" {self.alpha:g}; {plural(first['n_items'], 'item')})"
        )
        if sure.empty:
            return f"{said}."
        cells: list[Any] = list(sure.itertuples())
        largest = max(cells, key=lambda cell: abs(cell.difference))
        return (
            f"{said}, most at {cell_name(largest)}: {largest.ratio_base:.2f} → {largest.ratio:.2f},"
            f" a difference of {with_limits(largest, 'difference')}."
        )

    def data(self) -> dict[str, Any]:
        """What the page's script draws."""
        maps = [
            {
                **dict(zip(("dataset", "wording", "model", "base"), names, strict=True)),
                "sweep": f"{site}.{direction}",
                "small": small,
                "said": self._of_difference(rows),
            }
            for (*names, site, direction), rows in self.differences.groupby(
                ["dataset", "wording", "model", "base", "site", "direction"],
                observed=True,
                sort=False,
            )
            if rows["p_fwer"].notna().any() and (small := small_map(_as_map(rows), self.alpha))
        ]
        places = self.matches[[*GROUP, "reference_layer", "reference_head"]].astype(str)
        wanted = {
            (*group, str(layer), str(head))
            for group, heads in self.named.items()
            for layer, head in heads
        }
        named = [tuple(place) in wanted for place in places.itertuples(index=False)]
        return {
            "rows": columns(self.rows),
            "matches": columns(self.matches[named]),
            "differences": maps,
        }


def _lead(group: tuple[str, str, str]) -> str:
    dataset, wording, direction = group
    return f"{dataset}, {wording} wording, {direction}: "


def _ranges(rows: pd.DataFrame) -> Iterator[str]:
    """Hand-over and concentration of the models, from the lowest to the highest."""
    for name, said in (
        ("arrives", "Half of the effect is at the end token at this fraction of the depth"),
        ("effective_heads", "The effect is spread over this many heads"),
    ):
        known = rows.dropna(subset=[f"{name}_ci_low"]).sort_values(name)
        without = rows.loc[~rows.index.isin(known.index), "model"].astype(str)
        if known.empty:
            continue
        shown = known if len(known) <= MOST else known.iloc[[0, -1]]
        values = [f"{row.model} {with_limits(row, name)}" for row in list[Any](shown.itertuples())]
        lead = "" if len(known) <= MOST else f", of {len(known)} models least and most"
        rest = (
            f"; none can be given for {listed(list(without))}" if 0 < len(without) <= MOST else ""
        )
        yield f"{said}{lead}: {', '.join(values)}{rest}."


def _as_map(rows: pd.DataFrame) -> pd.DataFrame:
    """Differences as a map over all items."""
    return rows.drop(columns=["ratio", "ratio_base"]).assign(
        negation=ALL, segment=ALL, mean=rows["difference"]
    )
