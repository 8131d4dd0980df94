# Inputs: items and their minimal pairs, images, models and their text towers.
#
# In:  datasets and models of the configuration, and the network, which no later rule needs.
# Out: results/{dataset}/source/, items, image_files, candidates and pairs of every dataset;
#      results/models/{model}/.

ITEMS = "results/{dataset}/items.parquet"


rule scenes:
    output:
        annotations=ANNOTATIONS,
        image_files=IMAGE_FILES,
    log:
        f"{LOGS}/scenes.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/scenes.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["scenes"], image_kind),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("scenes"),
        number=of_dataset("items"),
        seed=of_dataset("seed"),
        folder=subpath(output.annotations, parent=True),
    shell:
        "python -m negtrace.steps.scenes --folder {params.folder:q}"
        " --number {params.number} --seed {params.seed}"
        " --image-files {output.image_files:q} > {log:q} 2>&1"


rule annotations:
    output:
        annotations=ANNOTATIONS,
    log:
        f"{LOGS}/annotations.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/annotations.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["download"], annotation_kind),
    conda:
        "../../envs/inputs.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
        offline=OFFLINE,
        connections=CONNECTIONS,
    params:
        code=code_hash("annotations"),
        url=of_dataset("annotations", "url"),
        sha256=of_dataset("annotations", "sha256"),
    shell:
        "python -m negtrace.steps.annotations --url {params.url:q} --sha256 {params.sha256}"
        " --annotations {output.annotations:q}"
        " --mirror={resources.mirror:q} --offline {resources.offline}"
        " --connections {resources.connections} > {log:q} 2>&1"


rule items:
    input:
        annotations=annotations,
    output:
        table=ITEMS,
    log:
        f"{LOGS}/items.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/items.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["scenes", "download", "valse", "table"], annotation_kind),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("items"),
        kind=of_dataset("kind"),
        columns=lambda wildcards: json.dumps(
            config["datasets"][wildcards.dataset].get("columns", {}), sort_keys=True
        ),
        separator=lambda wildcards: config["datasets"][wildcards.dataset].get(
            "separator", ""
        ),
        encoding=lambda wildcards: config["datasets"][wildcards.dataset].get(
            "encoding", ""
        ),
    shell:
        "python -m negtrace.steps.items --kind {params.kind} --source {input.annotations:q}"
        " --columns {params.columns:q} --separator={params.separator:q}"
        " --encoding={params.encoding:q} --items {output.table:q} > {log:q} 2>&1"


rule hugging_face:
    output:
        table=ITEMS,
        image_files=IMAGE_FILES,
        files_read=FILES_READ,
    log:
        f"{LOGS}/hugging_face.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/hugging_face.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["huggingface"], image_kind),
    conda:
        "../../envs/inputs.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
        offline=OFFLINE,
        connections=CONNECTIONS,
    params:
        code=code_hash("hugging_face"),
        entry=of_dataset(),
        state=source_state,
        folder=image_folder,
    shell:
        "python -m negtrace.steps.hugging_face --entry {params.entry:q}"
        " --state={params.state:q} --files-read {output.files_read:q}"
        " --folder {params.folder:q} --items {output.table:q}"
        " --image-files {output.image_files:q}"
        " --mirror={resources.mirror:q} --offline {resources.offline}"
        " --connections {resources.connections} > {log:q} 2>&1"


rule generated_images:
    input:
        table=ITEMS,
    output:
        image_files=IMAGE_FILES,
    log:
        f"{LOGS}/generated_images.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/generated_images.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["generated"], image_kind),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("generated_images"),
        seed=of_dataset("images", "seed"),
        folder=image_folder,
    shell:
        "python -m negtrace.steps.generated_images --items {input.table:q}"
        " --folder {params.folder:q} --seed {params.seed}"
        " --image-files {output.image_files:q} > {log:q} 2>&1"


rule image_folder:
    input:
        table=ITEMS,
        # Its time changes with any file in it; the state of the pictures counts instead.
        folder=ancient(image_folder),
    output:
        image_files=IMAGE_FILES,
        files_read=FILES_READ,
    log:
        f"{LOGS}/image_folder.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/image_folder.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["folder"], image_kind),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("image_folder"),
        state=pictures_state,
    shell:
        "python -m negtrace.steps.image_folder --items {input.table:q}"
        " --folder {input.folder:q} --state={params.state:q} --files-read {output.files_read:q}"
        " --image-files {output.image_files:q} > {log:q} 2>&1"


rule image_archive:
    input:
        table=ITEMS,
    output:
        image_files=IMAGE_FILES,
    log:
        f"{LOGS}/image_archive.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/image_archive.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["zip"], image_kind),
    conda:
        "../../envs/inputs.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
        offline=OFFLINE,
        connections=CONNECTIONS,
    params:
        code=code_hash("image_archive"),
        archive=of_dataset("images"),
        folder=image_folder,
    shell:
        "python -m negtrace.steps.image_archive --items {input.table:q}"
        " --archive {params.archive:q} --folder {params.folder:q}"
        " --image-files {output.image_files:q}"
        " --mirror={resources.mirror:q} --offline {resources.offline}"
        " --connections {resources.connections} > {log:q} 2>&1"


