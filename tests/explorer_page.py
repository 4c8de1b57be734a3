"""The numbers of docs/explorer.html: ``python tests/explorer_page.py`` solves its grid anew, a minute or two."""

import json
from typing import Any

import pandas as pd

from mecpfm import paths
from mecpfm.experiments.explorer import grid
from mecpfm.records import write_atomic

MARKS = ('<script id="numbers" type="application/json">', "</script>")


def numbers(solved: pd.DataFrame) -> dict[str, Any]:
    """What docs/explorer.html holds: the axes, and the seconds of each method in the order of the grid."""
    axes = {name: solved[name].unique().tolist() for name in solved.columns[:4]}
    return {
        "axes": axes,
        "seconds": {name: of["mean_s"].round(3).tolist() for name, of in solved.groupby("method", sort=False)},
    }


def refresh() -> None:
    """Put fresh numbers into the page."""
    page = paths.sources() / "docs" / "explorer.html"
    before, _, rest = page.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    text = json.dumps(numbers(grid()), separators=(",", ":"))
    write_atomic(page, "".join([before, MARKS[0], text, MARKS[1], after]).encode())


if __name__ == "__main__":
    refresh()
