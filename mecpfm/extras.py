"""Parts that ``pip install mecpfm`` leaves out: what they are for, and how to get them in one line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import suppress

from mecpfm.errors import InputError

EXTRAS = {
    "papermill": ("papermill", "notebooks"),
    "nbclient": ("nbclient", "notebooks"),
    "ipykernel": ("ipykernel", "notebooks"),
    "ipywidgets": ("ipywidgets", "notebooks"),
    "gurobipy": ("gurobipy", "gurobi"),
    "kaleido": ("kaleido", "static"),
    "PIL": ("pillow", "static"),
    "distributed": ("dask[distributed]", "cluster"),
    "sklearn": ("scikit-learn", "peers"),
}
"""Modules that not everybody has: their package, and the extra of pyproject.toml that brings it."""


def lacks(module: str) -> str:
    """Nothing where the module is there, else what is missing and the command that installs it; one line.

    Examples
    --------
    >>> "pip install 'mecpfm[gurobi]'" in (lacks("gurobipy") or "pip install 'mecpfm[gurobi]'")
    True
    """
    with suppress(ImportError):
        if importlib.util.find_spec(module):
            return ""
    package, extra = EXTRAS[module]
    return f"{package} is not installed; get it by: pip install 'mecpfm[{extra}]'"


def require(*modules: str) -> None:
    """InputError that names the first module that is missing, and the extra that brings it."""
    for module in modules:
        if missing := lacks(module):
            raise InputError(missing)


def import_nbformat() -> None:
    """Load nbformat, where it is there, without the grammar of web addresses that jsonschema would compile: 2 s.

    jsonschema uses rfc3987_syntax if it finds it; no notebook holds what it checks.
    """
    grammar = "rfc3987_syntax"
    hidden = grammar not in sys.modules
    if hidden:
        sys.modules[grammar] = None  # type: ignore[assignment]
    try:
        with suppress(ImportError):
            importlib.import_module("nbformat")
    finally:
        if hidden:
            del sys.modules[grammar]
