# Models: their weights, the pictures that identify them, and their text towers.
#
# In:  models of the configuration, and the network, which no later rule needs.
# Out: results/models/{model}/.


rule pictures:
    output:
        pictures=f"{TOWER}/pictures.json",
    log:
        log_of("pictures", "{model}"),
    benchmark:
        benchmark_of("pictures", "{model}")
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("pictures"),
    shell:
        shell_line("pictures")


rule plant:
    output:
        **places.planted_files(TOWER),
    log:
        log_of("plant", "{model}"),
    benchmark:
        benchmark_of("plant", "{model}")
    wildcard_constraints:
        model=one_of(PLANTS),
    conda:
        TORCH
    params:
        code=code_hash("plant"),
        plant=lambda wildcards: as_json(PLANTS[wildcards.model]),
    shell:
        shell_line("plant")


rule weights:
    input:
        files=model_files,
    output:
        weights=WEIGHTS,
    log:
        log_of("weights", "{model}"),
    benchmark:
        benchmark_of("weights", "{model}")
    conda:
        TORCH
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("weights"),
        spec=model_spec,
    shell:
        shell_line("weights")


rule tower:
    input:
        weights=WEIGHTS,
        files=model_files,
    output:
        tower=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{places.TOWER_DESCRIPTION}",
    log:
        log_of("tower", "{model}"),
    benchmark:
        benchmark_of("tower", "{model}")
    group:
        SHORT_RUNS
    conda:
        TORCH
    threads: model_threads
    resources:
        **SHORT_MODEL_JOB,
    params:
        code=code_hash("tower"),
        spec=model_spec,
    shell:
        shell_line("tower")
