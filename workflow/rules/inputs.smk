# Inputs: items and their minimal pairs, models and their text towers.


rule scenes:
    output:
        "results/{dataset}/source/existence.json",
    log:
        f"{LOGS}/scenes.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/scenes.{{dataset}}.tsv"
    wildcard_constraints:
        dataset="|".join(SCENES) or "none",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("scenes"),
        number=lambda wildcards: config["datasets"][wildcards.dataset]["items"],
        seed=lambda wildcards: config["datasets"][wildcards.dataset]["seed"],
    shell:
        "python -m negtrace.steps.scenes --folder $(dirname {output:q})"
        " --items {params.number} --seed {params.seed} > {log:q} 2>&1"


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
    params:
        code=code_hash("pairs"),
        min_votes=config["filter"]["min_votes"],
    shell:
        "python -m negtrace.steps.pairs --candidates {input.candidates:q}"
        " --rejected {input.rejected:q} --min-votes {params.min_votes}"
        " --pairs {output.pairs:q} --excluded {output.excluded:q} > {log:q} 2>&1"


rule tower:
    input:
        files=model_files,
    output:
        weights="results/models/{model}/tower.safetensors",
        shape="results/models/{model}/tower.json",
    log:
        f"{LOGS}/tower.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/tower.{{model}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=job_memory,
        runtime=job_minutes,
    params:
        code=code_hash("tower"),
        spec=model_spec,
    shell:
        "python -m negtrace.steps.tower --spec {params.spec:q}"
        " --folder $(dirname {output.weights:q}) > {log:q} 2>&1"