rule candidates:
    input:
        table=ITEMS,
    output:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        rejected="results/{dataset}/rejected.{wording}.parquet",
    log:
        f"{LOGS}/candidates.{{dataset}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/candidates.{{dataset}}.{{wording}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(
            ["scenes", "download", "valse", "table", "huggingface"], annotation_kind
        ),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("candidates"),
    shell:
        "python -m negtrace.steps.candidates --items {input.table:q}"
        " --wording {wildcards.wording} --candidates {output.candidates:q}"
        " --rejected {output.rejected:q} > {log:q} 2>&1"


rule pairs:
    input:
        candidates="results/{dataset}/candidates.{wording}.parquet",
        rejected="results/{dataset}/rejected.{wording}.parquet",
        image_files=IMAGE_FILES,
    output:
        pairs="results/{dataset}/pairs.{wording}.parquet",
        excluded="results/{dataset}/excluded.{wording}.parquet",
    log:
        f"{LOGS}/pairs.{{dataset}}.{{wording}}.log",
    benchmark:
        f"{BENCHMARKS}/pairs.{{dataset}}.{{wording}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("pairs"),
        min_votes=config["filter"]["min_votes"],
    shell:
        "python -m negtrace.steps.pairs --candidates {input.candidates:q}"
        " --rejected {input.rejected:q} --image-files {input.image_files:q} --min-votes {params.min_votes}"
        " --pairs {output.pairs:q} --excluded {output.excluded:q} > {log:q} 2>&1"


rule segmenter:
    output:
        segmenter=f"{SOURCE}/segmenter.json",
    log:
        f"{LOGS}/segmenter.{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/segmenter.{{dataset}}.tsv"
    wildcard_constraints:
        dataset=datasets_with(["clipseg"], subject_kind),
    conda:
        "../../envs/inputs.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
        offline=OFFLINE,
        connections=CONNECTIONS,
    params:
        code=code_hash("segmenter"),
        model=of_dataset("subjects", "model"),
    shell:
        "python -m negtrace.steps.segmenter --model {params.model:q}"
        " --segmenter {output.segmenter:q} --mirror={resources.mirror:q}"
        " --offline {resources.offline} --connections {resources.connections} > {log:q} 2>&1"


rule pictures:
    output:
        pictures=f"{TOWER}/pictures.json",
    log:
        f"{LOGS}/pictures.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/pictures.{{model}}.tsv"
    conda:
        "../../envs/inputs.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
        offline=OFFLINE,
        connections=CONNECTIONS,
    params:
        code=code_hash("pictures"),
    shell:
        "python -m negtrace.steps.pictures --pictures {output.pictures:q}"
        " --mirror={resources.mirror:q} --offline {resources.offline}"
        " --connections {resources.connections} > {log:q} 2>&1"


rule plant:
    output:
        **layout.planted_files(TOWER),
    log:
        f"{LOGS}/plant.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/plant.{{model}}.tsv"
    wildcard_constraints:
        model=one_of(PLANTS),
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("plant"),
        plant=lambda wildcards: json.dumps(PLANTS[wildcards.model], sort_keys=True),
    shell:
        "python -m negtrace.steps.plant --plant {params.plant:q}"
        " --configuration {output.architecture:q} --weights {output.weights:q} > {log:q} 2>&1"


rule weights:
    input:
        files=model_files,
    output:
        weights=f"{TOWER}/weights.json",
    log:
        f"{LOGS}/weights.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/weights.{{model}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
        offline=OFFLINE,
        connections=CONNECTIONS,
    params:
        code=code_hash("weights"),
        spec=model_spec,
    shell:
        "python -m negtrace.steps.weights --spec {params.spec:q} --weights {output.weights:q}"
        " --mirror={resources.mirror:q} --offline {resources.offline}"
        " --connections {resources.connections} > {log:q} 2>&1"


rule tower:
    input:
        weights=f"{TOWER}/weights.json",
        files=model_files,
    output:
        weights=f"{TOWER}/tower.safetensors",
        description=f"{TOWER}/{layout.TOWER_DESCRIPTION}",
    log:
        f"{LOGS}/tower.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/tower.{{model}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=model_memory,
        runtime=model_minutes,
    params:
        code=code_hash("tower"),
        spec=model_spec,
        folder=subpath(output.weights, parent=True),
    shell:
        "python -m negtrace.steps.tower --spec {params.spec:q}"
        " --weights {input.weights:q} --folder {params.folder:q} > {log:q} 2>&1"


# Has no output, so it always looks: `snakemake prefetch` makes the mirror whole again.
rule prefetch:
    input:
        weights=expand(f"{TOWER}/weights.json", model=STUDY["models"]),
        image_files=expand(IMAGE_FILES, dataset=STUDY["datasets"]),
        segmenters=expand(f"{SOURCE}/segmenter.json", dataset=SEGMENTED),
        pictures=expand(f"{TOWER}/pictures.json", model=PUBLISHED),
    log:
        f"{LOGS}/prefetch.log",
    conda:
        "../../envs/inputs.yaml"
    resources:
        mem_mb=table_memory,
        runtime=download_minutes,
        mirror=MIRROR,
    params:
        code=code_hash("prefetch"),
        config=lambda wildcards: json.dumps(config, sort_keys=True),
    shell:
        "python -m negtrace.steps.prefetch --config {params.config:q} --results results"
        " --mirror={resources.mirror:q} 2>&1 | tee {log:q}"


# Has neither input nor output: it looks at whatever is there, and runs nothing else.
rule verify:
    log:
        f"{LOGS}/verify.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=table_memory,
        runtime=table_minutes,
    params:
        code=code_hash("verify"),
    shell:
        "set -o pipefail; python -m negtrace.steps.verify --results results 2>&1 | tee {log:q}"
