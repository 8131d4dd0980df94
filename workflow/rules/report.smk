# Figures and the report.
#
# In:  maps, segments and accuracy of every dataset, model and wording of the study.
# Out: figures of each, results/config.yaml and results/report.html.

FIGURE_FILES = [
    f"{OF_RUN}/figures/{name}"
    for name in layout.figure_files(STUDY, config["figures"]["formats"])
]


rule figures:
    input:
        unpack(figure_tables),
    output:
        FIGURE_FILES,
    log:
        f"{LOGS}/figures.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/figures.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("figures"),
        settings=json.dumps({**config["figures"], "alpha": ALPHA}, sort_keys=True),
        thresholds=json.dumps(config["segments"], sort_keys=True),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m negtrace.steps.figures --segments {input.segments:q}"
        " --selectivity-map {input.selectivity_map:q} --attention-map {input.attention_map:q}"
        " --selectivity-correlation {input.selectivity_correlation:q}"
        " --features {input.features:q} --accuracy-above-area {input.accuracy_above_area:q}"
        " --maps {input.maps:q} --confirmation {input.confirmation:q} --settings {params.settings:q}"
        " --thresholds {params.thresholds:q} --folder {params.folder:q} > {log:q} 2>&1"


rule merged_config:
    output:
        "results/config.yaml",
    log:
        f"{LOGS}/merged_config.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("merged_config"),
        config=lambda wildcards: json.dumps(config, sort_keys=True),
    shell:
        "python -m negtrace.steps.merged_config --config {params.config:q}"
        " --output {output:q} > {log:q} 2>&1"


# The one path that any study writes: it always shows the study that was run last.
rule report:
    input:
        config="results/config.yaml",
        towers=expand(
            f"{TOWER}/{layout.TOWER_DESCRIPTION}",
            model=STUDY["models"],
        ),
        pairs=of_every_dataset("results/{dataset}/pairs.{wording}.parquet"),
        excluded=of_every_dataset("results/{dataset}/excluded.{wording}.parquet"),
        tables=of_every_run(
            [f"{OF_RUN}/{name}.parquet" for name in layout.tables(STUDY)]
        ),
        figures=of_every_run(FIGURE_FILES),
        ledgers=expand(
            [
                rules.ledger.output.ledger,
                rules.ledger.output.summary,
                *rules.ledger.output.figure,
            ],
            dataset=STUDY["datasets"],
            model=STUDY["models"],
        ),
        planted=expand(
            [rules.planted.output.found, *rules.planted.output.figure],
            dataset=STUDY["datasets"],
            model=[model for model in STUDY["models"] if model in PLANTS],
            wording=[
                wording for wording in STUDY["wordings"] if wording == "rephrased"
            ],
        ),
        specificity=expand(
            f"{OF_RUN}/specificity.{{sweep}}.parquet",
            dataset=[
                name
                for name in STUDY["datasets"]
                if derived.neutral_control(config["datasets"], name)
            ],
            model=STUDY["models"],
            wording=STUDY["wordings"],
            sweep=SWEEPS,
        ),
        identities=expand(rules.identity.output.identity, model=PUBLISHED),
    output:
        report(
            "results/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("report"),
        alpha=ALPHA,
    shell:
        "python -m negtrace.steps.report --config {input.config:q} --results results"
        " --alpha {params.alpha} --output {output:q} > {log:q} 2>&1"
