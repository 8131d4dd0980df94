# What rules read off the entries of datasets and models in the configuration.


def annotations(wildcards):
    """The file that a dataset's items are read from; drawn or downloaded before if need be."""
    entry = config["datasets"][wildcards.dataset]
    if annotation_kind(wildcards.dataset) == "scenes":
        return ANNOTATIONS
    if name := downloaded_name(entry):
        return f"{SOURCE}/{name}"
    return entry[READERS[entry["kind"]].file]


def download(key):
    """Params function: address or sha256 of a dataset's file of items."""

    def value(wildcards):
        return download_of(config["datasets"][wildcards.dataset])[key]

    return value


def of_original(path):
    """Input function: a table of the dataset that a control is derived from."""

    def table(wildcards):
        original = config["datasets"][wildcards.dataset]["of"]
        return path.format(**{**dict(wildcards.items()), "dataset": original})

    return table


def pictures_state(wildcards):
    """Params function: changes with the pictures that a dataset's items name."""
    return state_of(FILES_READ.format(**wildcards), image_folder(wildcards))


def source_state(wildcards):
    """Params function: changes with every file of a Hugging Face dataset in a local folder."""
    folder = config["datasets"][wildcards.dataset]["source"]
    return state_of(FILES_READ.format(**wildcards), folder, whole=True)


def reader_code(wildcards):
    """The file of a dataset's reader, if it is one of the user's own."""
    return config["datasets"][wildcards.dataset].get(CODE, [])


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
        return config["datasets"][name]["images"]
    return f"{SOURCE}/images".format(dataset=name)


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
        return config["datasets"][wildcards.dataset]["subjects"]["file"]
    return IMAGE_FILES


def subject_sizes(wildcards):
    """The table of subject sizes, if the dataset has one."""
    return [] if subject_kind(wildcards.dataset) == "none" else SUBJECT_SIZES


def model_spec(wildcards):
    """A model's entry as JSON."""
    return as_json(MODELS[wildcards.model])


def model_files(wildcards):
    """Local files that a model is made of: their change remakes the model."""
    return files_of_model(MODELS[wildcards.model])
