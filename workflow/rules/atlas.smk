# Atlas: the models of a study beside one another, where it has several. Touches no model.
#
# In:  sweeps, attention, scores and segments of two models.
# Out: a row of each model, its heads beside those of the study's first model, and what it has
#      changed against its base.


rule atlas:
    input:
        tables=run_tables("scores", "segments", *swept("resid", "head")),
        description=f"{TOWER}/{places.TOWER_DESCRIPTION}",
    output:
        atlas=f"{OF_RUN}/atlas.parquet",
    log:
        log_of("atlas", RUN),
    benchmark:
        benchmark_of("atlas", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("atlas"),
        statistics=STATISTICS,
    shell:
        shell_line("atlas")


# Of the study at hand, so another study may rewrite it.
rule head_matches:
    input:
        tables=run_tables("scores", "segments", "attention", *swept("head")),
        of_reference=run_tables(
            "scores", "segments", "attention", *swept("head"), model=STUDY["models"][0]
        ),
    output:
        head_matches=f"{OF_RUN}/head_matches.parquet",
    log:
        log_of("head_matches", RUN),
    benchmark:
        benchmark_of("head_matches", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("head_matches"),
        statistics=STATISTICS,
    shell:
        shell_line("head_matches")


rule base_difference:
    input:
        tables=run_tables("scores", "segments", *swept(*STUDY["sites"])),
        of_base=of_base("scores", "segments", *swept(*STUDY["sites"])),
    output:
        base_difference=f"{OF_RUN}/base_difference.parquet",
    log:
        log_of("base_difference", RUN),
    benchmark:
        benchmark_of("base_difference", RUN)
    wildcard_constraints:
        model=one_of(BASES),
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("base_difference"),
        statistics=STATISTICS,
    shell:
        shell_line("base_difference")
