"""What commands print: one JSON object, or a table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer


def report(content: dict[str, Any], as_json: bool) -> None:
    """Print a result; the table leaves its decisions out."""
    if as_json:
        typer.echo(json.dumps(content, allow_nan=False))
        return
    shown = {key: value for key, value in content.items() if key != "decisions"}
    table(("field", "value"), [(key, _readable(value)) for key, value in shown.items()])


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value[:3])) + (f"; and {len(value) - 3} more" if len(value) > 3 else "") or "none"
    return "" if value is None else str(value)


def visible(text: str) -> str:
    """Text whose control, formatting and undecodable characters are written out: no name drives a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table without lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(visible(str(cell))) for cell in row))  # Text: brackets of a name are no markup
    # A pipe has no width: let long lines be long instead of folding them at 80.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(shown)
