# Mechanism: what heads write and why, and along which directions the negation's effect lies.
#
# In:  text towers, alignment (of placebos, too), candidates, images, scores, segments, the sweep over
#      hidden states and the designs of templates datasets.
# Out: head_parts and head_writes with their maps and mechanism; directions with their accuracy and
#      cosines, direction_map and direction_transfer.


rule head_writes:
    input:
        **RUN_INPUTS,
        placebo_alignment=f"{OF_RUN}/placebo_alignment.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        head_parts=f"{OF_RUN}/head_parts.parquet",
        head_writes=f"{OF_RUN}/head_writes.parquet",
    log:
        log_of("head_writes", RUN),
    benchmark:
        benchmark_of("head_writes", RUN)
    priority: AHEAD
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("head_writes"),
        direction=STUDY["directions"][0],
        seed=config["statistics"]["seed"],
        dtype=DTYPE,
    shell:
        shell_line("head_writes", kept=True)


rule mechanism:
    input:
        head_parts=f"{OF_RUN}/head_parts.parquet",
        head_writes=f"{OF_RUN}/head_writes.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        head_part_map=f"{OF_RUN}/head_part_map.parquet",
        head_write_map=f"{OF_RUN}/head_write_map.parquet",
        mechanism=f"{OF_RUN}/mechanism.parquet",
    log:
        log_of("mechanism", RUN),
    benchmark:
        benchmark_of("mechanism", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("mechanism"),
        least=config["mechanism"]["least"],
        statistics=STATISTICS,
    shell:
        shell_line("mechanism")


rule directions:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        designs=designs_if_any,
    output:
        directions=f"{OF_RUN}/directions.parquet",
        direction_accuracy=f"{OF_RUN}/direction_accuracy.parquet",
        direction_cosines=f"{OF_RUN}/direction_cosines.parquet",
    log:
        log_of("directions", RUN),
    benchmark:
        benchmark_of("directions", RUN)
    priority: AHEAD
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("directions"),
        direction=STUDY["directions"][0],
        draws=config["direction"]["draws"],
        shrinkage=config["direction"]["shrinkage"],
        least=config["direction"]["least"],
        seed=config["statistics"]["seed"],
        dtype=DTYPE,
    shell:
        shell_line("directions", kept=True)


rule direction_map:
    input:
        directions=f"{OF_RUN}/directions.parquet",
        direction_accuracy=f"{OF_RUN}/direction_accuracy.parquet",
        direction_cosines=f"{OF_RUN}/direction_cosines.parquet",
        sweep=f"{OF_RUN}/sweep.resid.{STUDY['directions'][0]}.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        direction_map=f"{OF_RUN}/direction_map.parquet",
        direction_transfer=f"{OF_RUN}/direction_transfer.parquet",
    log:
        log_of("direction_map", RUN),
    benchmark:
        benchmark_of("direction_map", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("direction_map"),
        least=config["direction"]["least"],
        statistics=STATISTICS,
    shell:
        shell_line("direction_map")
