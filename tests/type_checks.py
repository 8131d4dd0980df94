"""Types and shapes of the signatures of these modules are checked whenever a test calls them.

To be imported before any of them.  Modules that judge their callers' input are not among them: the
message is theirs.
"""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

MODULES = (
    *("ablated_runs", "attention", "batch_sizes", "contributions"),
    *("forward_passes", "head_sets", "known_cells", "linear", "propagation", "restoration"),
    *("score_grid", "scores", "sites", "stability", "statistics", "tail_block", "tails", "tower"),
)

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int serves as a float
hook = install_import_hook([f"negtrace.{name}" for name in MODULES], "type_checks.checked")
