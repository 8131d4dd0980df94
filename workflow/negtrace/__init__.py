"""negtrace: where in a CLIP text encoder is negation processed?"""

__version__ = "0.1.0"
