"""Mending in words: what edits of the weights do to items that did not choose them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import plural
from negtrace.vocabulary import ALL

NAMES = {"heads": "Scaling the found heads", "direction": "Adding the negation direction"}
RANDOM = {
    "heads": "of other heads in the same blocks",
    "direction": "random directions of the same length",
}
# The price, in this order.
PRICES = {
    "affirmative_accuracy": "accuracy among affirmative sentences",
    "affirmative_mean_d": "mean d there",
    "image_to_text_5": "image-to-text recall in the first 5",
    "text_to_image_5": "text-to-image recall in the first 5",
}


def of_mending(table: pd.DataFrame) -> list[str]:
    """What each chosen edit does on the other half, and at what price.

    Args:
        table: table ``mending``.
    """
    return [_of_edit(rows) for _, rows in table.groupby("edit", observed=True, sort=False)]


def _of_edit(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    edit, what, strength = str(first["edit"]), first["what"], first["strength"]
    if not what:
        return (
            f"{NAMES[edit]} in every sentence: on the half of the pairs that strengths are chosen"
            " on, none does better than the model as it is."
        )
    rows = table[table["negation"] == ALL].set_index("measure")
    found: Any = rows.loc["accuracy"], rows.loc["mean_d"]
    accuracy, d = found
    done = {
        "heads": f"by {strength:g} (block.head: {what})",
        "direction": f"to hidden state {what}, {strength:g} times the mean difference",
    }
    said = (
        f"{NAMES[edit]} in every sentence {done[edit]}, chosen on one half of the pairs,"
        f" {_verdict(accuracy, d)} on the other ({plural(accuracy['n_items'], 'item')}):"
        f" accuracy {_change(accuracy)}, mean d {_change(d)}"
    )
    if d["n_sets"]:
        said += (
            f"; {plural(d['n_sets'], 'set')} {RANDOM[edit]}"
            if edit == "heads"
            else f"; {d['n_sets']:.0f} {RANDOM[edit]}"
        )
        said += (
            f" reach {accuracy['drawn_mean']:.1%} and {d['drawn_mean']:.2f} on average (one-sided p"
            f" {accuracy['p']:.2g} and {d['p']:.2g})"
        )
    price = [f"{label} {_change(rows.loc[m])}" for m, label in PRICES.items() if m in rows.index]
    return f"{said}. The price: {'; '.join(price)}."


def _verdict(accuracy: Any, d: Any) -> str:
    """What intervals say of accuracy and mean d."""
    said = []
    for name, row in (("accuracy", accuracy), ("mean d", d)):
        up, down = row["difference_ci_low"] > 0, row["difference_ci_high"] < 0
        words = f"{'raises' if up else 'lowers'} {name}"
        said.append(words if up or down else f"does not change {name} significantly")
    return " and ".join(said)


def _change(row: Any) -> str:
    """Before and after, with the difference and its interval."""
    low, high = row["difference_ci_low"], row["difference_ci_high"]
    is_share = not str(row.name).endswith("mean_d")
    shown = "{:.1%} to {:.1%}" if is_share else "{:.2f} to {:.2f}"
    by = "{:+z.3f}" if is_share else "{:+z.2f}"
    interval = "" if pd.isna(low) else f" [{by.format(low)}, {by.format(high)}]"
    difference = by.format(row["difference"])
    return f"{shown.format(row['before'], row['after'])} ({difference}{interval})"
