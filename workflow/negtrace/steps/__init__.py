"""The steps that rules run: ``python -m negtrace.steps.<step> --option value ...``."""
