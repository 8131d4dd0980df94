# Negative controls: datasets derived from a study's own, and what the negation does beyond them.
#
# In:  items, image_files and candidates of a dataset; sweeps and scores of it and its control.
# Out: the same tables of the derived dataset, which then goes its way as any other; specificity.


rule control_inputs:
    input:
        of_items=of_original("items.parquet"),
        of_image_files=of_original("image_files.parquet"),
    output:
        table="results/{dataset}/items.parquet",
        image_files=IMAGE_FILES,
    log:
        f"{LOGS}/control_inputs.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/control_inputs.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(derived.KINDS, annotation_kind),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("control_inputs"),
    shell:
        "python -m negtrace.steps.control_inputs --of-items {input.of_items:q}"
        " --of-image-files {input.of_image_files:q} --items {output.table:q}"
        " --image-files {output.image_files:q} > {log:q} 2>&1"


rule control:
    input:
        of_candidates=of_original("candidates.{wording}.parquet"),
        of_rejected=of_original("rejected.{wording}.parquet"),
        of_image_files=of_original("image_files.parquet"),
    output:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        rejected="results/{dataset}/rejected.{wording}.parquet",
    log:
        f"{LOGS}/control.{{dataset}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/control.{{dataset}}.{{wording}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(derived.KINDS, annotation_kind),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("control"),
        kind=of_dataset("kind"),
        seed=of_dataset("seed"),
    shell:
        "python -m negtrace.steps.control --kind {params.kind} --seed {params.seed}"
        " --of-candidates {input.of_candidates:q} --of-rejected {input.of_rejected:q}"
        " --of-image-files {input.of_image_files:q} --candidates {output.candidates:q}"
        " --rejected {output.rejected:q} > {log:q} 2>&1"


rule specificity:
    input:
        sweep=f"{OF_RUN}/sweep.{{site}}.{{direction}}.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        neutral_sweep="results/{dataset}-neutral/{model}/{wording}/sweep.{site}.{direction}.parquet",
        neutral_scores="results/{dataset}-neutral/{model}/{wording}/scores.parquet",
    output:
        specificity=f"{OF_RUN}/specificity.{{site}}.{{direction}}.parquet",
    log:
        f"{LOGS}/specificity.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.log",
    benchmark:
        f"{BENCHMARKS}/specificity.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("specificity"),
        statistics=STATISTICS,
    shell:
        "python -m negtrace.steps.specificity --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --sweep {input.sweep:q}"
        " --scores {input.scores:q} --segments {input.segments:q}"
        " --neutral-sweep {input.neutral_sweep:q} --neutral-scores {input.neutral_scores:q}"
        " --statistics {params.statistics:q} --specificity {output.specificity:q}"
        " > {log:q} 2>&1"
