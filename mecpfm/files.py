"""Files that are read whole or refused in one line, and written whole or not at all.

Only regular files are read and replaced; ``-`` stands for JSON on standard input. No file that holds, or unpacks to,
more than ``MECPFM_MAX_GB`` (default 1) is read.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
import stat
import struct
import sys
import tempfile
import tokenize
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from mecpfm.errors import InputError

_DAMAGED = (
    ValueError, TypeError, AttributeError, EOFError, SyntaxError, RuntimeError, struct.error, tokenize.TokenError,
    OverflowError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile and NumPy raise of archives that were cut, changed, encrypted or never were any."""
HEAD = 4096
"""Bytes of a JSON file in which the schema usually stands."""
STDIN = Path("-")
MOST_TEXT = 2**28
"""Most bytes of a table of text: less than of other files, as its cells take about ten times as much memory."""


def most_bytes() -> int:
    """Most bytes that one file may hold or unpack to, and that one generated instance may take."""
    stated = os.environ.get("MECPFM_MAX_GB") or "1"
    try:
        limit = float(stated)
    except ValueError:
        limit = math.nan
    if not 0 < limit <= 1e6:
        raise InputError(f"MECPFM_MAX_GB is {stated!r}; must be a number > 0 and <= 1e6")
    return int(limit * 1e9)


def require_fits(what: object, size: float) -> None:
    """InputError when so many bytes are more than one file or instance may have."""
    if size > (most := most_bytes()):
        raise InputError(f"{what}: takes {size / 1e9:.3g} GB; at most {most / 1e9:g} (set MECPFM_MAX_GB for more)")


def require_regular(path: Path) -> int:
    """Size of a regular file in bytes; InputError for what may never end or has no content (pipe, device, folder)."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # a null byte in the name
        raise InputError(f"{str(path)!r}: cannot be read ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: cannot be read (is not a regular file)")
    return found.st_size


def _bytes(path: Path) -> bytes:
    """Content of a regular file, or of standard input, within the limit."""
    if path == STDIN:
        if sys.stdin is None:
            raise InputError(f"{path}: cannot be read (standard input is closed)")
        return _standard_input(sys.stdin)
    require_fits(path, require_regular(path))
    return path.read_bytes()


@functools.lru_cache(1)
def _standard_input(stream: TextIO) -> bytes:
    """Standard input: kept, as a command looks at the schema before it reads the rest."""
    content = stream.buffer.read(most_bytes() + 1)
    require_fits(STDIN, len(content))
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object; InputError when the file is absent, truncated, not UTF-8 or not an object."""
    try:
        content = loads(_bytes(path).decode("utf-8"))
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
    require_fits(path, require_regular(path))
    try:
        with zipfile.ZipFile(path) as plain:  # np.load would also take, and unpickle, other formats
            require_fits(f"{path}: unpacked", sum(_unpacked(plain, member) for member in plain.infolist()))
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
    require_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            require_fits(path, _unpacked(archive, archive.getinfo("schema.npy")))
            with archive.open("schema.npy") as member:
                return np.lib.format.read_array(member, allow_pickle=False).tolist()
    except KeyError:
        return None
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except _DAMAGED as error:
        raise InputError(f"{path}: is not a usable .npz archive ({error})") from None


def target(path: Path, *, parents: bool = False) -> Path:
    """File that writing to ``path`` replaces: a link leads to its file and stays.

    InputError for anything but a regular file or a new name; its folder must exist, or is made with ``parents``.
    """
    try:
        real = Path(os.path.realpath(path))
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: cannot be written (is not a regular file)")
    except FileNotFoundError:
        if parents:
            real.parent.mkdir(parents=True, exist_ok=True)
        elif not real.parent.is_dir():
            raise InputError(f"{path}: cannot be written (there is no folder {real.parent})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    except ValueError as error:  # a null byte in the name
        raise InputError(f"{str(path)!r}: cannot be written ({error})") from None
    return real


def write_atomic(path: Path, content: bytes, *, parents: bool = True) -> None:
    """Write so that a reader, or an interrupted run, sees the old file or the new one, never half of it.

    File and folder are on the disk afterwards; OSError names ``path``. A file that the user names needs its folder:
    ``parents=False``.
    """
    real = target(path, parents=parents)
    try:
        _replace(real, content)
    except OSError as error:  # its own name is none, or the temporary file's
        raise OSError(error.errno, error.strerror, str(path)) from None
    with contextlib.suppress(OSError):  # not every system can open, or flush, a folder
        folder = os.open(real.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
