"""Find, check and download the external data files of :mod:`mecpfm.data.registry`.

A file is looked for in the folder MECPFM_DATA_DIR, then in the cache folder. Its SHA-256 is checked before anybody
reads it: a wrong byte is an :class:`~mecpfm.errors.InputError`, never a wrong number.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from mecpfm import paths
from mecpfm.data import registry
from mecpfm.data.registry import DataFile
from mecpfm.errors import InputError
from mecpfm.files import readable

TIMEOUT_S = 30


class Status(NamedTuple):
    """One row of :func:`verify`; ``bytes`` is the registered size and ``path`` None where the file is absent."""

    name: str
    status: Literal["present", "absent", "corrupt"]
    bytes: int
    licence: str
    path: Path | None


@lru_cache(maxsize=64)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    """Checksum, computed again only when the file's time or size has changed."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(path: Path) -> str:
    with readable(path):
        state = path.stat()
        return _sha256(path, state.st_mtime_ns, state.st_size)


def _cache() -> Path:
    return paths.cache() / "data"


def _found(name: str) -> Path | None:
    folders = [Path(given)] if (given := os.environ.get("MECPFM_DATA_DIR")) else []
    for folder in folders:
        if not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
            raise InputError(f"MECPFM_DATA_DIR is {folder}; must be a folder that can be read")
    return next((path for folder in [*folders, _cache()] if (path := folder / name).exists()), None)


def locate(name: str) -> Path | None:
    """Checked path of a data file, or None where it is absent.

    Raises
    ------
    InputError
        For a name outside the registry, or a file whose SHA-256 is not the registered one.
    """
    file, path = registry.entry(name), _found(name)
    if path and (found := _digest(path)) != file.sha256:
        raise InputError(f"{path}: is corrupted (expected SHA-256 {file.sha256}, found {found})")
    return path


def require(name: str) -> Path:
    """Checked path of a data file; InputError says how to get it where it is absent."""
    if path := locate(name):
        return path
    raise InputError(
        f"{name} is missing: run `mecpfm data fetch {name}`, or set MECPFM_DATA_DIR to a folder that holds it"
    )


def fetch(names: Iterable[str] | None = None, *, base_url: str | None = None) -> list[Path]:
    """Download what is not there yet, by default all files, into the cache folder; the checked paths.

    ``base_url`` is the address of a mirror, by default the upstream host. InputError when the server cannot be reached
    or its answer is not the registered file; nothing is left behind.
    """
    files = [registry.entry(name) for name in names or registry.names()]  # all names are known before any is fetched
    return [_fetch(file, base_url or registry.RAW) for file in files]


def _fetch(file: DataFile, base_url: str) -> Path:
    path = _found(file.name)
    if path and path.parent != _cache():  # the user's own folder is read, never written
        return require(file.name)
    import pooch  # brings a progress-bar library along that warns inside notebooks

    pooch.get_logger().setLevel("WARNING")  # it announces every download on stderr
    url = file.url(base_url)
    try:
        return Path(
            pooch.retrieve(
                url,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=_cache(),
                downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
            )
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise InputError(f"{url}: cannot be fetched ({' '.join(str(error).split())})") from None


def verify() -> list[Status]:
    """State of every registered file on this machine, in the registry's order."""
    rows = []
    for file in registry.FILES:
        path = _found(file.name)
        status: Literal["present", "absent", "corrupt"] = "absent"
        if path:
            status = "present" if _digest(path) == file.sha256 else "corrupt"
        rows.append(Status(file.name, status, file.bytes, file.licence, path))
    return rows
