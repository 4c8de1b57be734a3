"""As after ``pip install mecpfm``, packages of extras cannot be found. Imported first by commands of test_extras.py."""

import sys
from importlib.abc import MetaPathFinder

BLOCKED = {
    "jupyterlab", "papermill", "nbclient", "nbconvert", "nbformat", "ipykernel", "IPython", "gurobipy", "kaleido",
    "dask", "distributed", "sklearn", "mabwiser", "matplotlib", "pytest",
}  # fmt: skip


class Blocker(MetaPathFinder):
    """Stands before every other finder."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocker())
