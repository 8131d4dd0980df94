"""negtrace: where does a CLIP text encoder process negation? See README.md."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/report.smk"


# On a cluster these run where Snakemake runs: a cluster job would cost more than they take.
localrules:
    all,
    merged_config,
    pairs,
    segments,


# The report's inputs too: Snakemake would not miss a deleted table as long as the report is there.
rule all:
    default_target: True
    input:
        rules.report.input,
        rules.report.output,
