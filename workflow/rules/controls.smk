# Negative controls: datasets derived from a study's own.
#
# In:  items, image_files and candidates of a dataset.
# Out: the same tables of the derived dataset, which then goes its way as any other.


rule control_inputs:
    input:
        of_items=of_original(ITEMS),
        of_image_files=of_original(IMAGE_FILES),
    output:
        item_table=ITEMS,
        image_files=IMAGE_FILES,
    log:
        log_of("control_inputs", "{dataset}"),
    benchmark:
        benchmark_of("control_inputs", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(DERIVED, annotation_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("control_inputs"),
    shell:
        shell_line("control_inputs")


rule control:
    input:
        of_candidates=of_original(CANDIDATES),
        of_rejected=of_original(REJECTED),
        of_image_files=of_original(IMAGE_FILES),
    output:
        candidates=CANDIDATES,
        rejected=REJECTED,
    log:
        log_of("control", "{dataset}.{wording}"),
    benchmark:
        benchmark_of("control", "{dataset}.{wording}")
    wildcard_constraints:
        dataset=datasets_with(DERIVED, annotation_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("control"),
        kind=of_dataset("kind"),
        seed=of_dataset("seed"),
    shell:
        shell_line("control")
