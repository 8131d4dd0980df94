"""Correlate the features of items with d, and count accuracy above sizes of subjects."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.features import accuracy_above_area, feature_correlations, feature_summary
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table


def step(options: Namespace) -> None:
    tables = tables_of(options, ["features"])
    features = tables["features"]
    made = provenance("feature_correlations", tables=tables.sources)
    labels = vars(options)
    summary = labelled(feature_summary(features), labels)
    write_table(summary, options.summary, "feature_summary", made)
    correlations = labelled(feature_correlations(features), labels)
    write_table(correlations, options.correlations, "feature_correlations", made)
    accuracy = labelled(accuracy_above_area(features), labels)
    write_table(accuracy, options.accuracy, "accuracy_above_area", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            "features": Path,
            "summary": Path,
            "correlations": Path,
            "accuracy": Path,
        },
    )
