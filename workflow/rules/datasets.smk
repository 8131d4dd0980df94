# Datasets: items and their minimal pairs.
#
# In:  datasets of the configuration, and the network.
# Out: results/{dataset}/source/, items, candidates and pairs of every dataset.


rule scenes:
    output:
        **with_folders(pictures=PICTURES, masks=MASKS),
        annotations=ANNOTATIONS,
        image_files=IMAGE_FILES,
    log:
        log_of("scenes", "{dataset}"),
    benchmark:
        benchmark_of("scenes", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["scenes"], image_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("scenes"),
        number=of_dataset("items"),
        seed=of_dataset("seed"),
        per_picture=lambda wildcards: config["datasets"][wildcards.dataset].get(
            "per_picture", 1
        ),
    shell:
        shell_line("scenes")


rule annotations:
    output:
        annotations=DOWNLOADED,
    log:
        log_of("annotations", "{dataset}.{file}"),
    benchmark:
        benchmark_of("annotations", "{dataset}.{file}")
    wildcard_constraints:
        dataset=datasets_with(["download"], annotation_kind),
        file=r"existence\.json|items[.\w]*",
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("annotations"),
        url=download("url"),
        sha256=download("sha256"),
    shell:
        shell_line("annotations")


rule items:
    input:
        annotations=annotations,
        code=reader_code,
    output:
        item_table=ITEMS,
    log:
        log_of("items", "{dataset}"),
    benchmark:
        benchmark_of("items", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["scenes", "download", *READERS], annotation_kind),
    priority: AHEAD
    conda:
        TORCH
    params:
        code=code_hash("items"),
        reader=reader_of,
    shell:
        shell_line("items")


rule hugging_face:
    output:
        **with_folders(pictures=PICTURES),
        item_table=ITEMS,
        image_files=IMAGE_FILES,
        files_read=FILES_READ,
    log:
        log_of("hugging_face", "{dataset}"),
    benchmark:
        benchmark_of("hugging_face", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["huggingface"], image_kind),
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("hugging_face"),
        entry=of_dataset(),
        state=source_state,
        folder=filled_folder,
    shell:
        shell_line("hugging_face")


rule candidates:
    input:
        item_table=ITEMS,
    output:
        candidates=CANDIDATES,
        rejected=REJECTED,
    log:
        log_of("candidates", "{dataset}.{wording}"),
    benchmark:
        benchmark_of("candidates", "{dataset}.{wording}")
    wildcard_constraints:
        dataset=datasets_with(
            ["scenes", "download", "huggingface", "templates", *READERS],
            annotation_kind,
        ),
    priority: AHEAD
    conda:
        ANALYSIS
    params:
        code=code_hash("candidates"),
        contrast=contrast,
    shell:
        shell_line("candidates")


rule pairs:
    input:
        candidates=CANDIDATES,
        rejected=REJECTED,
        image_files=IMAGE_FILES,
        of_pairs=filtered_original,
    output:
        pairs=PAIRS,
        excluded=EXCLUDED,
    log:
        log_of("pairs", "{dataset}.{wording}"),
    benchmark:
        benchmark_of("pairs", "{dataset}.{wording}")
    conda:
        ANALYSIS
    params:
        code=code_hash("pairs"),
        min_votes=config["filter"]["min_votes"],
        wanted=as_json(config["filter"]["items"]),
        where=as_json(config["filter"]["where"]),
    shell:
        shell_line("pairs")
