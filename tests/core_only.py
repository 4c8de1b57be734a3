"""The command line as ``pip install mecpfm`` gives it: packages of extras cannot be found. Run by test_extras.py."""

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

from mecpfm.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
