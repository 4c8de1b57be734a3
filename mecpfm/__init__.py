"""Joint selection and pulling of fine-tuned foundation models at the mobile edge, with certificates.

Subpackages load when they are used, so that ``import mecpfm`` stays cheap: ``published`` (the paper's problem),
``bandits``, ``solvers``, ``data``, ``figures``, ``experiments``.
"""

__version__ = "0.1.0"
