# Figures and the report.


rule figures:
    input:
        unpack(figure_tables),
    output:
        figure_files(),
    log:
        f"{LOGS}/figures.{{dataset}}.{{model}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/figures.{{dataset}}.{{model}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_hash("figures"),
        settings=json.dumps(config["figures"], sort_keys=True),
        thresholds=json.dumps(config["segments"], sort_keys=True),
    shell:
        "python -m negtrace.steps.figures --segments {input.segments:q}"
        " --selectivity-map {input.selectivity_map:q} --attention-map {input.attention_map:q}"
        " --maps {input.maps:q} --settings {params.settings:q}"
        " --thresholds {params.thresholds:q} --folder $(dirname {output[0]:q}) > {log:q} 2>&1"


rule merged_config:
    output:
        "results/config.yaml",
    log:
        f"{LOGS}/merged_config.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=json.dumps(config, sort_keys=True),
    shell:
        "python -m negtrace.steps.merged_config --config {params.config:q}"
        " --output {output:q} > {log:q} 2>&1"


# The one path that any study writes: it always shows the study that was run last.
rule report:
    input:
        config="results/config.yaml",
        towers=expand("results/models/{model}/tower.json", model=STUDY["models"]),
        pairs=expand(
            "results/{dataset}/pairs.{wording}.parquet",
            dataset=STUDY["datasets"],
            wording=STUDY["wordings"],
        ),
        excluded=expand(
            "results/{dataset}/excluded.{wording}.parquet",
            dataset=STUDY["datasets"],
            wording=STUDY["wordings"],
        ),
        tables=of_every_run(RUN_TABLES),
        figures=of_every_run(figure_files()),
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
    params:
        code=code_hash("report"),
    shell:
        "python -m negtrace.steps.report --config {input.config:q} --results results"
        " --output {output:q} > {log:q} 2>&1"
