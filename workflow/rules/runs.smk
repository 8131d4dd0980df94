# Runs: tokens and roles, image embeddings, sentence embeddings and scores.
#
# In:  candidates (before any threshold), images, text towers.
# Out: alignment, candidates that the model can read and those excluded, images, sentences and
#      scores of every dataset and model.


rule alignment:
    input:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        tower=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        weights=f"{TOWER}/weights.json",
        files=model_files,
    output:
        alignment=f"{OF_RUN}/alignment.parquet",
        readable=f"{OF_RUN}/candidates.parquet",
        excluded=f"{OF_RUN}/excluded.parquet",
    log:
        f"{LOGS}/alignment.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/alignment.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
    params:
        code=code_hash("alignment"),
        spec=model_spec,
        tower=subpath(input.description, parent=True),
    shell:
        "python -m negtrace.steps.alignment --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --spec {params.spec:q} --candidates {input.candidates:q}"
        " --tower {params.tower:q} --weights {input.weights:q}"
        " --alignment {output.alignment:q} --readable {output.readable:q}"
        " --excluded {output.excluded:q} > {log:q} 2>&1"


rule images:
    input:
        image_files="results/{dataset}/image_files.parquet",
        weights=f"{TOWER}/weights.json",
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
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        image_batch=config["compute"]["image_batch"],
    params:
        code=code_hash("images"),
        spec=model_spec,
        folder=image_folder,
    shell:
        "python -m negtrace.steps.images --dataset {wildcards.dataset}"
        " --model {wildcards.model} --spec {params.spec:q} --images {params.folder:q}"
        " --image-files {input.image_files:q} --weights {input.weights:q}"
        " --batch {resources.image_batch}"
        " --device {resources.device} --threads {threads}"
        " --embeddings {output.embeddings:q} > {log:q} 2>&1"


rule runs:
    input:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
        alignment=f"{OF_RUN}/alignment.parquet",
        candidates=f"{OF_RUN}/candidates.parquet",
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
        mem_mb=model_memory,
        runtime=model_minutes,
        device=DEVICE,
        activation_mb=ACTIVATION_MB,
    params:
        code=code_hash("runs"),
        dtype=config["compute"]["dtype"],
        tower=subpath(input.weights, parent=True),
    shell:
        "python -m negtrace.steps.runs --dataset {wildcards.dataset} --model {wildcards.model}"
        " --wording {wildcards.wording} --tower {params.tower:q}"
        " --alignment {input.alignment:q} --candidates {input.candidates:q}"
        " --images {input.images:q} --dtype {params.dtype} --device {resources.device}"
        " --memory-mb {resources.activation_mb} --threads {threads}"
        " --sentences {output.sentences:q} --scores {output.scores:q} > {log:q} 2>&1"
