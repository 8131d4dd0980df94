"""How far a right replication may be from the published numbers.

``python benchmarks/tolerances.py SCORES ANNOTATIONS`` simulates replications (replications.py) from
the authors' own scores, which are not part of the project, and writes
workflow/published/tolerances.json, which the ledger reads, and docs/tolerances.md, which says what
was assumed and found.

A figure's tolerance is exceeded by the largest deviation of its values in ALPHA / (number of
simulated figures) of right replications, so that at most ALPHA of them have a value that deviates
anywhere.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import image_noise
import pandas as pd
from replications import Subject, World, simulated, subject

from negtrace.replication.published import TOLERANCES
from negtrace.tables.store import write_text

DOCUMENT = Path(__file__).parents[1] / "docs" / "tolerances.md"
ALPHA = 0.05
REPLICATIONS = 2000
CHECKS = 400  # fresh ones, of every world
NOISE_STEP, COMMON_STEP = 0.005, 0.05  # to which declared noise is rounded up
ROUNDING = 1e-9
ANY = "any figure"

# Tolerances that no simulation gives: no picture enters.
DECLARED = {
    "count": (0, "follows from the items alone"),
    "structural": (0.0001, "0 or 1 by definition, up to float32 rounding"),
    "attention": (
        0.002,
        "no picture enters; 4 published digits and float32 rounding leave less than 0.001. Wider, "
        "and most heads of a random model would pass",
    ),
    "similarity": (0.001, "no picture enters; published to 3 or 4 digits"),
}
# Why the others are as wide as they are.
SIMULATED = {
    "accuracy": "items whose d is nearest to 0 change its sign",
    "mean_d": "logits; noise averages out over items",
    "segment": "items near a threshold change sides",
    "restoration_foil": "a few of 81 items enter or leave the segment",
    "restoration_caption": "a few of 72 items enter or leave the segment",
    "restoration_foil_incorrect": "one of 14 items that enters or leaves moves a mean much",
    "head_correlation": "selectivity has no noise, d has little beside its spread",
    "similarity_correlation": "similarity has no noise, d has little; published to 2 digits",
    "area_correlation": "another noun phrase or segmentation gives some subjects other sizes",
    "area_accuracy": "few items have large subjects: each that crosses a threshold counts",
}

TEXT = """\
# Tolerances of the ledger

Written by `python benchmarks/tolerances.py SCORES ANNOTATIONS`; the authors' scores of every item
are not part of the project.

A published number *replicates* if ours is within a tolerance. Tolerances are derived: replications
that are right but read the pictures by other code are simulated from the real model's score of
both sentences of all 505 (standard) and 490 (rephrased) items, and no more than {alpha:.0%} of them
may have any value beyond its tolerance anywhere. A figure's tolerance is exceeded in {alpha:.0%} /
(number of figures below) of {replications} replications.

## How much other code moves d

{pictures} pictures ({pictures_of_random} for random towers), scenes of the demo world at a
photograph's size with 1/f texture as JPEG files, read by other code than the pipeline's. `right`:
another decoder, or another implementation of the same resize.

- *d*: standard deviation of the change of d over that of d;
- *common*: mean change of d over the standard deviation of the change, the larger of the two
  negations;
- the other columns: change of the embedding over its spread between pictures.

{ways}

**Declared noise: {noise:g} logits per item**, the largest value of a right way times the real
model's standard deviation of d ({sd_d:.3f} logits), rounded up; and {common:g} times as much that
all items of a negation have in common. Pillow and torchvision decode the same bytes to the same
pixels here.

