"""One line says so where kernels are compiled, which takes long; clocks of time limits stand still meanwhile."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

log = logging.getLogger("mecpfm")
_said = False


@contextlib.contextmanager
def announcing(seconds: int = 40) -> Iterator[None]:
    """Around a first run: Numba tells of every kernel that it compiles, and of none that it loads.

    At the first one a line on stderr says how long all take, about.
    """
    from numba.core import event

    class Notice(event.Listener):
        def on_start(self, event: Any) -> None:
            global _said
            if not _said:
                _said = True
                log.info("compiling kernels, once: about %d s", seconds)  # silent in notebooks

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Notice()):
        yield
