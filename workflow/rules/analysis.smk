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
    shell:
        "python -m negtrace.steps.restoration_map --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --sweep {input.sweep:q}"
        " --segments {input.segments:q} --map {output.map:q} > {log:q} 2>&1"


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
