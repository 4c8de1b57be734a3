"""Where notebook 07 finds ``openings``."""

from mecpfm.experiments.roundings import openings

__all__ = ["openings"]
