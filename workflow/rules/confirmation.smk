# Confirmation: what components contribute directly, and what ablating the found heads does.
#
# In:  text towers, alignment, candidates, images, scores, segments and the sweep over heads.
# Out: contributions and contribution_map; ablations, confirmation, curves and minimality; edges,
#      edge_map, circuit; attributions with their map and trust; mended, mending_grid, mending and
#      layer_weights, with patches of the weights; planted of constructed models.

PLANTED_FILES = {
    "planted": f"{OF_RUN}/planted.parquet",
    "figure": [f"{OF_RUN}/planted.{ending}" for ending in FORMATS],
}


rule contributions:
    input:
        **RUN_INPUTS,
    output:
        contributions=f"{OF_RUN}/contributions.parquet",
    log:
        log_of("contributions", RUN),
    benchmark:
        benchmark_of("contributions", RUN)
    group:
        SHORT_RUNS
    conda:
        TORCH
    threads: model_threads
    resources:
        **SHORT_MODEL_JOB,
    params:
        code=code_hash("contributions"),
        dtype=DTYPE,
    shell:
        shell_line("contributions")


rule contribution_map:
    input:
        contributions=f"{OF_RUN}/contributions.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        contribution_map=f"{OF_RUN}/contribution_map.parquet",
    log:
        log_of("contribution_map", RUN),
    benchmark:
        benchmark_of("contribution_map", RUN)
    conda:
        ANALYSIS
    params:
        code=code_hash("contribution_map"),
        statistics=STATISTICS,
    shell:
        shell_line("contribution_map")


rule ablation:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        sweep=f"{OF_RUN}/sweep.head.{STUDY['directions'][0]}.parquet",
    output:
        ablations=f"{OF_RUN}/ablations.parquet",
        confirmation=f"{OF_RUN}/confirmation.parquet",
        curves=f"{OF_RUN}/curves.parquet",
        minimality=f"{OF_RUN}/minimality.parquet",
    log:
        log_of("ablation", RUN),
    benchmark:
        benchmark_of("ablation", RUN)
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("ablation"),
        heads=config["ablation"]["heads"],
        draws=config["ablation"]["draws"],
        seed=config["statistics"]["seed"],
        dtype=DTYPE,
    shell:
        shell_line("ablation", kept=True)


rule edges:
    input:
        **RUN_INPUTS,
        placebo_alignment=f"{OF_RUN}/placebo_alignment.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        sweep=f"{OF_RUN}/sweep.head.{STUDY['directions'][0]}.parquet",
    output:
        edges=f"{OF_RUN}/edges.parquet",
    log:
        log_of("edges", RUN),
    benchmark:
        benchmark_of("edges", RUN)
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("edges"),
        directions=as_json(STUDY["directions"]),
        receivers=as_json(config["edges"]["receivers"]),
        senders=as_json(config["edges"]["senders"]),
        roles=as_json(config["edges"]["roles"]),
        heads=config["edges"]["heads"],
        seed=config["statistics"]["seed"],
        dtype=DTYPE,
    shell:
        shell_line("edges", kept=True)


rule edge_map:
    input:
        edges=f"{OF_RUN}/edges.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        edge_map=f"{OF_RUN}/edge_map.parquet",
    log:
        log_of("edge_map", RUN),
    benchmark:
        benchmark_of("edge_map", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("edge_map"),
        least=config["edges"]["least"],
        statistics=STATISTICS,
    shell:
        shell_line("edge_map")


rule circuit:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        edges=f"{OF_RUN}/edges.parquet",
    output:
        circuit=f"{OF_RUN}/circuit.parquet",
        circuit_minimality=f"{OF_RUN}/circuit_minimality.parquet",
    log:
        log_of("circuit", RUN),
    benchmark:
        benchmark_of("circuit", RUN)
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("circuit"),
        direction=STUDY["directions"][0],
        least=config["edges"]["least"],
        draws=config["edges"]["draws"],
        statistics=STATISTICS,
        dtype=DTYPE,
    shell:
        shell_line("circuit", kept=True)


rule attribution:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
        swept=[
            f"{OF_RUN}/sweep.{sweep}.parquet" for sweep in layout.plain_sweeps(STUDY)
        ],
        edges=f"{OF_RUN}/edges.parquet" if "edges" in STUDY["confirm"] else [],
    output:
        attributions=f"{OF_RUN}/attributions.parquet",
    log:
        log_of("attribution", RUN),
    benchmark:
        benchmark_of("attribution", RUN)
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("attribution"),
        steps=config["attribution"]["steps"],
        dtype=DTYPE,
    shell:
        shell_line("attribution", kept=True)


rule attribution_map:
    input:
        attributions=f"{OF_RUN}/attributions.parquet",
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
    output:
        attribution_map=f"{OF_RUN}/attribution_map.parquet",
        attribution_trust=f"{OF_RUN}/attribution_trust.parquet",
    log:
        log_of("attribution_map", RUN),
    benchmark:
        benchmark_of("attribution_map", RUN)
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("attribution_map"),
        top=config["attribution"]["top"],
        statistics=STATISTICS,
    shell:
        shell_line("attribution_map")


rule mending:
    input:
        **RUN_INPUTS,
        scores=f"{OF_RUN}/scores.parquet",
        segments=f"{OF_RUN}/segments.parquet",
        sweep=f"{OF_RUN}/sweep.head.{STUDY['directions'][0]}.parquet",
    output:
        mended=f"{OF_RUN}/mended.parquet",
        mending_grid=f"{OF_RUN}/mending_grid.parquet",
        mending=f"{OF_RUN}/mending.parquet",
        layer_weights=f"{OF_RUN}/layer_weights.parquet",
        heads_patch=f"{OF_RUN}/mending.heads.safetensors",
        direction_patch=f"{OF_RUN}/mending.direction.safetensors",
        weights_csv=f"{OF_RUN}/layer_weights.csv",
    log:
        log_of("mending", RUN),
    benchmark:
        benchmark_of("mending", RUN)
    priority: AHEAD
    conda:
        TORCH
    threads: model_threads
    resources:
        **MODEL_JOB,
    params:
        code=code_hash("mending"),
        direction=STUDY["directions"][0],
        heads=config["mending"]["heads"],
        strengths=as_json(config["mending"]["strengths"]),
        amounts=as_json(config["mending"]["amounts"]),
        draws=config["mending"]["draws"],
        statistics=STATISTICS,
        dtype=DTYPE,
    shell:
        shell_line("mending")


rule planted:
    input:
        maps=expand(
            f"{OF_RUN}/map.{{site}}.negate.parquet",
            site=["resid", "head"],
            allow_missing=True,
        ),
    output:
        **PLANTED_FILES,
    log:
        log_of("planted", RUN),
    benchmark:
        benchmark_of("planted", RUN)
    wildcard_constraints:
        model=one_of(PLANTS),
    group:
        TABLES
    conda:
        ANALYSIS
    params:
        code=code_hash("planted"),
        plant=lambda wildcards: as_json(PLANTS[wildcards.model]),
        settings=FIGURES,
        stem=subpath(output.planted, strip_suffix=".parquet"),
    shell:
        shell_line("planted")
