"""Numba's disk cache with a digest in every file: what is damaged counts as absent and is compiled again.

Numba unpickles whatever lies there and hands it to LLVM, which aborts the process when it is cut.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

SIZE = hashlib.sha256().digest_size


class CheckedFile(IndexDataCacheFile):
    """Index and data files of one kernel; each holds the digest of what follows."""

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)  # type: ignore[no-untyped-call]
        return hashlib.sha256(data).digest() + data

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


def _checked(data: bytes) -> Any:
    if hashlib.sha256(data[SIZE:]).digest() != data[:SIZE]:
        raise ValueError("its digest does not match")
    return pickle.loads(data[SIZE:])


def _say(path: Path, error: Exception) -> None:
    print(f"mecpfm: {path}: unusable ({error or type(error).__name__}); compiling it again", file=sys.stderr)
