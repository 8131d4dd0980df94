"""Attribution: what gradients say a patch would do, beside what it does.

A patch changes an activation a by source - base; to first order the score changes by
(source - base) . dS/da (attribution patching, AtP; Nanda 2023; of edges Syed et al. 2023,
arXiv 2310.10348).  Three estimates of S_patched - S_base:

    atp     gradients of the base run
    atp_qk  where queries or keys change: the head's attention computed anew, gradients from its z
            on (the QK fix of AtP*, Kramar et al. 2024, arXiv 2403.00745)
    ig      gradients averaged along the straight line between both runs' hidden states 0, at the
            middle of each of some steps (EAP-IG, Hanna et al. 2024, arXiv 2403.17806)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from negtrace.analyses.estimates import EDGE, Batch, Wanted, batch_estimates
from negtrace.models.tower import TextTower
from negtrace.patching.edges import check_stream, receivers_named, senders_named
from negtrace.patching.forward_passes import as_array, run_sentences
from negtrace.patching.score_grid import Study, make_study
from negtrace.patching.sites import SITES
from negtrace.progress import silent
from negtrace.vocabulary import ATTRIBUTIONS, BASE_OF, SOURCE_OF

KEY = ["site", "direction", "layer", "head", "position", "role", "sender", "receiver"]
COLUMNS = ["item_id", "pair_id", *KEY, "exact", *ATTRIBUTIONS]
BATCH = 64  # items


@torch.no_grad()
def attributions(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    swept: Sequence[pd.DataFrame],
    edges: pd.DataFrame | None,
    direction: str,
    steps: int,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Every estimate of the change of the score by every cell and edge that was patched.

    Args:
        tables: alignment, candidates (with pictures), images and scores.
        swept: tables ``sweep`` of this direction, one a site; site pattern has no estimate.
        edges: table ``edges``, or None.
        direction: ``negate`` or ``affirm``.
        steps: of `ig`.

    Returns:
        `COLUMNS`: changes of S(base sentence) in logits; atp_qk is null where no query or key is
        changed by itself.  Cells that are known by definition are left out.

    Raises:
        InputError: see `edges.check_stream`.
    """
    check_stream(tower.shape)
    candidates = tables["candidates"].reset_index(drop=True)
    scale = tower.identity["logit_scale"]
    study = make_study(
        tables["alignment"], candidates, tables["images"], tables["scores"], direction, scale
    )
    sites = [str(table["site"].iloc[0]) for table in swept]
    parts = [cells_of(table) for table in swept]
    wanted = Wanted([site for site in sites if site != "pattern"], [], [], [])
    parts = [part for part, site in zip(parts, sites, strict=True) if site != "pattern"]
    if edges is not None:
        own = edges[edges["direction"] == direction]
        names = {name: list(own[name].astype(str).unique()) for name in ("receiver", "sender")}
        wanted = wanted._replace(
            receivers=receivers_named(names["receiver"], tower.shape),
            senders=senders_named(names["sender"], tower.shape),
            roles=list(own["role"].astype(str).unique()),
        )
        parts.append(own.assign(site=EDGE))
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    order = []
    bar = progress(total=len(candidates), desc=f"attribution {direction}", unit="item")
    for batch in batches(tower, study, direction):
        order.append(batch.items)
        for key, values in batch_estimates(tower, batch, wanted, steps).items():
            found.setdefault(key, []).append(as_array(values.double()))
        bar.update(len(batch.items))
    bar.close()
    place = np.argsort(np.concatenate(order))
    grids = {key: stacked(values)[place] for key, values in found.items()}
    row = pd.Series(range(len(candidates)), index=candidates["item_id"].astype(object))
    found_rows = []
    for part in parts:
        site = str(part["site"].iloc[0])
        item = part["item_id"].astype(object).map(row).to_numpy()
        at = (item, *(edge_place(part, wanted) if site == EDGE else cell_place(part)))
        estimates = {
            method: grids[method, site][at] if (method, site) in grids else np.nan
            for method in ATTRIBUTIONS
        }
        exact = part["s_patched"].to_numpy() - study.s_base[item]
        found_rows.append(part.assign(exact=exact, **estimates).reindex(columns=COLUMNS))
    return pd.concat(found_rows, ignore_index=True)


def cells_of(swept: pd.DataFrame) -> pd.DataFrame:
    """The computed cells of a sweep."""
    return swept[swept["eligible"] & ~swept["known"]]


def cell_place(part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Where each cell of one site lies in its grid: layer, and head or position."""
    site = SITES[str(part["site"].iloc[0])]
    layer = part["layer"].to_numpy(int) - (not site.counts_hidden_states)
    second = part["head"].to_numpy(int) - 1 if site.by_head else part["position"].to_numpy(int)
    return layer, second


def edge_place(part: pd.DataFrame, wanted: Wanted) -> tuple[np.ndarray, ...]:
    """Where each edge lies in its grid: receiver, sender, role."""
    known: dict[str, Sequence[object]] = {
        "receiver": wanted.receivers,
        "sender": wanted.senders,
        "role": wanted.roles,
    }
    places = {name: {str(one): i for i, one in enumerate(of)} for name, of in known.items()}
    return tuple(part[name].astype(str).map(place).to_numpy(int) for name, place in places.items())


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Batches one below the other; shorter sentences are filled up."""
    longest = max(part.shape[-1] for part in parts)
    padded = [np.pad(p, [(0, 0)] * (p.ndim - 1) + [(0, longest - p.shape[-1])]) for p in parts]
    return np.concatenate(padded)


def batches(tower: TextTower, study: Study, direction: str) -> Iterator[Batch]:
    """Items in batches of equally long base sentences, so that none is padded."""
    pair_of = {int(item): i for i, items in enumerate(study.items) for item in items}
    bases = [pair.sentence(BASE_OF[direction]) for pair in study.pairs]
    sources = [pair.sentence(SOURCE_OF[direction]) for pair in study.pairs]
    of_length: dict[int, list[int]] = {}
    for item, pair in pair_of.items():
        of_length.setdefault(len(bases[pair].tokens), []).append(item)
    for members in of_length.values():
        for start in range(0, len(members), BATCH):
            items = np.array(members[start : start + BATCH])
            pairs = [pair_of[int(item)] for item in items]
            own = [bases[pair] for pair in pairs]
            index = torch.tensor([base.counterparts for base in own], device=tower.device)
            images = torch.from_numpy(study.images[items] * study.logit_scale)
            yield Batch(
                items,
                own,
                run_sentences(tower, [base.tokens for base in own]),
                run_sentences(tower, [sources[pair].tokens for pair in pairs]),
                index.clamp(min=0),
                index >= 0,
                images.to(tower.device, tower.readout_dtype),
            )
