"""Files that are read whole or refused in one line, and written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from mecpfm.errors import InputError

_DAMAGED = (
    ValueError, TypeError, AttributeError, EOFError, SyntaxError, RuntimeError, struct.error, tokenize.TokenError,
    OverflowError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile and NumPy raise of archives that were cut, changed, encrypted or never were any."""
HEAD = 4096
"""Bytes of a JSON file in which the schema usually stands."""


def require_regular(path: Path) -> int:
    """Size of a regular file in bytes; InputError for what may never end or has no content (a pipe, a folder)."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # a null byte in the name
        raise InputError(f"{str(path)!r}: cannot be read ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: cannot be read (is not a regular file)")
    return found.st_size


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object; InputError when the file is absent, truncated, not UTF-8 or not an object."""
    try:
        content = loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{path}: is not usable JSON (nested too deeply)") from None
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object")
    return content


def loads(text: str) -> Any:
    """Value of a JSON text; ValueError also for a key that stands twice in one object, of which readers take either."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"key {_repeated([key for key, _ in pairs])!r} stands twice in one object")
    return found


def _repeated(names: list[str]) -> str:
    return next(name for name, count in Counter(names).items() if count > 1)


def read_npz(path: Path) -> dict[str, Any]:
    """Read an archive of arrays and nest its dotted keys; InputError when absent, damaged or holding objects."""
    nested: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path):  # np.load would also take, and unpickle, other formats
            archive = np.load(path, allow_pickle=False)
        with archive:
            if len(set(archive.files)) < len(archive.files):
                raise ValueError(f"array {_repeated(archive.files)!r} stands twice")
            for key in archive.files:
                *groups, last = key.split(".")
                place = nested
                for group in groups:
                    place = place.setdefault(group, {})
                    if not isinstance(place, dict):
                        raise ValueError(f"{group!r} in {key!r} is an array as well")
                place[last] = _array(archive, key)
                place[last].flags.writeable = False
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except _DAMAGED as error:
        raise InputError(f"{path}: is not a usable .npz archive ({error})") from None
    return nested


def _array(archive: Any, key: str) -> Any:
    try:
        return archive[key]
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def schema_of(path: Path) -> str:
    """Schema that a file states: a look at its head, or at one array of an archive, where that is enough.

    InputError when it cannot be read or states none.
    """
    if path.suffix == ".npz":
        found = _npz_schema(path)
    else:
        try:
            with path.open("rb") as stream:
                head = re.match(rb'\s*\{\s*"schema"\s*:\s*"([^"\\]*)"', stream.read(HEAD))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        found = head.group(1).decode(errors="replace") if head else read_json(path).get("schema")
    if not isinstance(found, str):
        raise InputError(f"{path}: schema is {found!r}; must be a name such as 'mecpfm.coupled/1'")
    return found


def _npz_schema(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("schema.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False).tolist()
    except KeyError:
        return None
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except _DAMAGED as error:
        raise InputError(f"{path}: is not a usable .npz archive ({error})") from None


def write_atomic(path: Path, content: bytes) -> None:
    """Write so that a reader, or an interrupted run, sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
