# Tables and figures of several runs, as the rules read them that gather them.

# Of confirmations: what no figure is drawn from.
PER_ITEM = (
    *("contributions", "edges", "attributions", "mended"),
    *("head_parts", "head_writes"),
    *("directions", "direction_accuracy", "direction_cosines"),
)


def parts_of(table):
    """What one job makes of a kind of table: every sweep of a run, or a shard of one."""
    shard = f"{OF_RUN}/{table}.{{sweep}}.{{shard}}of{SHARDS}.parquet"
    return of_sweeps(table) if SHARDS == 1 else temp(shard)


def shards_of(table):
    """All shards of one sweep."""
    return [
        f"{OF_RUN}/{table}.{{sweep}}.{shard}of{SHARDS}.parquet"
        for shard in range(1, SHARDS + 1)
    ]


def model_seeds(wildcards):
    """Seeds of a model of the study and of those that differ from it in nothing else."""
    return seeds({name: MODELS[name] for name in STUDY["models"]}, wildcards.model)


def head_maps(table):
    """Input function: a table of all sweeps of heads of one dataset, by one model and other seeds."""

    def tables(wildcards):
        return expand(
            f"{OF_RUN}/{table}.{{sweep}}.parquet",
            dataset=wildcards.dataset,
            model=model_seeds(wildcards),
            wording=STUDY["wordings"],
            sweep=[sweep for sweep in SWEEPS if sweep.startswith("head.")],
        )

    return tables


def figure_tables(wildcards):
    """What the figures of one dataset, model and wording are drawn from."""
    named = (
        *("segments", "selectivity_map", "attention_map", "selectivity_correlation"),
        *("features", "accuracy_above_area"),
    )
    return {
        **{name: f"{OF_RUN}/{name}.parquet" for name in named},
        "maps": [f"{OF_RUN}/map.{sweep}.parquet" for sweep in SWEEPS],
        "donor_maps": [f"{OF_RUN}/donor_map.{sweep}.parquet" for sweep in SWEEPS],
        "confirmation": [
            f"{OF_RUN}/{name}.parquet"
            for name in layout.confirmation_tables(STUDY)
            if name not in PER_ITEM
        ],
    }


def ledger_tables(wildcards):
    """What published numbers are compared with, in all wordings of the study."""
    of_dataset = {"pairs": PAIRS, "excluded": EXCLUDED}
    return expand(
        [
            of_dataset.get(name, f"{OF_RUN}/{name}.parquet")
            for name in layout.ledger_tables(STUDY)
        ],
        wording=STUDY["wordings"],
        allow_missing=True,
    )


def of_templates():
    """Template tables and figures of every run of the study's templates datasets."""
    names = [
        name
        for name in STUDY["datasets"]
        if config["datasets"][name]["kind"] == "templates"
    ]
    files = [f"{OF_RUN}/{name}.parquet" for name in layout.template_tables(STUDY)] + [
        f"{OF_RUN}/{name}.{ending}"
        for name in layout.template_figures(STUDY)
        for ending in FORMATS
    ]
    return expand(
        files, dataset=names, model=STUDY["models"], wording=STUDY["wordings"]
    )


def designs_if_any(wildcards):
    """Input function: template and negator of every item, of a templates dataset."""
    kind = config["datasets"][wildcards.dataset]["kind"]
    return DESIGNS if kind == "templates" else []


def swept(*sites):
    """Names of the sweeps of some sites, as far as the study has them."""
    return [f"sweep.{sweep}" for sweep in SWEEPS if sweep.split(".")[0] in sites]


def run_tables(*names, model="{model}"):
    """Tables of a run by name, of the same model or of another one."""
    return [f"{OF_RUN}/{name}.parquet".replace("{model}", model) for name in names]


def of_base(*names):
    """Input function: tables of the model that a model was made from."""

    def tables(wildcards):
        return expand(
            run_tables(*names, model=BASES[wildcards.model]), **dict(wildcards.items())
        )

    return tables


def atlas_tables():
    """What sets the study's models beside one another, of every run."""
    return [
        path
        for model in STUDY["models"]
        for path in expand(
            run_tables(*layout.atlas_tables(STUDY, BESIDE, BASES, model), model=model),
            dataset=STUDY["datasets"],
            wording=STUDY["wordings"],
        )
    ]


def picture_folders(wildcards, input):
    """Params function: the folder of the pictures of every dataset of the study."""
    names = STUDY["datasets"]
    folders = input.pictures or map(folder_of_images, names)
    return as_json(dict(zip(names, folders)))


def shown(path):
    """A figure of a run as Snakemake's own report shows it: its SVG, with caption and labels."""
    name, _, ending = Path(path).name.rpartition(".")
    if ending != "svg":
        return path
    kind, _, of = name.partition(".")
    return report(
        path,
        caption=f"../report/captions/{kind}.rst",
        category="Figures",
        subcategory="{dataset}, {model}, {wording}",
        labels={"figure": vocabulary.FIGURES[kind].title, "of": of or "all items"},
    )


def of_every_run(patterns):
    """The patterns for every dataset, model and wording of the study."""
    return expand(
        patterns,
        dataset=STUDY["datasets"],
        model=STUDY["models"],
        wording=STUDY["wordings"],
    )


def of_every_dataset(pattern):
    """The pattern for every dataset and wording of the study."""
    return expand(pattern, dataset=STUDY["datasets"], wording=STUDY["wordings"])
