# Pictures of a dataset's items, and the sizes of their subjects.
#
# In:  items, and the network.
# Out: image_files and subject_sizes of every dataset that has them.


rule generated_images:
    input:
        item_table=ITEMS,
    output:
        **with_folders(pictures=PICTURES),
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
        folder=filled_folder,
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
        **with_folders(pictures=PICTURES),
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
        folder=filled_folder,
    shell:
        shell_line("image_archive")


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
        masks=masks_of,
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
        folder=lambda wildcards, input: input.masks or MASKS.format(**wildcards),
    shell:
        shell_line("subject_areas")


rule subject_segmentation:
    input:
        candidates=CANDIDATES.replace("{wording}", "standard"),
        image_files=IMAGE_FILES,
        segmenter=SEGMENTER,
        pictures=pictures_of,
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
    threads: config["compute"]["threads"]
    resources:
        **MODEL_JOB,
        image_batch=IMAGE_BATCH,
    params:
        code=code_hash("subject_segmentation"),
        name=of_dataset("subjects", "model"),
        images=read_folder,
    shell:
        shell_line("subject_segmentation")
