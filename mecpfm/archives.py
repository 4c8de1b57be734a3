"""NumPy archives, read whole and within the limit of size, or refused in one line; the schema that any file states."""

from __future__ import annotations

import math
import re
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from mecpfm.errors import InputError
from mecpfm.files import STDIN, read_json, readable, repeated, require_fits, require_regular

HEAD = 4096
"""Bytes of a JSON file in which the schema usually stands."""

_DAMAGED = (
    ValueError, TypeError, AttributeError, EOFError, SyntaxError, RuntimeError, struct.error, tokenize.TokenError,
    OverflowError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile and NumPy raise of archives that were cut, changed, encrypted or never were any."""


def read_npz(path: Path) -> dict[str, Any]:
    """Read an archive of arrays and nest its dotted keys; InputError when absent, damaged or holding objects."""
    nested: dict[str, Any] = {}
    require_fits(path, require_regular(path))
    try:
        with readable(path), zipfile.ZipFile(path) as plain:  # np.load would also take, and unpickle, other formats
            require_fits(f"{path}: unpacked", sum(_unpacked(plain, member) for member in plain.infolist()))
            archive = np.load(path, allow_pickle=False)
        with readable(path), archive:
            if len(set(archive.files)) < len(archive.files):
                raise ValueError(f"array {repeated(archive.files)!r} stands twice")
            for key in archive.files:
                *groups, last = key.split(".")
                place = nested
                for group in groups:
                    place = place.setdefault(group, {})
                    if not isinstance(place, dict):
                        raise ValueError(f"{group!r} in {key!r} is an array as well")
                place[last] = _array(archive, key)
                place[last].flags.writeable = False
    except _DAMAGED as error:
        raise InputError(f"{path}: is not a usable .npz archive ({error})") from None
    return nested


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Bytes of a member and of the array it declares; ValueError where the two disagree, before either is made."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"{member.filename} is compressed by method {member.compress_type}; must be stored or deflated"
        )
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        declared = math.prod(shape) * dtype.itemsize
        if not dtype.hasobject and declared != member.file_size - stream.tell():
            raise ValueError(
                f"{member.filename} declares {declared} bytes and holds {member.file_size - stream.tell()}"
            )
    return member.file_size


def _array(archive: Any, key: str) -> Any:
    try:
        return archive[key]
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _npz_schema(path: Path) -> Any:
    require_regular(path)
    try:
        with readable(path), zipfile.ZipFile(path) as archive:
            require_fits(path, _unpacked(archive, archive.getinfo("schema.npy")))
            with archive.open("schema.npy") as member:
                return np.lib.format.read_array(member, allow_pickle=False).tolist()
    except KeyError:
        return None
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({error})") from None
    except _DAMAGED as error:
        raise InputError(f"{path}: is not a usable .npz archive ({error})") from None


def schema_of(path: Path) -> str:
    """Schema that a file states: a look at its head, or at one array of an archive, where that is enough.

    InputError when it cannot be read or states none.
    """
    if path.suffix == ".npz":
        found = _npz_schema(path)
    elif path == STDIN:
        found = read_json(path).get("schema")
    else:
        require_regular(path)
        with readable(path), path.open("rb") as stream:
            head = re.match(rb'\s*\{\s*"schema"\s*:\s*"([^"\\]*)"', stream.read(HEAD))
        found = head.group(1).decode(errors="replace") if head else read_json(path).get("schema")
    if not isinstance(found, str):
        raise InputError(f"{path}: schema is {found!r}; must be a name such as 'mecpfm.coupled/1'")
    return found
