"""Numba's disk cache: one folder for each state of a source file, and a digest in every file of it.

What is damaged counts as absent and is compiled again: Numba unpickles whatever lies there and hands it to LLVM, which
aborts the process when it is cut.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import re
import sys
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

from mecpfm import paths

BASE = Path(os.environ.get("NUMBA_CACHE_DIR") or paths.cache() / "numba")
SIZE = hashlib.sha256().digest_size
SIBLING = re.compile(r"mecpfm\.kernels\.(\w+)|from mecpfm\.kernels import (\([^)]*\)|[^\n(]*)")
"""A kernel file that another one names. Read by pattern, since parsing all files would slow every start; a name in a
docstring counts too, which costs no more than a compilation."""


@functools.cache
def key(source: Path) -> str:
    """Name of the cache folder of a kernel file: a hash of it and of all kernel files that it imports, directly or not.

    Parameters
    ----------
    source
        The file; what it imports stands beside it.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for file in sorted(_closure(source)):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _closure(source: Path) -> set[Path]:
    """The file and every kernel file that it imports, directly or not."""
    reached, left = set(), [source]
    while left:
        file = left.pop()
        if file not in reached:
            reached.add(file)
            left += _siblings(file)
    return reached


@functools.cache
def _siblings(source: Path) -> tuple[Path, ...]:
    """Files beside ``source`` that it names in an import."""
    found = SIBLING.findall(source.read_text(encoding="utf-8"))
    names = {name for one, several in found for name in (one, *re.findall(r"\w+", several))}
    return tuple(file for name in names if (file := source.with_name(f"{name}.py")).is_file())


class CheckedFile(IndexDataCacheFile):
    """Index and data files of one kernel; each holds the digest of what follows."""

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)  # type: ignore[no-untyped-call]
        return hashlib.sha256(data).digest() + data

    def save(self, key: Any, data: Any) -> None:
        """Keep the code of one signature; where the disk is full the kernel serves this process alone."""
        try:
            super().save(key, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            _say_not_kept(Path(self._index_path).parent, error.strerror)

    def _load_index(self) -> dict[Any, str]:
        path = Path(self._index_path)
        try:
            with path.open("rb") as stream:
                if pickle.load(stream) != self._version:
                    return {}
                stamp, overloads = _checked(stream.read())
        except FileNotFoundError:
            return {}
        except Exception as error:  # unpickling a damaged file raises nearly anything
            _say(path, error)
            return {}
        return overloads if stamp == self._source_stamp else {}

    def _load_data(self, name: str) -> Any:
        path = Path(self._data_path(name))  # type: ignore[no-untyped-call]
        try:
            return _checked(path.read_bytes())
        except FileNotFoundError:
            raise
        except Exception as error:
            _say(path, error)
            raise OSError(f"{path}: damaged") from None  # which Numba takes for an absent file


class ByContent(_CacheLocator):
    """A folder for each state of a source file, wherever that lies: checkouts with equal kernels compile them once."""

    def __init__(self, function: Any, source: str) -> None:
        self._py_file, self._key, self._line = source, key(Path(source)), str(function.__code__.co_firstlineno)

    @classmethod
    def from_function(cls, function: Any, source: str) -> ByContent | None:
        """Numba's constructor: None where the folder cannot be written, which sends it to its own locators."""
        found = cls(function, source)
        try:
            found.ensure_cache_path()  # type: ignore[no-untyped-call]
        except OSError:
            return None
        return found

    def get_cache_path(self) -> str:
        """The folder."""
        return str(BASE / self._key)

    def get_source_stamp(self) -> str:
        """What tells that cached code is of another source: the folder's name does."""
        return self._key

    def get_disambiguator(self) -> str:
        """Functions of one name and file differ by their line."""
        return self._line


class Located(CompileResultCacheImpl):
    """Where the code of a kernel is kept: Numba's own places where ``BASE`` cannot be written."""

    _locator_classes = [ByContent, *CompileResultCacheImpl._locator_classes]  # noqa: RUF012


class KernelCache(FunctionCache):
    """Compiled code of one kernel on the disk."""

    _impl_class = Located

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)  # type: ignore[no-untyped-call]
        self._cache_file.__class__ = CheckedFile


def _checked(data: bytes) -> Any:
    if hashlib.sha256(data[SIZE:]).digest() != data[:SIZE]:
        raise ValueError("its digest does not match")
    return pickle.loads(data[SIZE:])


def _say(path: Path, error: Exception) -> None:
    print(f"mecpfm: {path}: unusable ({error or type(error).__name__}); compiling it again", file=sys.stderr)


@functools.cache
def _say_not_kept(folder: Path, reason: str) -> None:
    """One line for each folder, however many kernels it cannot take."""
    print(
        f"mecpfm: {folder}: cannot be written ({reason}); kernels are compiled again in the next run", file=sys.stderr
    )
