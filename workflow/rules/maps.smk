# Maps: segments by threshold, effects by role, what makes an item hard. Touches no model.
#
# In:  scores, sweeps, donors' sweeps, attention (all candidates) and pairs (those that pass the
#      filter).
# Out: segments, accuracy, one map per sweep with its donors, spread and stability, tests over all
#      maps of a model, maps of attention, features.


rule segments:
    input:
        scores=f"{OF_RUN}/scores.parquet",
        pairs=PAIRS,
    output:
        segments=f"{OF_RUN}/segments.parquet",
        accuracy=f"{OF_RUN}/accuracy.parquet",
    log:
        log_of("segments", RUN),
    benchmark:
        benchmark_of("segments", RUN)
    conda:
        ANALYSIS
    params:
        code=code_hash("segments"),
        thresholds=as_json(config["segments"]),
    shell:
        shell_line("segments")


# Of all sweeps of the study at hand, so another study may rewrite them.
rule restoration_map:
    input:
        sweep=of_sweeps("sweep"),
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        donor_sweep=of_sweeps("donor_sweep") if STUDY["donors"] else [],
    output:
        restoration_map=of_sweeps("map"),
        donor_map=of_sweeps("donor_map"),
        spread=of_sweeps("spread"),
        ranks=of_sweeps("ranks"),
        overlap=of_sweeps("overlap"),
        split_halves=of_sweeps("split_halves"),
    log:
        log_of("restoration_map", RUN),
    benchmark:
        benchmark_of("restoration_map", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    threads: model_threads
    resources:
        runtime=maps_minutes,
    params:
        code=code_hash("restoration_map"),
        statistics=STATISTICS,
    shell:
        shell_line("restoration_map", side_by_side=True)


# Covers all sweeps of the study at hand, so another study may rewrite it.
rule study_tests:
    input:
        tables=expand(
            [
                *of_sweeps("sweep"),
                f"{OF_RUN}/scores.parquet",
                f"{OF_RUN}/segments.parquet",
            ],
            dataset=STUDY["datasets"],
            wording=STUDY["wordings"],
            allow_missing=True,
        ),
    output:
        study_tests=STUDY_TESTS,
    log:
        log_of("study_tests", "{model}"),
    benchmark:
        benchmark_of("study_tests", "{model}")
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("study_tests"),
        statistics=STATISTICS,
    shell:
        shell_line("study_tests")


rule attention_maps:
    input:
        attention=f"{OF_RUN}/attention.parquet",
        selectivity=f"{OF_RUN}/selectivity.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        selectivity_map=f"{OF_RUN}/selectivity_map.parquet",
        attention_map=f"{OF_RUN}/attention_map.parquet",
        selectivity_correlation=f"{OF_RUN}/selectivity_correlation.parquet",
    log:
        log_of("attention_maps", RUN),
    benchmark:
        benchmark_of("attention_maps", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("attention_maps"),
        statistics=STATISTICS,
    shell:
        shell_line("attention_maps")


rule features:
    input:
        segments=f"{OF_RUN}/segments.parquet",
        candidates=CANDIDATES,
        sentences=f"{OF_RUN}/sentences.parquet",
        alignment=f"{OF_RUN}/alignment.parquet",
        subject_sizes=subject_sizes,
    output:
        features=f"{OF_RUN}/features.parquet",
        feature_summary=f"{OF_RUN}/feature_summary.parquet",
        feature_correlations=f"{OF_RUN}/feature_correlations.parquet",
        accuracy_above_area=f"{OF_RUN}/accuracy_above_area.parquet",
    log:
        log_of("features", RUN),
    benchmark:
        benchmark_of("features", RUN)
    conda:
        ANALYSIS
    params:
        code=code_hash("features"),
    shell:
        shell_line("features")
