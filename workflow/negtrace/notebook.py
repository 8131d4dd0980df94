"""Notebook: what a study computes, for items at hand or a run of the pipeline, as DataFrames.

from negtrace.notebook import Study

study = Study.of_items(model, tokenizer, captions, foils, pictures, preprocess=preprocess)
study = Study.of_run("results/demo/demo/rephrased")      # or what a study has left
study.map("head")                                        # effects with intervals and tests
study.map(Intervention("attn_out", window=3), "affirm")
study.edges()                                            # path patching into the strongest heads
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from negtrace.analyses.edges import chosen_receivers, study_edges
from negtrace.data.contrasts import NEGATION, Contrast
from negtrace.data.items import item_table
from negtrace.data.pairs import candidates
from negtrace.data.reading import read_candidates, read_placebos
from negtrace.errors import InputError
from negtrace.models.callers_model import (
    Preprocess,
    evaluating,
    image_embedding,
    image_list,
    several,
    traceable,
)
from negtrace.models.tower import TextTower
from negtrace.models.tower_file import load_tower
from negtrace.patching.edges import receivers_named, senders_named
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured, scores, sentence_embeddings
from negtrace.patching.self_check import check_finite, check_tower, logit_scale
from negtrace.progress import bar
from negtrace.statistics.edge_map import edge_map
from negtrace.statistics.effect_sizes import DEFAULTS, Options, effect_map
from negtrace.statistics.groups import segments
from negtrace.tables.lineage import read_tables

TABLES = ("alignment", "placebo_alignment", "candidates", "scores", "segments")
THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}


@dataclass(frozen=True)
class Study:
    """Items, as one text tower reads them; all tables are those of the pipeline.

    Attributes:
        tower: the text tower.  That of a caller's model shares its weights.
        alignment, candidates, images, scores, segments: tables of those names.
        placebo_alignment: the same as ``alignment`` of neutral swaps.
        excluded: items that are no minimal pair or that the model cannot read, with the reason.
    """

    tower: TextTower
    alignment: pd.DataFrame
    placebo_alignment: pd.DataFrame
    candidates: pd.DataFrame
    images: pd.DataFrame
    scores: pd.DataFrame
    segments: pd.DataFrame
    excluded: pd.DataFrame

    @classmethod
    def of_items(
        cls,
        model: nn.Module,
        tokenizer: Any,
        captions: Sequence[str],
        foils: Sequence[str],
        images: Any,
        *,
        preprocess: Preprocess | None = None,
        wording: str = "standard",
        contrast: Contrast = NEGATION,
    ) -> Study:
        """Items of true captions, false foils and pictures, read by a model.

        Args:
            model, tokenizer, preprocess: as in `trace.trace`.
            captions, foils: two sentences for each item; which of them is negated is found.
            images: as in `trace.trace`, one for each item, or one for all.
            wording: ``standard`` or ``rephrased``.
            contrast: what the sentences differ in.

        Raises:
            InputError: the model or an image cannot be used, or no item is a minimal pair.
        """
        model, text_tower, cut, preprocess = traceable(model, tokenizer, preprocess)
        with evaluating(model):
            check_finite(model)
            own = text_tower()
            tower = TextTower(own.shape, own.weights, {"logit_scale": logit_scale(model)})
            width = tower.shape.embed_dim
            vectors = [image_embedding(model, i, width, preprocess) for i in image_list(images)]
            n = max(len(captions), len(foils), len(vectors))
            names = [str(number) for number in range(len(vectors))]
            columns = {
                "item_id": [str(number) for number in range(n)],
                "caption": several(captions, n, "captions"),
                "foil": several(foils, n, "foils"),
                "image_file": several(names, n, "images"),
            }
            rows: Any = pd.DataFrame(columns).to_dict("records")
            items = item_table(rows)
            worded, rejected = candidates(items, wording, contrast)
            if worded.empty:
                raise InputError(f"no item is a minimal pair; the first: {rejected['reason'][0]}")
            readable, alignment, unread = read_candidates(worded, cut, tower.shape)
            if readable.empty:
                raise InputError(f"the model can read no item; the first: {unread['reason'][0]}")
            sentences = pd.unique(pd.concat([readable["negated"], readable["affirmative"]]))
            check_tower(model, tower, cut, list(sentences))
            placebos = read_placebos(readable, cut, tower.shape)
        pictures = pd.DataFrame({"image_file": names, "embedding": vectors})
        scale = tower.identity["logit_scale"]
        found = scores(readable, sentence_embeddings(tower, alignment), pictures, scale)
        return cls(
            tower,
            alignment,
            placebos,
            readable,
            pictures,
            found,
            segments(found, readable, THRESHOLDS),
            pd.concat([rejected, unread], ignore_index=True),
        )

    @classmethod
    def of_run(cls, folder: Path | str) -> Study:
        """What the pipeline has left of one dataset, model and wording.

        Args:
            folder: such as ``results/demo/demo/rephrased``.

        Raises:
            InputError: a table or the model's text tower is missing or damaged.
        """
        folder = Path(folder)
        model, results = folder.parent.name, folder.parents[2]
        paths = {name: folder / f"{name}.parquet" for name in (*TABLES, "excluded")}
        tables = read_tables({**paths, "images": folder.parent / "images.parquet"})
        return cls(load_tower(results / "models" / model), **tables)

    def sweep(
        self, intervention: str | Intervention = "resid", direction: str = "negate"
    ) -> pd.DataFrame:
        """Restoration of every cell for every item: the table ``sweep``.

        Args:
            intervention: the name of a site, or more exactly what to replace.
            direction: ``negate`` or ``affirm``.
        """
        return sweep(
            self.tower,
            self.alignment,
            pictured(self.candidates, self.images),
            self.images,
            self.scores,
            intervention,
            direction,
            self.tower.identity["logit_scale"],
            progress=bar,
        )

    def map(
        self,
        intervention: str | Intervention = "resid",
        direction: str = "negate",
        options: Options = DEFAULTS,
    ) -> pd.DataFrame:
        """Effects by layer, head and role with intervals and tests: `effect_sizes.effect_map`."""
        swept = self.sweep(intervention, direction)
        return effect_map(swept, self.scores, self.segments, options)

    def edges(
        self,
        receivers: Sequence[str] = (),
        senders: Sequence[str] = (),
        direction: str = "negate",
        *,
        roles: Sequence[str] = (),
        heads: int = 2,
        least: float = 0.05,
        options: Options = DEFAULTS,
    ) -> pd.DataFrame:
        """Effects of edges with intervals, tests and placebo: `edge_map.edge_map`.

        Args:
            receivers, senders: names as in `patching.edges`; none: the heads that change scores
                most on half of the pairs, and the read-out; all that write before.
            roles: of the tokens at which edges are patched; none: of all.
            heads: how many such heads.
            least: share of d that a kept edge is worth at least.
        """
        if not receivers:
            swept = self.sweep("head", direction)
            chosen = (swept, self.scores, self.segments, heads, options.seed)
            receivers = chosen_receivers(*chosen)
        shape = self.tower.shape
        found = study_edges(
            self.tower,
            {name: getattr(self, name) for name in (*TABLES, "images")},
            receivers_named(receivers, shape),
            senders_named(senders, shape) if senders else None,
            [direction],
            options.seed,
            roles,
            progress=bar,
        )
        return edge_map(found, self.scores, self.segments, least, options)
