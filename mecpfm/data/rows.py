"""Tolerant reading of tables from elsewhere: CSV or one JSON object a line, packed or not, as rows of text.

What has one meaning only is accepted; the rest is one line with what was found and the remedy. Cells stay text: what
they must be is said by :mod:`mecpfm.data.columns`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from pathlib import Path
from typing import Any

from mecpfm.data.columns import TextTable, require_even
from mecpfm.errors import InputError
from mecpfm.files import MOST_TEXT, STDIN, readable, require_regular


def read_rows(path: Path) -> TextTable:
    """Read a table; ``-`` is standard input.

    Accepts gzip, UTF-8 or UTF-16 with its mark, commas, semicolons (with decimal commas) or tabs, one JSON object a
    line, blanks around cells, a trailing separator and blank lines at the end.

    Raises
    ------
    InputError
        One line with the file and the reason.
    """
    text = _text(path, _unpacked(path, _bytes(path)))
    if not text.strip():
        raise InputError(f"{path}: is empty")
    if text.lstrip().startswith("["):
        raise InputError(f"{path}: is a JSON array; write one object a line (jq -c '.[]')")
    return _json_lines(path, text) if text.lstrip().startswith("{") else _separated(path, text)


def _bytes(path: Path) -> bytes:
    if path == STDIN:
        content = sys.stdin.buffer.read(MOST_TEXT + 1)
    else:
        require_regular(path)
        with readable(path), path.open("rb") as stream:
            content = stream.read(MOST_TEXT + 1)
    return _bounded(path, content)


def _bounded(path: Path, content: bytes) -> bytes:
    if len(content) > MOST_TEXT:
        raise InputError(
            f"{path}: holds more than {MOST_TEXT // 2**20} MB of text; cut it, for example by head -n 1000000"
        )
    return content


def _unpacked(path: Path, content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return _bounded(path, gzip.GzipFile(fileobj=io.BytesIO(content)).read(MOST_TEXT + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is a damaged gzip file ({error})") from None


def _text(path: Path, content: bytes) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from None


def _separated(path: Path, text: str) -> TextTable:
    head = text.lstrip().partition("\n")[0]
    mark = max(",;\t", key=head.count)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        table = [[cell.strip() for cell in line] for line in lines if line]
    except csv.Error as error:
        raise InputError(f"{path}: is not valid CSV ({error})") from None
    while table and not any(table[-1]):
        table.pop()
    if not table:
        raise InputError(f"{path}: is empty")
    header, *rows = table
    if len(header) == 1:
        raise InputError(f"{path}: found one column, {header[0][:40]!r}; separate cells by a comma, semicolon or tab")
    if all(len(row) == len(rows[0]) and row[-1] == "" for row in rows) and rows:
        ended = header[-1] == "" and len(rows[0]) == len(header)
        if ended or len(rows[0]) == len(header) + 1:  # a separator at the end of every line
            header = header[:-1] if ended else header
            rows = [row[:-1] for row in rows]
    require_even(path, header, rows)
    return TextTable(header, rows, decimal_comma=mark != ",")


def _json_lines(path: Path, text: str) -> TextTable:
    header: list[str] = []
    rows: list[list[str]] = []
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), start=1):
        record = _record(path, number, line)
        header = header or [name for name, value in record.items() if not isinstance(value, list | dict)]
        if lacking := [name for name in header if name not in record]:
            raise InputError(f"{path}: row {number} has no {lacking[0][:40]!r}; the first has")
        rows.append([_cell(record[name]) for name in header])
    return TextTable([name.strip() for name in header], rows)


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{path}: row {number} is not valid JSON ({reason}); write one object a line") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}: row {number} is no JSON object; write one object a line")
    return record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name stands twice")
    return record


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()
