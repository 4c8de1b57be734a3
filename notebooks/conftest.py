"""Committed notebooks under nbval: in the order in which ``mecpfm notebooks`` runs them, the longest first."""

import os

import pytest

from mecpfm.experiments.notebooks import started_again
from mecpfm.experiments.progress import stages
from mecpfm.extras import import_nbformat

import_nbformat()  # before nbval does, with all that it could use
pytest_plugins = ["nbval.plugin"]
os.environ["BROWSER_PATH"] = os.devnull  # pictures are not compared: none are drawn


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by notebook; cells keep their order."""
    order = [name for group in stages(sorted({item.path.stem for item in items})) for name in group]
    items.sort(key=lambda item: order.index(item.path.stem))


def pytest_collection_finish() -> None:
    """A second death of a kernel at its start is an error."""
    from nbval import kernel

    kernel.start_new_kernel = started_again(kernel.start_new_kernel)
