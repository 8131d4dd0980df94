# Confirmation: what components contribute directly, and what ablating the found heads does.
#
# In:  text towers, alignment, candidates, images, scores, segments and the sweep over heads.
# Out: planted of constructed models; contributions and contribution_map; ablations, confirmation
#      and curves.


rule contributions:
    input:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        alignment=f"{OF_RUN}/alignment.parquet",
        candidates=f"{OF_RUN}/candidates.parquet",
        images="results/{dataset}/{model}/images.parquet",
    output:
        contributions=f"{OF_RUN}/contributions.parquet",
    log:
        f"{LOGS}/contributions.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/contributions.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        activation_mb=ACTIVATION_MB,
    params:
        code=code_hash("contributions"),
        dtype=config["compute"]["dtype"],
        tower=subpath(input.weights, parent=True),
    shell:
        "python -m negtrace.steps.contributions --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --tower {params.tower:q}"
        " --alignment {input.alignment:q} --candidates {input.candidates:q}"
        " --images {input.images:q} --dtype {params.dtype} --device {resources.device}"
        " --memory-mb {resources.activation_mb} --threads {threads}"
        " --contributions {output.contributions:q} > {log:q} 2>&1"


rule contribution_map:
    input:
        contributions=f"{OF_RUN}/contributions.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        map=f"{OF_RUN}/contribution_map.parquet",
    log:
        f"{LOGS}/contribution_map.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/contribution_map.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("contribution_map"),
    shell:
        "python -m negtrace.steps.contribution_map --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --contributions {input.contributions:q} --segments {input.segments:q}"
        " --map {output.map:q} > {log:q} 2>&1"


rule ablation:
    input:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        alignment=f"{OF_RUN}/alignment.parquet",
        candidates=f"{OF_RUN}/candidates.parquet",
        images="results/{dataset}/{model}/images.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        sweep=f"{OF_RUN}/sweep.head.{STUDY['directions'][0]}.parquet",
    output:
        ablations=f"{OF_RUN}/ablations.parquet",
        confirmation=f"{OF_RUN}/confirmation.parquet",
        curves=f"{OF_RUN}/curves.parquet",
    log:
        f"{LOGS}/ablation.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/ablation.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        activation_mb=ACTIVATION_MB,
    params:
        code=code_hash("ablation"),
        heads=config["ablation"]["heads"],
        draws=config["ablation"]["draws"],
        seed=config["statistics"]["seed"],
        dtype=config["compute"]["dtype"],
        tower=subpath(input.weights, parent=True),
    shell:
        "python -m negtrace.steps.ablation --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --tower {params.tower:q}"
        " --alignment {input.alignment:q} --candidates {input.candidates:q}"
        " --images {input.images:q} --scores {input.scores:q} --sweep {input.sweep:q}"
        " --segments {input.segments:q} --heads {params.heads} --draws {params.draws}"
        " --seed {params.seed} --dtype {params.dtype} --device {resources.device}"
        " --memory-mb {resources.activation_mb} --threads {threads}"
        " --ablations {output.ablations:q} --confirmation {output.confirmation:q}"
        " --curves {output.curves:q} > {log:q} 2>&1"


rule planted:
    input:
        maps=expand(
            f"{OF_RUN}/map.{{site}}.negate.parquet",
            site=["resid", "head"],
            allow_missing=True,
        ),
    output:
        found=f"{OF_RUN}/planted.parquet",
        figure=[f"{OF_RUN}/planted.{ending}" for ending in config["figures"]["formats"]],
    log:
        f"{LOGS}/planted.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/planted.{{dataset}}.{{model}}.{{wording}}.tsv"
    wildcard_constraints:
        model=one_of(PLANTS),
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("planted"),
        plant=lambda wildcards: json.dumps(PLANTS[wildcards.model], sort_keys=True),
        settings=json.dumps({**config["figures"], "alpha": ALPHA}, sort_keys=True),
        figure=f"{OF_RUN}/planted",
    shell:
        "python -m negtrace.steps.planted --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording} --plant {params.plant:q}"
        " --maps {input.maps:q} --settings {params.settings:q} --found {output.found:q}"
        " --figure {params.figure:q} > {log:q} 2>&1"
