"""Untouched modules: nothing that was set on an instance stands between its weights and output."""

from __future__ import annotations

import torch
from torch import nn

from negtrace.errors import InputError

# Hooks that read and change nothing: transformers leaves them where it was asked for hidden states.
READERS = ("transformers.utils.output_capturing",)


def check_untouched(name: str, module: nn.Module, methods: tuple[str, ...]) -> None:
    """Neither hooks nor methods of the instance's own may stand between weights and output.

    Raises:
        InputError: one does; names the module and the remedy.
    """
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    for hook in hooks:
        if getattr(hook, "__module__", "") in READERS:
            continue
        shown = getattr(hook, "__qualname__", type(hook).__name__)
        raise InputError(f"{name} has a forward hook ({shown}); remove it (handle.remove()) first")
    for method in methods:
        if method in vars(module):
            raise InputError(
                f"{name} has a {method} of its own, set on the instance; remove it (del "
                f"module.{method}), or undo what set it, first"
            )


def check_globally_untouched() -> None:
    """No hook is set for all modules.

    Raises:
        InputError: one is.
    """
    module = torch.nn.modules.module
    if module._global_forward_hooks or module._global_forward_pre_hooks:
        raise InputError("torch has a global forward hook for all modules; remove it first")


def check_loaded(model: nn.Module) -> None:
    """Every weight has values.

    Raises:
        InputError: one has none yet.
    """
    for name, weight in model.named_parameters():
        if weight.device.type == "meta":
            raise InputError(f"the model's weight {name} is on device meta; load its weights first")
