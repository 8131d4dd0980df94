# Sweeps: restoration of every cell of a site, the same from donors, and attention to the negator.
#
# In:  text towers, alignment, candidates (before any threshold), images, scores.
# Out: one sweep per site and direction and one of its donors, attention and selectivity, per item
#      or pair.

FLOAT32_PAIRS = config["compute"]["float32_pairs"] or 0

# One job makes all sweeps of a run, and keeps each: another site, or a kill, costs none of the
# others.  Where sweeps are cut into shards, every shard of every sweep is a job of its own.
RUN_PART = RUN if SHARDS == 1 else f"{RUN}.{{sweep}}.{{shard}}"


rule sweep:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
    output:
        sweep=parts_of("sweep"),
    log:
        log_of("sweep", RUN_PART),
    benchmark:
        benchmark_of("sweep", RUN_PART)
    conda:
        TORCH
    threads: model_threads
    resources:
        **SWEEPS_JOB,
    params:
        code=code_hash("sweep"),
        interventions=as_json(INTERVENTIONS),
        dtype=DTYPE,
        shard=lambda wildcards: getattr(wildcards, "shard", 1),
        shards=SHARDS,
        # Of no consequence where nothing is compared.
        float32_pairs=FLOAT32_PAIRS if DTYPE == "bfloat16" else 0,
    shell:
        shell_line("sweep", kept=SHARDS == 1)


# All donors of the study, under the same pairs and items.
rule donor_sweep:
    input:
        **RUN_INPUTS,
        placebo_alignment=f"{OF_RUN}/placebo_alignment.parquet",
        scores=f"{OF_RUN}/scores.parquet",
    output:
        donor_sweep=parts_of("donor_sweep"),
    log:
        log_of("donor_sweep", RUN_PART),
    benchmark:
        benchmark_of("donor_sweep", RUN_PART)
    conda:
        TORCH
    threads: model_threads
    resources:
        **SWEEPS_JOB,
    params:
        code=code_hash("donor_sweep"),
        interventions=as_json(INTERVENTIONS),
        donors=as_json(STUDY["donors"]),
        seed=config["statistics"]["seed"],
        dtype=DTYPE,
        shard=lambda wildcards: getattr(wildcards, "shard", 1),
        shards=SHARDS,
    shell:
        shell_line("donor_sweep", kept=SHARDS == 1)


if SHARDS > 1:

    rule gather:
        input:
            scores=f"{OF_RUN}/scores.parquet",
            parts=shards_of("sweep"),
            files=shards_of("sweep"),
        output:
            sweep=f"{OF_RUN}/sweep.{{sweep}}.parquet",
        log:
            log_of("gather", f"{RUN}.{{sweep}}"),
        benchmark:
            benchmark_of("gather", f"{RUN}.{{sweep}}")
        conda:
            ANALYSIS
        params:
            code=code_hash("gather"),
        shell:
            shell_line("gather")

    rule gather_donors:
        input:
            scores=f"{OF_RUN}/scores.parquet",
            donor_parts=shards_of("donor_sweep"),
            files=shards_of("donor_sweep"),
        output:
            donor_sweep=f"{OF_RUN}/donor_sweep.{{sweep}}.parquet",
        log:
            log_of("gather_donors", f"{RUN}.{{sweep}}"),
        benchmark:
            benchmark_of("gather_donors", f"{RUN}.{{sweep}}")
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
        scores=f"{OF_RUN}/scores.parquet",
    output:
        attention=f"{OF_RUN}/attention.parquet",
        selectivity=f"{OF_RUN}/selectivity.parquet",
        attention_patterns=f"{OF_RUN}/attention_patterns.parquet",
    log:
        log_of("attention", RUN),
    benchmark:
        benchmark_of("attention", RUN)
    group:
        SHORT_RUNS
    conda:
        TORCH
    threads: model_threads
    resources:
        **SHORT_MODEL_JOB,
    params:
        code=code_hash("attention"),
        dtype=DTYPE,
    shell:
        shell_line("attention")
