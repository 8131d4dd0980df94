# What somebody asks for by name: inputs for machines without a network; whether results are whole.


# Has no output, so it always looks: `snakemake prefetch` makes the mirror whole again.
rule prefetch:
    input:
        weights=expand(WEIGHTS, model=STUDY["models"]),
        image_files=expand(IMAGE_FILES, dataset=STUDY["datasets"]),
        segmenters=expand(SEGMENTER, dataset=SEGMENTED),
        pictures=expand(f"{TOWER}/pictures.json", model=PUBLISHED),
    log:
        log_of("prefetch"),
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("prefetch"),
        config=lambda wildcards: as_json(config),
    shell:
        shown_line("prefetch")


# Has neither input nor output: it looks at whatever is there, and runs nothing else.
rule verify:
    log:
        log_of("verify"),
    conda:
        ANALYSIS
    params:
        code=code_hash("verify"),
    shell:
        shown_line("verify")
