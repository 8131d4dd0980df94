# Sweeps: restoration of every cell of a site, the same from donors, and attention to the negator.
#
# In:  text towers, alignment, candidates (before any threshold), images, scores.
# Out: one sweep per site and direction and one of its donors, attention and selectivity, per item
#      or pair.

SHARDS = config["compute"]["shards"]
FLOAT32_PAIRS = config["compute"]["float32_pairs"] or 0
SWEEP = f"{OF_RUN}/sweep.{{site}}.{{direction}}.parquet"
SHARD = f"{OF_RUN}/sweep.{{site}}.{{direction}}.{{shard}}of{SHARDS}.parquet"
RUN_SHARD = RUN_SWEEP if SHARDS == 1 else f"{RUN_SWEEP}.{{shard}}"
DONOR_SWEEP = f"{OF_RUN}/donor_sweep.{{site}}.{{direction}}.parquet"
DONOR_SHARD = f"{OF_RUN}/donor_sweep.{{site}}.{{direction}}.{{shard}}of{SHARDS}.parquet"


# One job sweeps every SHARDS-th pair; a single shard is the whole table already.
rule sweep:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
    output:
        sweep=SWEEP if SHARDS == 1 else temp(SHARD),
    log:
        log_of("sweep", RUN_SHARD),
    benchmark:
        benchmark_of("sweep", RUN_SHARD)
    conda:
        TORCH
    threads: THREADS
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("sweep"),
        dtype=DTYPE,
        shard=lambda wildcards: getattr(wildcards, "shard", 1),
        shards=SHARDS,
        # Of no consequence where nothing is compared.
        float32_pairs=FLOAT32_PAIRS if DTYPE == "bfloat16" else 0,
    shell:
        shell_line("sweep")


# All donors of the study, under the same pairs and items.
rule donor_sweep:
    input:
        **RUN_INPUTS,
        placebo_alignment=f"{OF_RUN}/placebo_alignment.parquet",
        scores=f"{OF_RUN}/scores.parquet",
    output:
        donor_sweep=DONOR_SWEEP if SHARDS == 1 else temp(DONOR_SHARD),
    log:
        log_of("donor_sweep", RUN_SHARD),
    benchmark:
        benchmark_of("donor_sweep", RUN_SHARD)
    conda:
        TORCH
    threads: THREADS
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("donor_sweep"),
        donors=as_json(STUDY["donors"]),
        seed=config["statistics"]["seed"],
        dtype=DTYPE,
        shard=lambda wildcards: getattr(wildcards, "shard", 1),
        shards=SHARDS,
    shell:
        shell_line("donor_sweep")


if SHARDS > 1:

    rule gather:
        input:
            scores=f"{OF_RUN}/scores.parquet",
            parts=expand(SHARD, shard=range(1, SHARDS + 1), allow_missing=True),
            files=expand(SHARD, shard=range(1, SHARDS + 1), allow_missing=True),
        output:
            sweep=SWEEP,
        log:
            log_of("gather", RUN_SWEEP),
        benchmark:
            benchmark_of("gather", RUN_SWEEP)
        conda:
            ANALYSIS
        params:
            code=code_hash("gather"),
        shell:
            shell_line("gather")

    rule gather_donors:
        input:
            scores=f"{OF_RUN}/scores.parquet",
            donor_parts=expand(
                DONOR_SHARD, shard=range(1, SHARDS + 1), allow_missing=True
            ),
            files=expand(DONOR_SHARD, shard=range(1, SHARDS + 1), allow_missing=True),
        output:
            donor_sweep=DONOR_SWEEP,
        log:
            log_of("gather_donors", RUN_SWEEP),
        benchmark:
            benchmark_of("gather_donors", RUN_SWEEP)
        conda:
            ANALYSIS
        params:
            code=code_hash("gather_donors"),
        shell:
            shell_line("gather_donors")


rule attention:
    input:
        tower=TOWER_FILES,
        alignment=f"{OF_RUN}/alignment.parquet",
    output:
        attention=f"{OF_RUN}/attention.parquet",
        selectivity=f"{OF_RUN}/selectivity.parquet",
    log:
        log_of("attention", RUN),
    benchmark:
        benchmark_of("attention", RUN)
    conda:
        TORCH
    threads: THREADS
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("attention"),
        dtype=DTYPE,
    shell:
        shell_line("attention")
