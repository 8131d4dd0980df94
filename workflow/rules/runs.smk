# Runs: tokens and roles, image embeddings, sentence embeddings and scores.
#
# In:  candidates (before any threshold), images, text towers.
# Out: alignment (of placebos, too), candidates that the model can read and those excluded, images,
#      sentences, scores and the engine's certificate of every dataset and model.


rule alignment:
    input:
        candidates=CANDIDATES,
        tower=TOWER_FILES,
        weights=WEIGHTS,
        files=model_files,
    output:
        alignment=f"{OF_RUN}/alignment.parquet",
        readable=f"{OF_RUN}/candidates.parquet",
        excluded=f"{OF_RUN}/excluded.parquet",
        placebo_alignment=f"{OF_RUN}/placebo_alignment.parquet",
    log:
        log_of("alignment", RUN),
    benchmark:
        benchmark_of("alignment", RUN)
    group:
        SHORT_RUNS
    conda:
        TORCH
    threads: model_threads
    resources:
        **SHORT_MODEL_JOB,
    params:
        code=code_hash("alignment"),
        spec=model_spec,
    shell:
        shell_line("alignment")


rule images:
    input:
        image_files=IMAGE_FILES,
        pictures=pictures_of,
        weights=WEIGHTS,
        files=model_files,
    output:
        images=f"{OF_MODEL}/images.parquet",
    log:
        log_of("images", "{dataset}.{model}"),
    benchmark:
        benchmark_of("images", "{dataset}.{model}")
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
        image_batch=config["compute"]["image_batch"],
    params:
        code=code_hash("images"),
        spec=model_spec,
        folder=read_folder,
    shell:
        shell_line("images")


rule runs:
    input:
        **RUN_INPUTS,
    output:
        sentences=f"{OF_RUN}/sentences.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        certificate=f"{OF_RUN}/certificate.parquet",
    log:
        log_of("runs", RUN),
    benchmark:
        benchmark_of("runs", RUN)
    group:
        SHORT_RUNS
    conda:
        TORCH
    threads: model_threads
    resources:
        **SHORT_MODEL_JOB,
    params:
        code=code_hash("runs"),
        dtype=DTYPE,
    shell:
        shell_line("runs")
