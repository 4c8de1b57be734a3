"""Committed notebooks under nbval: in the order in which ``mecpfm notebooks`` runs them, the longest first."""

import os
from typing import Any

import pytest

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
    """Start a kernel anew that died at its start: another process took a port between its choice and its use."""
    from nbval import kernel

    begin = kernel.start_new_kernel

    def start(*words: Any, **options: Any) -> Any:
        try:
            return begin(*words, **options)
        except RuntimeError:
            return begin(*words, **options)

    kernel.start_new_kernel = start
