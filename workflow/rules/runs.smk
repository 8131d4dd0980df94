# Runs: tokens and roles, image embeddings, sentence embeddings and scores.


rule alignment:
    input:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        shape="results/models/{model}/tower.json",
    output:
        alignment=f"{OF_RUN}/alignment.parquet",
    log:
        f"{LOGS}/alignment.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/alignment.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_hash("alignment"),
        architecture=lambda wildcards: config["models"][wildcards.model]["architecture"],
    shell:
        "python -m negtrace.steps.alignment --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --architecture {params.architecture:q} --candidates {input.candidates:q}"
        " --tower $(dirname {input.shape:q}) --alignment {output.alignment:q} > {log:q} 2>&1"


# Every rephrased item is a standard item too, so one table of embeddings serves both wordings.
rule images:
    input:
        candidates="results/{dataset}/candidates.standard.parquet",
        files=model_files,
    output:
        embeddings="results/{dataset}/{model}/images.parquet",
    log:
        f"{LOGS}/images.{{dataset}}.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/images.{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=job_memory,
        runtime=job_minutes,
    params:
        code=code_hash("images"),
        spec=model_spec,
        folder=image_folder,
        batch=config["compute"]["image_batch"],
        device=config["compute"]["device"],
    shell:
        "python -m negtrace.steps.images --dataset {wildcards.dataset}"
        " --model {wildcards.model} --spec {params.spec:q} --images {params.folder:q}"
        " --candidates {input.candidates:q} --batch {params.batch} --device {params.device}"
        " --threads {threads} --embeddings {output.embeddings:q} > {log:q} 2>&1"


rule runs:
    input:
        weights="results/models/{model}/tower.safetensors",
        shape="results/models/{model}/tower.json",
        alignment=f"{OF_RUN}/alignment.parquet",
        candidates="results/{dataset}/candidates.{wording}.parquet",
        images="results/{dataset}/{model}/images.parquet",
    output:
        sentences=f"{OF_RUN}/sentences.parquet",
        scores=f"{OF_RUN}/scores.parquet",
    log:
        f"{LOGS}/runs.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/runs.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=job_memory,
        runtime=job_minutes,
    params:
        code=code_hash("runs"),
        compute=compute_options,
    shell:
        "python -m negtrace.steps.runs --dataset {wildcards.dataset} --model {wildcards.model}"
        " --wording {wildcards.wording} --tower $(dirname {input.weights:q})"
        " --alignment {input.alignment:q} --candidates {input.candidates:q}"
        " --images {input.images:q} {params.compute} --threads {threads}"
        " --sentences {output.sentences:q} --scores {output.scores:q} > {log:q} 2>&1"
