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
import stat
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from mecpfm.errors import InputError

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


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """InputError names the file where the system cannot read it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def require_regular(path: Path) -> int:
    """Size of a regular file in bytes; InputError for what may never end or has no content (pipe, device, folder)."""
    try:
        with readable(path):
            found = path.stat()
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
        with readable(path):
            content = loads(_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{path}: is not usable JSON (nested too deeply)") from None
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object")
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file; InputError names the file."""
    try:
        require_fits(path, require_regular(path))
        with readable(path):
            return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path}: is not valid TOML ({error})") from None


def loads(text: str) -> Any:
    """Value of a JSON text; ValueError also for a key that stands twice in one object, of which readers take either."""
    return json.loads(text, object_pairs_hook=_once)


def plain(value: Any) -> Any:
    """The value; None for NaN and infinity, which JSON cannot say."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"key {repeated([key for key, _ in pairs])!r} stands twice in one object")
    return found


def repeated(names: list[str]) -> str:
    """The first name that stands more than once."""
    return next(name for name, count in Counter(names).items() if count > 1)


def target(path: Path, *, parents: bool = False) -> Path:
    """File that writing to ``path`` replaces: a link leads to its file and stays.

    InputError for anything but a regular file or a new name; its folder must exist, or is made with ``parents``.
    """
    if path == STDIN:
        raise InputError(f"{path}: cannot be written (stands for standard input; name a file)")
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


def require_apart(written: Iterable[Path | None], given: Iterable[Path]) -> None:
    """InputError where a file that a command writes cannot be written, is one it reads, or is written twice."""
    known = {Path(os.path.realpath(path)) for path in given if path != STDIN and "\0" not in str(path)}
    for path in written:
        if path is None:
            continue
        real = target(path)
        if real in known:
            raise InputError(f"{path}: cannot be written (the same command reads it, or writes it twice)")
        known.add(real)


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
