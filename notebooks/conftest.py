"""Committed notebooks under nbval: the longest begin, and the claims, which read the rows of all others, end."""

import pytest

FIRST, LAST = ("07_coupled_offline", "08_coupled_online", "13_restricted_context"), ("09_claims",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by notebook; cells keep their order."""
    rank = {name: number for number, name in enumerate((*FIRST, "", *LAST))}
    items.sort(key=lambda item: rank.get(item.path.stem, len(FIRST)))
