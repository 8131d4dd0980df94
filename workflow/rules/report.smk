# Figures and the report.
#
# In:  maps, segments and accuracy of every dataset, model and wording of the study.
# Out: figures of each, ledgers and specification curves, results/config.yaml, results/report.html with
#      results/comparison.csv.

FIGURE_FILES = [
    f"{OF_RUN}/figures/{name}"
    for name in layout.figure_files(STUDY, FORMATS, config["figures"]["segment"])
]
LEDGER_FILES = {
    "ledger": f"{OF_MODEL}/ledger.parquet",
    "ledger_summary": f"{OF_MODEL}/ledger_summary.parquet",
    "figure": [f"{OF_MODEL}/ledger.{ending}" for ending in FORMATS],
}
SPECIFICATION_FILES = {
    "specification": f"{OF_MODEL}/specification.parquet",
    "figure": [f"{OF_MODEL}/specification.{ending}" for ending in FORMATS],
}


rule identity:
    input:
        weights=WEIGHTS,
        pictures=f"{TOWER}/pictures.json",
        files=model_files,
    output:
        identity=f"{TOWER}/identity.parquet",
    log:
        log_of("identity", "{model}"),
    benchmark:
        benchmark_of("identity", "{model}")
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("identity"),
        spec=model_spec,
    shell:
        shell_line("identity")


# Covers the wordings and sites of the study at hand, so another study may rewrite it.
rule ledger:
    input:
        description=f"{TOWER}/{places.TOWER_DESCRIPTION}",
        source=ITEMS,
        image_files=IMAGE_FILES,
        tables=ledger_tables,
    output:
        **LEDGER_FILES,
    log:
        log_of("ledger", "{dataset}.{model}"),
    benchmark:
        benchmark_of("ledger", "{dataset}.{model}")
    conda:
        ANALYSIS
    params:
        code=code_hash("ledger"),
        kind=of_dataset("kind"),
        settings=FIGURES,
        stem=subpath(output.ledger, strip_suffix=".parquet"),
    shell:
        shell_line("ledger")


rule specification:
    input:
        maps=head_maps("map"),
        donor_maps=head_maps("donor_map") if STUDY["donors"] else [],
        study_tests=STUDY_TESTS,
    output:
        **SPECIFICATION_FILES,
    log:
        log_of("specification", "{dataset}.{model}"),
    benchmark:
        benchmark_of("specification", "{dataset}.{model}")
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("specification"),
        seeds=lambda wildcards: as_json(model_seeds(wildcards)),
        settings=FIGURES,
        stem=subpath(output.specification, strip_suffix=".parquet"),
    shell:
        shell_line("specification")


rule figures:
    input:
        unpack(figure_tables),
    output:
        [shown(path) for path in FIGURE_FILES],
    log:
        log_of("figures", RUN),
    benchmark:
        benchmark_of("figures", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    threads: config["compute"]["threads"]
    params:
        code=code_hash("figures"),
        donors=as_json(STUDY["donors"]),
        settings=FIGURES,
        thresholds=as_json(config["segments"]),
        contrast=contrast_kind,
        folder=subpath(output[0], parent=True),
    shell:
        shell_line("figures")


rule merged_config:
    output:
        merged_config="results/config.yaml",
    log:
        log_of("merged_config"),
    conda:
        ANALYSIS
    params:
        code=code_hash("merged_config"),
        config=lambda wildcards: as_json(config),
    shell:
        shell_line("merged_config")


# The one path that any study writes: it always shows the study that was run last.
rule report:
    input:
        config="results/config.yaml",
        towers=expand(f"{TOWER}/{places.TOWER_DESCRIPTION}", model=STUDY["models"]),
        pairs=of_every_dataset(PAIRS),
        excluded=of_every_dataset(EXCLUDED),
        image_files=expand(IMAGE_FILES, dataset=STUDY["datasets"]),
        tables=of_every_run(
            [f"{OF_RUN}/{name}.parquet" for name in layout.tables(STUDY)]
        ),
        figures=of_every_run(FIGURE_FILES),
        study_tests=expand(STUDY_TESTS, model=STUDY["models"]),
        ledgers=expand(
            [
                LEDGER_FILES["ledger"],
                LEDGER_FILES["ledger_summary"],
                *LEDGER_FILES["figure"],
            ],
            dataset=STUDY["datasets"],
            model=STUDY["models"],
        ),
        specification=expand(
            [
                SPECIFICATION_FILES["specification"],
                *SPECIFICATION_FILES["figure"],
            ],
            dataset=STUDY["datasets"] if "head" in STUDY["sites"] else [],
            model=STUDY["models"],
        ),
        planted=expand(
            [PLANTED_FILES["planted"], *PLANTED_FILES["figure"]],
            dataset=STUDY["datasets"],
            model=[model for model in STUDY["models"] if model in PLANTS],
            wording=[name for name in STUDY["wordings"] if name == "rephrased"],
        ),
        templates=of_templates(),
        atlas=atlas_tables(),
        identities=expand(f"{TOWER}/identity.parquet", model=PUBLISHED),
        pictures=[
            ancient(folder_of_images(name)) for name in STUDY["datasets"] if IN_BUCKET
        ],
    output:
        report=report(
            "results/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole report"},
        ),
        comparison=report(
            "results/comparison.csv",
            caption="../report/comparison.rst",
            category="Tables",
            labels={"table": "comparison of all runs"},
        ),
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        ANALYSIS
    params:
        code=code_hash("report"),
        study=as_json(STUDY),
        alpha=ALPHA,
        folders=picture_folders,
    shell:
        shell_line("report")
