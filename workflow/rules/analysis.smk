# Analysis: segments by threshold, maps by role. Touches no model.
#
# In:  scores, sweeps, attention (all candidates) and pairs (those that pass the filter).
# Out: segments, accuracy and one map per sweep; selectivity_map and attention_map.


rule segments:
    input:
        scores=f"{OF_RUN}/scores.parquet",
        pairs="results/{dataset}/pairs.{wording}.parquet",
    output:
        segments=f"{OF_RUN}/segments.parquet",
        accuracy=f"{OF_RUN}/accuracy.parquet",
    log:
        f"{LOGS}/segments.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/segments.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("segments"),
        below=config["segments"]["incorrect_below"],
        above=config["segments"]["correct_from"],
    shell:
        "python -m negtrace.steps.segments --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --scores {input.scores:q}"
        " --pairs {input.pairs:q} --incorrect-below={params.below}"
        " --correct-from={params.above} --segments {output.segments:q}"
        " --accuracy {output.accuracy:q} > {log:q} 2>&1"


rule restoration_map:
    input:
        sweep=f"{OF_RUN}/sweep.{{site}}.{{direction}}.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        map=f"{OF_RUN}/map.{{site}}.{{direction}}.parquet",
    log:
        f"{LOGS}/restoration_map.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.log",
    benchmark:
        f"{BENCHMARKS}/restoration_map.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("restoration_map"),
        statistics=STATISTICS,
    shell:
        "python -m negtrace.steps.restoration_map --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --sweep {input.sweep:q}"
        " --scores {input.scores:q} --segments {input.segments:q}"
        " --statistics {params.statistics:q} --map {output.map:q} > {log:q} 2>&1"


rule stability:
    input:
        sweep=f"{OF_RUN}/sweep.{{site}}.{{direction}}.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        ranks=f"{OF_RUN}/ranks.{{site}}.{{direction}}.parquet",
        overlap=f"{OF_RUN}/overlap.{{site}}.{{direction}}.parquet",
        halves=f"{OF_RUN}/split_halves.{{site}}.{{direction}}.parquet",
    log:
        f"{LOGS}/stability.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.log",
    benchmark:
        f"{BENCHMARKS}/stability.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("stability"),
        statistics=STATISTICS,
    shell:
        "python -m negtrace.steps.stability --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --sweep {input.sweep:q}"
        " --scores {input.scores:q} --segments {input.segments:q}"
        " --statistics {params.statistics:q} --ranks {output.ranks:q}"
        " --overlap {output.overlap:q} --halves {output.halves:q} > {log:q} 2>&1"


rule attention_maps:
    input:
        attention=f"{OF_RUN}/attention.parquet",
        selectivity=f"{OF_RUN}/selectivity.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        selectivity_map=f"{OF_RUN}/selectivity_map.parquet",
        attention_map=f"{OF_RUN}/attention_map.parquet",
    log:
        f"{LOGS}/attention_maps.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/attention_maps.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("attention_maps"),
    shell:
        "python -m negtrace.steps.attention_maps --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --attention {input.attention:q} --selectivity {input.selectivity:q}"
        " --segments {input.segments:q} --selectivity-map {output.selectivity_map:q}"
        " --attention-map {output.attention_map:q} > {log:q} 2>&1"


rule selectivity_correlation:
    input:
        selectivity=f"{OF_RUN}/selectivity.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        correlations=f"{OF_RUN}/selectivity_correlation.parquet",
    log:
        f"{LOGS}/selectivity_correlation.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/selectivity_correlation.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("selectivity_correlation"),
    shell:
        "python -m negtrace.steps.selectivity_correlation --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --selectivity {input.selectivity:q} --segments {input.segments:q}"
        " --correlations {output.correlations:q} > {log:q} 2>&1"


rule subject_areas:
    input:
        candidates="results/{dataset}/candidates.standard.parquet",
        source=subject_source,
    output:
        sizes=SUBJECT_SIZES,
    log:
        f"{LOGS}/subject_areas.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/subject_areas.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["masks", "boxes"], subject_kind),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("subject_areas"),
        kind=lambda wildcards: subject_kind(wildcards.dataset),
        source=lambda wildcards, input: (
            input.source
            if subject_kind(wildcards.dataset) == "boxes"
            else f"{SOURCE}/masks".format(dataset=wildcards.dataset)
        ),
    shell:
        "python -m negtrace.steps.subject_areas --kind {params.kind}"
        " --candidates {input.candidates:q} --source {params.source:q}"
        " --sizes {output.sizes:q} > {log:q} 2>&1"


