"""The only place with Numba options.

No fastmath and no parallel reductions: results are bitwise the same on every machine and for any number of workers.
Compiled code is cached in a folder named after a hash of all kernel sources: Numba's own cache does not notice an
edit in a file that a kernel imports, so an edit anywhere here starts a fresh folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from mecpfm import paths
from mecpfm.kernels._cache import CheckedFile


def _cache_folder() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    base = os.environ.get("NUMBA_CACHE_DIR") or paths.cache() / "numba"
    return str(Path(base) / digest)


numba.config.CACHE_DIR = _cache_folder()  # type: ignore[attr-defined]


def kernel(function: Callable[..., Any]) -> Any:
    """Compile on first call, cache on disk, release the GIL; division by zero follows NumPy."""
    compiled = numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    if hasattr(compiled, "_cache"):  # without compilation there is none
        compiled._cache._cache_file.__class__ = CheckedFile
    return compiled
