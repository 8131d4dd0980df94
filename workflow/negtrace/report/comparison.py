"""Sections beside one another: a row of numbers for each, and its maps in small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from negtrace.report.blocks import plain
from negtrace.report.evidence import MEASURES
from negtrace.report.routes import grids, route
from negtrace.report.section import Section
from negtrace.statistics.credible import credible, has_effect, named, over_all_items, pooled
from negtrace.statistics.map_values import ENDS
from negtrace.vocabulary import ALL, in_sentence_order


def row(section: Section) -> dict[str, Any]:
    """What the comparison table says of a section; None where it has no such number."""
    overall: Any = section.accuracy.set_index("negation").loc[ALL]
    found: dict[str, Any] = {
        "n_items": int(overall["n_items"]),
        "n_pairs": int(overall["n_pairs"]),
        **{f"{name}{end}": overall[f"{name}{end}"] for name in MEASURES for end in ENDS},
        "leaves": None,
        "arrives": None,
        "head": None,
        "ratio": None,
        "ratio_ci_low": None,
        "ratio_ci_high": None,
        "n_heads": None,
        "p_ablation": None,
    }
    resid, heads = (section.first_map(site) for site in ("resid", "head"))
    if resid is not None and has_effect(resid) and credible(pooled(resid), section.alpha).any():
        way = route(*grids(pooled(resid), section.alpha))
        found |= {"leaves": way.leaves, "arrives": way.arrives}
    if heads is not None:
        best = named(heads, section.alpha)
        found["n_heads"] = len(best)
        if len(best):
            top: Any = best.iloc[0]
            found |= {"head": f"{top['layer']}.{top['head']}", "ratio": top["mean"]}
            found |= {name: top.get(name) for name in ("ratio_ci_low", "ratio_ci_high")}
    if section.confirmation is not None:
        tests = section.confirmation[0]
        wanted = (tests["negation"] == ALL) & (tests["measure"] == "mean_d") & (tests["n_sets"] > 0)
        matched = tests[wanted & (tests["null"] == "layer_matched")]
        found["p_ablation"] = matched["p"].iloc[0] if len(matched) else None
    return dict(zip(found, plain(found.values()), strict=True))


def small_maps(section: Section) -> dict[str, dict[str, Any]]:
    """Of each sweep the shares over all items and both negations, in rows of layers.

    Returns:
        by sweep: layers; rows (roles or heads); values, a list per row; sure, whether each value
        differs from 0 or is known, in the same shape.
    """
    return {
        sweep: small
        for sweep, table in section.maps.items()
        if (small := small_map(table, section.alpha))
    }


def small_map(table: pd.DataFrame, alpha: float) -> dict[str, Any] | None:
    """A map as `small_maps` gives it; None of an empty one."""
    rows = over_all_items(table)
    rows = rows[rows["negation"] == ALL]
    if rows.empty:
        return None
    by = "head" if "head" in rows and rows["head"].notna().any() else "role"
    tested = rows["p_fwer"] <= alpha if "p_fwer" in rows else pd.Series(True, index=rows.index)
    known = rows.get("known", False)
    labels = in_sentence_order(rows[by]) if by == "role" else sorted(set(rows[by]), key=int)
    plain_rows = rows.assign(sure=tested | known, **{by: rows[by].astype(object)})
    layers = sorted(set(rows["layer"]))

    def grid(value: str) -> list[list[Any]]:
        wide = plain_rows.pivot(index=by, columns="layer", values=value)
        return [plain(line) for line in wide.reindex(labels, columns=layers).to_numpy(object)]

    return {
        "by": by,
        "rows": plain(labels),
        "layers": plain(layers),
        "values": grid("mean"),
        "sure": grid("sure"),
    }


def parents(names: Sequence[tuple[str, str, str]], config: Mapping[str, Any]) -> list[int | None]:
    """For each section the number of the one that it is a control of, where the study has that.

    Args:
        names: dataset, model and wording of each.
        config: the merged configuration.
    """
    datasets, models = config["datasets"], config["models"]

    def is_random(model: str) -> bool:
        return bool(models[model].get("weights") == "random")

    trained = [model for _, model, _ in names if not is_random(model)]

    def original(name: tuple[str, str, str]) -> tuple[str, str, str] | None:
        dataset, model, wording = name
        if "of" in datasets[dataset] and datasets[dataset]["kind"] != "templates":
            return str(datasets[dataset]["of"]), model, wording
        for other in trained if is_random(model) else ():
            if models[other].get("architecture") == models[model].get("architecture"):
                return dataset, other, wording
        return None

    wanted = [original(name) for name in names]
    return [names.index(one) if one in names else None for one in wanted]