rule subject_segmentation:
    input:
        candidates="results/{dataset}/candidates.standard.parquet",
        image_files=IMAGE_FILES,
        segmenter=f"{SOURCE}/segmenter.json",
    output:
        sizes=SUBJECT_SIZES,
    log:
        f"{LOGS}/subject_segmentation.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/subject_segmentation.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["clipseg"], subject_kind),
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        image_batch=config["compute"]["image_batch"],
    params:
        code=code_hash("subject_segmentation"),
        model=of_dataset("subjects", "model"),
        images=image_folder,
    shell:
        "python -m negtrace.steps.subject_segmentation --model {params.model:q}"
        " --segmenter {input.segmenter:q} --candidates {input.candidates:q}"
        " --image-files {input.image_files:q} --images {params.images:q}"
        " --batch {resources.image_batch} --device {resources.device} --threads {threads}"
        " --sizes {output.sizes:q} > {log:q} 2>&1"


rule features:
    input:
        segments=f"{OF_RUN}/segments.parquet",
        candidates=f"{OF_RUN}/candidates.parquet",
        sentences=f"{OF_RUN}/sentences.parquet",
        alignment=f"{OF_RUN}/alignment.parquet",
        sizes=subject_sizes,
    output:
        features=f"{OF_RUN}/features.parquet",
    log:
        f"{LOGS}/features.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/features.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("features"),
    shell:
        "python -m negtrace.steps.features --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --segments {input.segments:q} --candidates {input.candidates:q}"
        " --sentences {input.sentences:q} --alignment {input.alignment:q}"
        " --features {output.features:q} --sizes {input.sizes:q} > {log:q} 2>&1"


rule feature_correlations:
    input:
        features=f"{OF_RUN}/features.parquet",
    output:
        summary=f"{OF_RUN}/feature_summary.parquet",
        correlations=f"{OF_RUN}/feature_correlations.parquet",
        accuracy=f"{OF_RUN}/accuracy_above_area.parquet",
    log:
        f"{LOGS}/feature_correlations.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/feature_correlations.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("feature_correlations"),
    shell:
        "python -m negtrace.steps.feature_correlations --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --features {input.features:q} --summary {output.summary:q}"
        " --correlations {output.correlations:q} --accuracy {output.accuracy:q} > {log:q} 2>&1"


rule identity:
    input:
        weights=f"{TOWER}/weights.json",
        pictures=f"{TOWER}/pictures.json",
        files=model_files,
    output:
        identity=f"{TOWER}/identity.parquet",
    log:
        f"{LOGS}/identity.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/identity.{{model}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
    params:
        code=code_hash("identity"),
        spec=model_spec,
    shell:
        "python -m negtrace.steps.identity --model {wildcards.model} --spec {params.spec:q}"
        " --weights {input.weights:q} --pictures {input.pictures:q} --threads {threads}"
        " --identity {output.identity:q} > {log:q} 2>&1"


# Covers the wordings and sites of the study at hand, so another study may rewrite it.
rule ledger:
    input:
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        source="results/{dataset}/items.parquet",
        image_files=IMAGE_FILES,
        tables=ledger_tables,
    output:
        ledger=f"{LEDGER}.parquet",
        summary="results/{dataset}/{model}/ledger_summary.parquet",
        figure=[f"{LEDGER}.{ending}" for ending in config["figures"]["formats"]],
    log:
        f"{LOGS}/ledger.{{dataset}}.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/ledger.{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("ledger"),
        wordings=STUDY["wordings"],
        tables=layout.ledger_tables(STUDY),
        settings=json.dumps(config["figures"], sort_keys=True),
        figure=f"{LEDGER}",
        kind=of_dataset("kind"),
    shell:
        "python -m negtrace.steps.ledger --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wordings {params.wordings:q} --tables {params.tables:q}"
        " --results results --description {input.description:q} --settings {params.settings:q}"
        " --kind {params.kind} --ledger {output.ledger:q} --summary {output.summary:q} --figure {params.figure:q}"
        " > {log:q} 2>&1"
