# Inputs: items and their minimal pairs, images, models and their text towers.
#
# In:  datasets and models of the configuration, and the network, which no later rule needs.
# Out: results/{dataset}/source/, items, image_files, candidates and pairs of every dataset;
#      results/models/{model}/.


rule scenes:
    output:
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
    conda:
        TORCH
    params:
        code=code_hash("items"),
        reader=reader_of,
    shell:
        shell_line("items")


rule hugging_face:
    output:
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
        folder=image_folder,
    shell:
        shell_line("hugging_face")


rule generated_images:
    input:
        item_table=ITEMS,
    output:
        image_files=IMAGE_FILES,
    log:
        log_of("generated_images", "{dataset}"),
    benchmark:
        benchmark_of("generated_images", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["generated"], image_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("generated_images"),
        seed=of_dataset("images", "seed"),
        folder=image_folder,
    shell:
        shell_line("generated_images")


rule image_folder:
    input:
        item_table=ITEMS,
        # Its time changes with any file in it; the state of the pictures counts instead.
        folder=ancient(image_folder),
    output:
        image_files=IMAGE_FILES,
        files_read=FILES_READ,
    log:
        log_of("image_folder", "{dataset}"),
    benchmark:
        benchmark_of("image_folder", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["folder"], image_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("image_folder"),
        state=pictures_state,
    shell:
        shell_line("image_folder")


rule image_archive:
    input:
        item_table=ITEMS,
    output:
        image_files=IMAGE_FILES,
    log:
        log_of("image_archive", "{dataset}"),
    benchmark:
        benchmark_of("image_archive", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["zip"], image_kind),
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("image_archive"),
        archive=of_dataset("images"),
        folder=image_folder,
    shell:
        shell_line("image_archive")


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
    shell:
        shell_line("pairs")


rule segmenter:
    output:
        segmenter=SEGMENTER,
    log:
        log_of("segmenter", "{dataset}"),
    benchmark:
        benchmark_of("segmenter", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["clipseg"], subject_kind),
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("segmenter"),
        model=of_dataset("subjects", "model"),
    shell:
        shell_line("segmenter")


rule subject_areas:
    input:
        candidates=CANDIDATES.replace("{wording}", "standard"),
        source=subject_source,
    output:
        subject_sizes=SUBJECT_SIZES,
    log:
        log_of("subject_areas", "{dataset}"),
    benchmark:
        benchmark_of("subject_areas", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["masks", "boxes"], subject_kind),
    conda:
        ANALYSIS
    params:
        code=code_hash("subject_areas"),
        kind=lambda wildcards: subject_kind(wildcards.dataset),
        folder=f"{SOURCE}/masks",
    shell:
        shell_line("subject_areas")


rule subject_segmentation:
    input:
        candidates=CANDIDATES.replace("{wording}", "standard"),
        image_files=IMAGE_FILES,
        segmenter=SEGMENTER,
    output:
        subject_sizes=SUBJECT_SIZES,
    log:
        log_of("subject_segmentation", "{dataset}"),
    benchmark:
        benchmark_of("subject_segmentation", "{dataset}")
    wildcard_constraints:
        dataset=datasets_with(["clipseg"], subject_kind),
    conda:
        TORCH
    threads: THREADS
    resources:
        **MODEL_JOB,
        image_batch=IMAGE_BATCH,
    params:
        code=code_hash("subject_segmentation"),
        name=of_dataset("subjects", "model"),
        images=image_folder,
    shell:
        shell_line("subject_segmentation")


rule pictures:
    output:
        pictures=f"{TOWER}/pictures.json",
    log:
        log_of("pictures", "{model}"),
    benchmark:
        benchmark_of("pictures", "{model}")
    conda:
        INPUTS
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("pictures"),
    shell:
        shell_line("pictures")


rule plant:
    output:
        **places.planted_files(TOWER),
    log:
        log_of("plant", "{model}"),
    benchmark:
        benchmark_of("plant", "{model}")
    wildcard_constraints:
        model=one_of(PLANTS),
    conda:
        TORCH
    params:
        code=code_hash("plant"),
        plant=lambda wildcards: as_json(PLANTS[wildcards.model]),
    shell:
        shell_line("plant")


rule weights:
    input:
        files=model_files,
    output:
        weights=WEIGHTS,
    log:
        log_of("weights", "{model}"),
    benchmark:
        benchmark_of("weights", "{model}")
    conda:
        TORCH
    resources:
        **DOWNLOAD_JOB,
    params:
        code=code_hash("weights"),
        spec=model_spec,
    shell:
        shell_line("weights")


rule tower:
    input:
        weights=WEIGHTS,
        files=model_files,
    output:
        tower=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{places.TOWER_DESCRIPTION}",
    log:
        log_of("tower", "{model}"),
    benchmark:
        benchmark_of("tower", "{model}")
    conda:
        TORCH
    threads: THREADS
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("tower"),
        spec=model_spec,
    shell:
        shell_line("tower")


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
