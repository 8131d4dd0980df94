# Sweeps: restoration of every cell of a site, and attention to the negator.


rule sweep:
    input:
        weights="results/models/{model}/tower.safetensors",
        shape="results/models/{model}/tower.json",
        alignment=f"{OF_RUN}/alignment.parquet",
        candidates="results/{dataset}/candidates.{wording}.parquet",
        images="results/{dataset}/{model}/images.parquet",
        scores=f"{OF_RUN}/scores.parquet",
    output:
        sweep=f"{OF_RUN}/sweep.{{site}}.{{direction}}.parquet",
    log:
        f"{LOGS}/sweep.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.log",
    benchmark:
        f"{BENCHMARKS}/sweep.{{dataset}}.{{model}}.{{wording}}.{{site}}.{{direction}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=job_memory,
        runtime=job_minutes,
    params:
        code=code_hash("sweep"),
        compute=compute_options,
    shell:
        "python -m negtrace.steps.sweep --dataset {wildcards.dataset} --model {wildcards.model}"
        " --wording {wildcards.wording} --site {wildcards.site}"
        " --direction {wildcards.direction} --tower $(dirname {input.weights:q})"
        " --alignment {input.alignment:q} --candidates {input.candidates:q}"
        " --images {input.images:q} --scores {input.scores:q} {params.compute}"
        " --threads {threads} --sweep {output.sweep:q} > {log:q} 2>&1"


rule attention:
    input:
        weights="results/models/{model}/tower.safetensors",
        shape="results/models/{model}/tower.json",
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
        mem_mb=job_memory,
        runtime=job_minutes,
    params:
        code=code_hash("attention"),
        compute=compute_options,
    shell:
        "python -m negtrace.steps.attention --dataset {wildcards.dataset}"
        " --model {wildcards.model} --wording {wildcards.wording}"
        " --tower $(dirname {input.weights:q}) --alignment {input.alignment:q}"
        " {params.compute} --threads {threads} --attention {output.attention:q}"
        " --selectivity {output.selectivity:q} > {log:q} 2>&1"
