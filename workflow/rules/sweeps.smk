# Sweeps: restoration of every cell of a site, and attention to the negator.
#
# In:  text towers, alignment, candidates (before any threshold), images, scores.
# Out: one sweep per site and direction, attention and selectivity, per item or pair.

SHARDS = config["compute"]["shards"]
SWEEP = f"{OF_RUN}/sweep.{{site}}.{{direction}}"
SHARD_SUFFIX = "" if SHARDS == 1 else f".{{shard}}of{SHARDS}"
LABELS = "{dataset}.{model}.{wording}.{site}.{direction}"


# One job sweeps every SHARDS-th pair; a single shard is the whole table already.
rule sweep:
    input:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        alignment=f"{OF_RUN}/alignment.parquet",
        candidates=f"{OF_RUN}/candidates.parquet",
        images="results/{dataset}/{model}/images.parquet",
        scores=f"{OF_RUN}/scores.parquet",
    output:
        sweep=(
            f"{SWEEP}.parquet"
            if SHARDS == 1
            else temp(f"{SWEEP}{SHARD_SUFFIX}.parquet")
        ),
    log:
        f"{LOGS}/sweep.{LABELS}{SHARD_SUFFIX}.log",
    benchmark:
        f"{BENCHMARKS}/sweep.{LABELS}{SHARD_SUFFIX}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        activation_mb=ACTIVATION_MB,
    params:
        code=code_hash("sweep"),
        dtype=config["compute"]["dtype"],
        tower=subpath(input.weights, parent=True),
        shard=lambda wildcards: getattr(wildcards, "shard", 1),
        shards=SHARDS,
    shell:
        "python -m negtrace.steps.sweep --dataset {wildcards.dataset} --model {wildcards.model}"
        " --wording {wildcards.wording} --site {wildcards.site}"
        " --direction {wildcards.direction} --tower {params.tower:q}"
        " --alignment {input.alignment:q} --candidates {input.candidates:q}"
        " --images {input.images:q} --scores {input.scores:q} --dtype {params.dtype}"
        " --device {resources.device} --memory-mb {resources.activation_mb}"
        " --threads {threads} --shard {params.shard} --shards {params.shards}"
        " --sweep {output.sweep:q} > {log:q} 2>&1"


if SHARDS > 1:

    rule gather:
        input:
            scores=f"{OF_RUN}/scores.parquet",
            parts=expand(
                f"{SWEEP}{SHARD_SUFFIX}.parquet",
                shard=range(1, SHARDS + 1),
                allow_missing=True,
            ),
        output:
            sweep=f"{SWEEP}.parquet",
        log:
            f"{LOGS}/gather.{LABELS}.log",
        benchmark:
            f"{BENCHMARKS}/gather.{LABELS}.tsv"
        conda:
            "../../envs/analysis.yaml"
        resources:
            mem_mb=table_memory,
            runtime=table_minutes,
        params:
            code=code_hash("gather"),
        shell:
            "python -m negtrace.steps.gather --scores {input.scores:q}"
            " --parts {input.parts:q} --sweep {output.sweep:q} > {log:q} 2>&1"


rule attention:
    input:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        alignment=f"{OF_RUN}/alignment.parquet",
    output:
        attention=f"{OF_RUN}/attention.parquet",
        selectivity=f"{OF_RUN}/selectivity.parquet",
    log:
        f"{LOGS}/attention.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/attention.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        activation_mb=ACTIVATION_MB,
    params:
        code=code_hash("attention"),
        dtype=config["compute"]["dtype"],
        tower=subpath(input.weights, parent=True),
    shell:
        "python -m negtrace.steps.attention --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --tower {params.tower:q} --alignment {input.alignment:q} --dtype {params.dtype}"
        " --device {resources.device} --memory-mb {resources.activation_mb}"
        " --threads {threads} --attention {output.attention:q}"
        " --selectivity {output.selectivity:q} > {log:q} 2>&1"
