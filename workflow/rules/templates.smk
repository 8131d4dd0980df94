# Templates: the subjects of a dataset in other sentences, and whether all find the same circuit.
#
# In:  candidates and image_files of the dataset whose subjects are taken; sweeps of the templates.
# Out: items, image_files and designs of a templates dataset; template tables of every sweep.


rule template_items:
    input:
        of_candidates=of_original(CANDIDATES.replace("{wording}", "standard")),
        of_image_files=of_original(IMAGE_FILES),
    output:
        item_table=ITEMS,
        image_files=IMAGE_FILES,
        designs=DESIGNS,
    log:
        log_of("template_items", "{dataset}"),
    benchmark:
        benchmark_of("template_items", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["templates"], annotation_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("template_items"),
        entry=of_dataset(),
    shell:
        shell_line("template_items")


rule confounds:
    input:
        candidates=f"{OF_RUN}/candidates.parquet",
        alignment=f"{OF_RUN}/alignment.parquet",
        designs=DESIGNS,
    output:
        confounds=f"{OF_RUN}/confounds.parquet",
    log:
        log_of("confounds", RUN),
    benchmark:
        benchmark_of("confounds", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("confounds"),
    shell:
        shell_line("confounds")


rule template_maps:
    input:
        sweep=of_sweeps("sweep"),
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        designs=DESIGNS,
        confounds=f"{OF_RUN}/confounds.parquet",
    output:
        **{name: of_sweeps(name) for name in layout.TEMPLATE_TABLES},
    log:
        log_of("template_maps", RUN),
    benchmark:
        benchmark_of("template_maps", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    threads: model_threads
    params:
        code=code_hash("template_maps"),
        statistics=STATISTICS,
        k=lambda wildcards: config["datasets"][wildcards.dataset].get("consensus", 0),
    shell:
        shell_line("template_maps", side_by_side=True)


rule template_figure:
    input:
        template_map=f"{OF_RUN}/template_map.head.{{direction}}.parquet",
        template_consensus=f"{OF_RUN}/template_consensus.head.{{direction}}.parquet",
    output:
        figure=[f"{OF_RUN}/templates.{{direction}}.{ending}" for ending in FORMATS],
    log:
        log_of("template_figure", f"{RUN}.{{direction}}"),
    benchmark:
        benchmark_of("template_figure", f"{RUN}.{{direction}}")
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("template_figure"),
        settings=FIGURES,
        stem=lambda wildcards, output: output.figure[0].removesuffix(f".{FORMATS[0]}"),
    shell:
        shell_line("template_figure")
