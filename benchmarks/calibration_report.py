"""docs/calibration.md in words and tables."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from selection import constant_patch, real_scores


def percent(rate: pd.Series) -> str:
    text = f"{rate['rate']:.1%} ± {rate['se']:.1%}"
    present = f"{rate['present']:.0%}"
    return text if present == "100%" else f"{text} (of {present})"


def markdown_table(rows: dict[str, pd.DataFrame]) -> str:
    """A row per world and a column per procedure."""
    names = [" ".join(n) if isinstance(n, tuple) else n for n in next(iter(rows.values())).index]
    lines = [["items", *names], ["---"] * (len(names) + 1)]
    lines += [[world, *map(percent, (r for _, r in t.iterrows()))] for world, t in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def real_rows(authors: Path, valse: Path) -> str:
    """What a constant patched score restores with a real model's scores, as a table."""
    scores = real_scores(authors, valse)
    lines = [
        "| direction | negation | ratio, correct items | logits, all items |",
        "|---" * 4 + "|",
    ]
    for direction, negation in (("negate", "foil"), ("affirm", "caption")):
        selected, every = constant_patch(scores, direction, negation)
        lines.append(f"| {direction} | {negation} | {selected:.2f} | {abs(every):.2f} |")
    table = "\n".join(lines)
    return f"""The same happens with the scores that CLIP ViT-B/32 gave to both sentences of VALSE's
`rephrased` items (published by Quantmeyer et al. 2024), if every patched score is the mean base
score:

{table}"""


def linked_section(found: dict[str, pd.DataFrame]) -> str:
    """What the unit of resampling does where pairs share sentences."""
    return f"""## Clusters

Pairs that share a sentence, or the foils of one caption, are not independent either, so the unit of
all intervals and tests is the cluster: whatever is linked by common sentences and groups. Here half
of what the items of a pair share comes from a sentence that all pairs of their cluster have; each
pair has one item. Columns that end in *by pair* take pairs for independent. Sizes of NegBench's
clusters are those of 300 rows of two of its files: VOC's short captions link 119 pairs into 15
clusters, one for each object or so.

{markdown_table(found)}

By pair, a map without any effect passes for one in 11% to 91% of studies, and intervals of 95% hold
the truth in 64% to 91%. By cluster *flip*, the default, keeps its promise down to 8 clusters;
*percentile* does not with 30 or fewer, nor do tests of skewed changes with few and very unequal
clusters. Hence the mark below 50 clusters of equal size."""


def plain_table(table: pd.DataFrame) -> str:
    """Mean, standard error and range of each quantity over the studies."""
    lines = ["| quantity | mean ± standard error | least to most |", "|---" * 3 + "|"]
    for name, row in table.iterrows():
        between = f"{row['least']:.2f} to {row['most']:.2f}"
        lines.append(f"| {name} | {row['rate']:.3f} ± {row['se']:.3f} | {between} |")
    return "\n".join(lines)


def markdown_report(found: dict[str, Any], studies: int, tables: int, maps: int) -> str:
    """docs/calibration.md from the rates of every simulation."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    selected = {
        title: f"*{title}*\n\n{plain_table(table)}" for title, table in found["selection"].items()
    }
    chance, exchangeable, random = selected.values()
    real = f"{found['real']}\n\n" if found["real"] else ""
    return (
        f"""# Calibration

What the intervals and tests of the library do on simulated studies whose truth is known. Written by
`python benchmarks/calibration.py`: {studies} studies of each kind, with the seeds 0 to
{studies - 1}, and {packages}. Rates are given with their standard errors over the studies.

An item has an effect d (t distribution with 3 degrees of freedom, standard deviation 2, mean 3
unless stated; values near 0 and below occur) and in every cell a change of share × d + noise. Half
of the variance of d and of the noise is shared by the items of a pair, and three fifths of the
noise by all cells. VALSE's pairs are those of the `rephrased` wording: 284 pairs, 238 of one item,
the largest of 47.

## Tests

How often a map of 104 cells without any effect is said to have one, at the 5% level (1000 sign
patterns). *max-T* and *Benjamini-Hochberg* are the p-values `p_fwer` and `q_fdr`. The share of
single cells with p ≤ 0.05 should be 5% as well. The last two columns show what the correction over
cells and the clustering by pairs are for.

{markdown_table(found["alarms"])}

With few pairs and skewed changes (exponential noise, 60 cells) sign flips promise too much, because
sums are not symmetric about 0. Maps whose items are worth fewer than 50 clusters of equal size,
(Σn)² / Σn², are marked by `few_clusters`, and log and report say so.

{markdown_table(found["skewed"])}

One study has many maps. {maps} maps of the same pairs, each its own family (`p_fwer`), or all of
them one (`p_study`: a pair keeps one sign in all maps):

{markdown_table(found["families"])}

{linked_section(found["linked"])}

## Intervals

How often a 95% interval contains the truth, in cells with shares 0, 0.3 and 0.9 (1000 resamples).
*percentile* and *bca* resample pairs; *flip* inverts the test by sign flips. Columns that end in
*items drawn* resample items as if they were independent. A ratio has no interval where its
denominator may be 0, which is also so where one pair makes most of it; "of 90%" means that 90% of
the studies had one. Where few pairs hold many of the items, resamples vary less than studies do,
and limits read off them are too close together.

{markdown_table(found["covered"])}

The mean of ratios is not in the table: where d can be 0, a ratio with noise in its numerator has no
expectation that an interval could contain.

The interval of `flip_rate` has to hold for rare events, where the others have no width at all if
nothing happens. Two values of a pair correlate by 0.5 (beta-binomial). A column without a method is
the library's: Clopper and Pearson's at an effective number of values.

{markdown_table(found["events"])}

## Selection

Items that are chosen by d bring an effect with them, because d has noise in common with every
change and is the ratio's denominator. {tables} studies of VALSE's pairs go through the library's
own tables; shares of studies are means of 0 and 1.

{chance}

A patched score that has nothing to do with the sentences restores half of d in correct items,
always significantly. The placebo shows it, too; over all items, and beyond the placebo, there is
nothing but the 5% of false alarms. So findings rest on all items.

{real}{exchangeable}

Two sources that are the same in distribution differ in items that the d of one of them selected.
The specific effect is defined over all items.

{random}

Over both negations d cancels, and ratios to it can be of any size. They have no bounded interval,
so none is shown, and no head is named.
""".rstrip()
        + "\n"
    )