What this can stand for: the order of magnitude of what decoders and resamplers do. The real image
tower was not measured: its weights were not at hand. The demo model is small and sees 48 pixels; a
random tower of the right shape is no trained one; pictures are drawn.
Not covered are the `other` ways. The one that a careful replication can meet unawares is the crop:
where a resized picture has an odd margin, transformers gives the odd pixel to the other side than
torchvision (and OpenAI's own code), which moves the picture by a pixel. It moves d more than all
decoders do.

## What else is assumed

- Noise is normal, independent between pictures and the same in both wordings.
- Maps: the authors' restoration of single items is not published. Their items get the widest spread
  that values between 0 and 1 with the published mean can have, independent between cells (cells of
  the demo model have 0.6 to 1.3 times that spread, 0.65 in the median); half of the noise of d is
  not shared by a patched score.
- Selectivity has no noise, and the published correlation with the authors' d.
- Sizes of subjects: log-normal noise of 10%, and 5% of items with another phrase's size. Declared,
  not measured. Items that only one of the two rules finds a phrase for are the real ones.

No picture enters into these, and their tolerances are declared:

{declared}

## Share of simulated replications with a value beyond its tolerance

{checks} fresh replications each. The first two columns should be low ({alpha:.0%} for any figure),
the others show what the ledger notices.

{shares}
"""


def exceedance(deviation: pd.DataFrame, width: pd.Series) -> pd.Series:
    """Share of replications with a value beyond its tolerance: of each figure, and of any."""
    beyond = deviation > width[deviation.columns] + ROUNDING
    return pd.concat([beyond.mean(), pd.Series({ANY: beyond.any(axis=1).mean()})])


def widths(deviation: pd.DataFrame, of: Subject) -> dict[str, float]:
    """Tolerances by name, from simulated deviations [replications, figures]; rounded up."""
    names = {block.figure: block.tolerance_name for block in of.blocks}
    share = 1 - ALPHA / deviation.shape[1]
    limits = deviation.quantile(share, interpolation="higher").groupby(names).max()
    return {name: rounded_up(limit) for name, limit in limits.items()}


def rounded_up(value: float) -> float:
    """To two digits; a whole number stays one."""
    step = 10 ** (math.floor(math.log10(value)) - 1)
    return value if value == round(value) else round(math.ceil(value / step) * step, 9)


def right_replication(measured: pd.DataFrame, sd_d: float) -> World:
    """With the largest noise that another right way gave, in logits of the authors' spread of d.

    Displacement stands for the share where the model's sentences mean nothing.
    """
    right = measured[measured["kind"] == image_noise.RIGHT]
    share = right["share"].fillna(right["displacement"]).max()
    noise = math.ceil(share * sd_d / NOISE_STEP) * NOISE_STEP
    common = math.ceil(right["common"].max() / COMMON_STEP) * COMMON_STEP
    return World("right replication", round(noise, 9), round(common, 9))


def worlds(right: World) -> tuple[World, ...]:
    """The right replication first."""
    noise = right.noise
    return (
        right,
        replace(right, name="half the noise", noise=noise / 2),
        replace(right, name="three times the noise", noise=3 * noise),
        replace(right, name="ten times the noise", noise=10 * noise),
        replace(right, name="logit scale 5% larger", scale=1.05),
        replace(right, name="d of captions 0.1 logits larger", shift=0.1),
    )


def write_tolerances(found: Mapping[str, float], right: World) -> None:
    content = {
        "about": "Largest absolute deviation of a replicated value, by name. Derived by "
        "benchmarks/tolerances.py; docs/tolerances.md says how. A right replication has a value "
        "beyond its tolerance in no more than alpha of cases.",
        "alpha": ALPHA,
        "noise": {"d_logits": right.noise, "common": right.common},
        "tolerances": {
            name: {"value": value, "why": why}
            for name, (value, why) in {
                **DECLARED,
                **{name: (found[name], why) for name, why in SIMULATED.items()},
            }.items()
        },
    }
    write_text(json.dumps(content, indent=2) + "\n", TOLERANCES)


def at_hand() -> World:
    """The right replication that the tolerances at hand were derived with."""
    noise = json.loads(TOLERANCES.read_text())["noise"]
    return World("right replication", noise["d_logits"], noise["common"])


def document(
    measured: pd.DataFrame,
    right: World,
    found: Mapping[str, float],
    of: Subject,
    checked: Mapping[str, pd.Series],
) -> str:
    sd_d = of.sd_d
    names = {block.figure: block.tolerance_name for block in of.blocks}
    ways = measured.pivot_table(
        index=["kind", "way"], columns="model", values="displacement", sort=False
    )
    of_d = measured.dropna(subset="share").set_index(["kind", "way"])
    for place, (name, title) in enumerate((("share", "d"), ("common", "common"))):
        ways.insert(place, f"demo model, {title}", of_d[name])
    shares = pd.DataFrame(checked).loc[[*names, ANY]]
    shares.insert(0, "tolerance", [f"{found[names[f]]:g}" for f in names] + [""])
    return TEXT.format(
        alpha=ALPHA,
        noise=right.noise,
        common=right.common,
        sd_d=sd_d,
        replications=REPLICATIONS,
        checks=CHECKS,
        pictures=image_noise.PICTURES,
        pictures_of_random=image_noise.PICTURES_OF_RANDOM,
        ways=_markdown(ways.reset_index(), "{:.3f}"),
        shares=_markdown(shares.rename_axis("figure").reset_index(), "{:.1%}"),
        declared="\n".join(
            f"- `{name}` {value:g}: {why}." for name, (value, why) in DECLARED.items()
        ),
    )


def _markdown(table: pd.DataFrame, form: str) -> str:
    def cell(value: object) -> str:
        return form.format(value) if isinstance(value, float) else str(value)

    rows = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=Path, help="the authors' scores of every item, CSV")
    parser.add_argument("annotations", type=Path, help="VALSE's existence.json")
    options = parser.parse_args()
    of = subject(options.scores, options.annotations)
    measured = pd.read_csv(image_noise.OUTPUT)
    right = right_replication(measured, of.sd_d)
    found = widths(simulated(right, of, 0, REPLICATIONS), of)
    write_tolerances(found, right)
    figure_widths = pd.Series({block.figure: found[block.tolerance_name] for block in of.blocks})
    checked = {
        world.name: exceedance(simulated(world, of, REPLICATIONS, CHECKS), figure_widths)
        for world in worlds(right)
    }
    write_text(document(measured, right, found, of, checked), DOCUMENT)


if __name__ == "__main__":
    main()
