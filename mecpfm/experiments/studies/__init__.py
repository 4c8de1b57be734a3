"""The studies, a module a setting: each function measures one instance, its decorator says where and how often.

Imported together, in the order in which studies are listed.
"""

# isort: off
from mecpfm.experiments.studies import published, theorems, budgets, coupled, tsrc, online

__all__ = ["budgets", "coupled", "online", "published", "theorems", "tsrc"]
