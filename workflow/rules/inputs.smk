# Inputs: items and their minimal pairs, images, models and their text towers.
#
# In:  datasets and models of the configuration.
# Out: results/{dataset}/source/, candidates and pairs per wording, results/models/{model}/.


rule scenes:
    output:
        annotations=f"{SOURCE}/existence.json",
        manifest=f"{SOURCE}/images.sha256",
    log:
        f"{LOGS}/scenes.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/scenes.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with("scenes"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("scenes"),
        number=lambda wildcards: config["datasets"][wildcards.dataset]["items"],
        seed=lambda wildcards: config["datasets"][wildcards.dataset]["seed"],
        folder=subpath(output.annotations, parent=True),
    shell:
        "python -m negtrace.steps.scenes --folder {params.folder:q}"
        " --items {params.number} --seed {params.seed} --manifest {output.manifest:q}"
        " > {log:q} 2>&1"


rule candidates:
    input:
        annotations=annotations,
    output:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        rejected="results/{dataset}/rejected.{wording}.parquet",
    log:
        f"{LOGS}/candidates.{{dataset}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/candidates.{{dataset}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("candidates"),
    shell:
        "python -m negtrace.steps.candidates --annotations {input.annotations:q}"
        " --wording {wildcards.wording} --candidates {output.candidates:q}"
        " --rejected {output.rejected:q} > {log:q} 2>&1"


rule pairs:
    input:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        rejected="results/{dataset}/rejected.{wording}.parquet",
    output:
        pairs="results/{dataset}/pairs.{wording}.parquet",
        excluded="results/{dataset}/excluded.{wording}.parquet",
    log:
        f"{LOGS}/pairs.{{dataset}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/pairs.{{dataset}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("pairs"),
        min_votes=config["filter"]["min_votes"],
    shell:
        "python -m negtrace.steps.pairs --candidates {input.candidates:q}"
        " --rejected {input.rejected:q} --min-votes {params.min_votes}"
        " --pairs {output.pairs:q} --excluded {output.excluded:q} > {log:q} 2>&1"


rule generated_images:
    input:
        candidates="results/{dataset}/candidates.standard.parquet",
    output:
        manifest=f"{SOURCE}/images.sha256",
    log:
        f"{LOGS}/generated_images.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/generated_images.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with("generated"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("generated_images"),
        seed=lambda wildcards: config["datasets"][wildcards.dataset]["images"]["seed"],
        folder=image_folder,
    shell:
        "python -m negtrace.steps.generated_images --candidates {input.candidates:q}"
        " --folder {params.folder:q} --seed {params.seed} --manifest {output.manifest:q}"
        " > {log:q} 2>&1"


rule tower:
    input:
        files=model_files,
    output:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
    log:
        f"{LOGS}/tower.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/tower.{{model}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
    params:
        code=code_hash("tower"),
        spec=model_spec,
        folder=subpath(output.weights, parent=True),
    shell:
        "python -m negtrace.steps.tower --spec {params.spec:q}"
        " --folder {params.folder:q} > {log:q} 2>&1"
