# What rules read off the entries of datasets and models in the configuration.

# Where results are in a bucket, what jobs read beside tables has to be among inputs and outputs;
# elsewhere pictures that are there must outlive the job that adds some.
IN_BUCKET = workflow.storage_settings.default_storage_provider is not None


def with_folders(**folders):
    """Further outputs: folders that a job fills, where results are in a bucket."""
    return {name: directory(path) for name, path in folders.items() if IN_BUCKET}


def annotations(wildcards):
    """The file that a dataset's items are read from; drawn or downloaded before if need be."""
    entry = config["datasets"][wildcards.dataset]
    if annotation_kind(wildcards.dataset) == "scenes":
        return ANNOTATIONS
    if name := downloaded_name(entry):
        return f"{SOURCE}/{name}"
    return local(entry[READERS[entry["kind"]].file])


def download(key):
    """Params function: address or sha256 (if any) of a dataset's file of items."""

    def value(wildcards):
        return download_of(config["datasets"][wildcards.dataset]).get(key, "")

    return value


def of_original(path):
    """Input function: a table of the dataset that a control is derived from."""

    def table(wildcards):
        original = config["datasets"][wildcards.dataset]["of"]
        return path.format(**{**dict(wildcards.items()), "dataset": original})

    return table


def filtered_original(wildcards):
    """Pairs of the dataset that a control is derived from, where a filter chooses among them."""
    is_control = config["datasets"][wildcards.dataset]["kind"] in DERIVED
    chosen = config["filter"]["items"] or config["filter"]["where"]
    return of_original(PAIRS)(wildcards) if is_control and chosen else []


def pictures_state(wildcards):
    """Params function: changes with the pictures that a dataset's items name."""
    return state_of(FILES_READ.format(**wildcards), image_folder(wildcards))


def source_state(wildcards):
    """Params function: changes with every file of a Hugging Face dataset in a local folder."""
    folder = config["datasets"][wildcards.dataset]["source"]
    return state_of(FILES_READ.format(**wildcards), folder, whole=True)


def reader_code(wildcards):
    """The file of a dataset's reader, if it is one of the user's own."""
    code = config["datasets"][wildcards.dataset].get(CODE)
    return local(code) if code else []


def reader_of(wildcards):
    """Params function: how a dataset's file of items is read."""
    entry = config["datasets"][wildcards.dataset]
    options = READERS[entry["kind"]].options if entry["kind"] in READERS else ()
    keys = ("kind", "installed", *options)
    return as_json({key: entry[key] for key in keys if key in entry})


def contrast(wildcards):
    """Params function: what the sentences of a dataset's pairs differ in."""
    return as_json(contrasts.contrast_of(config["datasets"], wildcards.dataset))


def contrast_kind(wildcards):
    """Params function: negation, or another contrast of a dataset."""
    return contrasts.contrast_of(config["datasets"], wildcards.dataset)["kind"]


def image_folder(wildcards):
    """Folder of a dataset's images."""
    return folder_of_images(wildcards.dataset)


def folder_of_images(name):
    """Folder of a dataset's images; a control has those of its original."""
    while "of" in config["datasets"][name]:
        name = config["datasets"][name]["of"]
    if image_kind(name) == "folder":
        return local(config["datasets"][name]["images"])
    return PICTURES.format(dataset=name)


def pictures_of(wildcards):
    """Input function: the folder of a dataset's pictures, where jobs have to be given it."""
    return ancient(image_folder(wildcards)) if IN_BUCKET else []


def masks_of(wildcards):
    """Input function: the same of masks."""
    return MASKS if IN_BUCKET and subject_kind(wildcards.dataset) == "masks" else []


def read_folder(wildcards, input):
    """Params function: where a job finds pictures."""
    return input.pictures or image_folder(wildcards)


def filled_folder(wildcards, output):
    """Params function: where a job puts pictures."""
    return getattr(output, "pictures", image_folder(wildcards))


def of_dataset(*keys):
    """Params function: a value of a dataset's entry, mappings as JSON."""

    def value(wildcards):
        found = config["datasets"][wildcards.dataset]
        for key in keys:
            found = found[key]
        return as_json(found) if isinstance(found, dict) else found

    return value


def subject_source(wildcards):
    """What sizes of subjects are measured on: a table of boxes, or images that were drawn."""
    if subject_kind(wildcards.dataset) == "boxes":
        return local(config["datasets"][wildcards.dataset]["subjects"]["file"])
    return IMAGE_FILES


def subject_sizes(wildcards):
    """The table of subject sizes, if the dataset has one."""
    return [] if subject_kind(wildcards.dataset) == "none" else SUBJECT_SIZES


def model_spec(wildcards, input):
    """Params function: a model's entry as JSON; a constructed one's files where the job finds them."""
    entry = MODELS[wildcards.model]
    return as_json(
        dict(zip(entry, input.files)) if wildcards.model in PLANTS else entry
    )


def model_files(wildcards):
    """Local files that a model is made of: their change remakes the model."""
    files = files_of_model(MODELS[wildcards.model])
    return files if wildcards.model in PLANTS else [local(path) for path in files]
