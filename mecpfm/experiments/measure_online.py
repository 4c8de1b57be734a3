"""Where notebook 08 finds a study's scene and the policies that pay for features."""

from mecpfm.experiments.studies.online import PRICED, scene

__all__ = ["PRICED", "scene"]
