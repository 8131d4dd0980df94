"""Types and shapes of the signatures of these modules are checked whenever a test calls them.

To be imported before any of them.  Modules that judge their callers' input are not among them: the
message is theirs.
"""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

MODULES = (
    *("analyses.attention", "analyses.contributions", "analyses.head_sets"),
    *("models.linear", "models.tower", "models.tower_shape"),
    *(
        f"patching.{name}"
        for name in (
            *("ablated_runs", "batch_sizes", "forward_passes", "known_cells", "propagation"),
            *("restoration", "score_grid", "scores", "sites", "tail_block", "tails"),
        )
    ),
    *("statistics.stability", "statistics.resampling"),
)

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int serves as a float
hook = install_import_hook([f"negtrace.{name}" for name in MODULES], "type_checks.checked")
