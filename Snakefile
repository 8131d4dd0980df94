"""negtrace: where does a CLIP text encoder process negation? See README.md."""

import atexit
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


# Of the checkout, wherever Snakemake runs and whatever embeds it.
configfile: f"{workflow.current_basedir}/config.yaml"


# What Snakemake's own report (snakemake --report) opens with.
report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/entries.smk"
include: "workflow/rules/gathered.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/pictures.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/maps.smk"
include: "workflow/rules/confirmation.smk"
include: "workflow/rules/mechanism.smk"
include: "workflow/rules/controls.smk"
include: "workflow/rules/templates.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/upkeep.smk"


# On a cluster these run where Snakemake runs: where the network is, or because a cluster job would
# cost more than they take.
localrules:
    all,
    annotations,
    candidates,
    contribution_map,
    control,
    control_inputs,
    hugging_face,
    image_archive,
    items,
    features,
    ledger,
    merged_config,
    pairs,
    pictures,
    prefetch,
    report,
    scenes,
    segmenter,
    segments,
    subject_areas,
    template_items,
    verify,
    weights,


# The report's inputs too: Snakemake would not miss a deleted table as long as the report is there.
rule all:
    default_target: True
    input:
        rules.report.input,
        rules.report.output,


# At exit: Snakemake has some words of its own after these handlers.
onsuccess:
    if workflow.is_main_process and any(
        job.rule.name == "report" for job in workflow.dag.finished_jobs
    ):
        atexit.register(
            print,
            f"The report: {Path('results/report.html').resolve()}",
            file=sys.stderr,
        )


onerror:
    if workflow.is_main_process and log:
        atexit.register(
            print, "\n".join(last_words(map(Path, log))), file=sys.stderr
        )
