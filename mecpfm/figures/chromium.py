"""Pictures of figures by one Chromium a run, or a process: optional, never a reason to fail or to wait for ever."""

from __future__ import annotations

import asyncio
import atexit
import functools
import io
import json
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

from mecpfm import sockets
from mecpfm.extras import lacks

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 60.0
"""Longest time to wait for a start or a picture."""
WIDTH = 800
"""Of the picture of a figure that fits itself to the page, in pixels: JupyterLab beside its side bar, on 1250."""
COLOURS = 64
"""Of a small PNG: a fifth of the bytes, and every line keeps its colour."""
log = logging.getLogger("mecpfm")


@functools.cache
def browser() -> str | None:
    """Path of a Chromium for static export, or None; BROWSER_PATH comes first."""
    named = os.environ.get("BROWSER_PATH")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


def picture(drawn: go.Figure, suffix: str) -> bytes | None:
    """A figure as png, svg or pdf, by the browser of the run or an own one; None without kaleido or a working Chromium.

    Why there is none is logged, and nothing printed: outputs of notebooks must not depend on it.
    """
    if not browser() or lacks("kaleido"):
        return None
    fixed = drawn.layout.width or drawn.layout.template.layout.width
    options = {"format": suffix, "width": fixed or WIDTH, "scale": 1}
    figure = drawn.to_dict()
    request = json.dumps([figure, options], cls=PlotlyJSONEncoder).encode()
    return sockets.ask(request, 2 * PATIENCE_S) or _picture(figure, options)


def answer(request: bytes) -> bytes:
    """What ``picture`` of another process asks for; empty where there is no picture."""
    return _picture(*json.loads(request)) or b""


def _picture(figure: dict[str, Any], options: dict[str, Any]) -> bytes | None:
    server = _server()
    if server is None:
        return None
    try:
        found: bytes = _wait(server.calc_fig(figure, opts=options))
    except Exception as error:
        if not isinstance(error, CancelledError):  # as when this process ends
            log.info("no %s: %s", options["format"], type(error).__name__)
        _server.cache_clear()  # a browser that died is started anew for the next figure
        return None
    return found


def small_png(drawn: go.Figure) -> bytes | None:
    """A picture for a notebook, of ``COLOURS`` colours where pillow is installed."""
    png = picture(drawn, "png")
    return png if png is None or lacks("PIL") else reduced(png)


def reduced(png: bytes) -> bytes:
    """The same picture in ``COLOURS`` colours; an octree keeps those of a few small marks, a median cut does not."""
    from PIL import Image

    out = io.BytesIO()
    colours = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    colours.save(out, "PNG", optimize=True)
    return out.getvalue()


@functools.cache
def _server() -> Any | None:
    """A running browser, which takes 4 s to start. None where there is none that starts."""
    if not browser() or lacks("kaleido"):
        return None
    for name in ("choreographer", "kaleido"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("BROWSER_PATH", browser() or "")
    server = None
    try:
        import kaleido

        class Kept(kaleido.Kaleido):  # type: ignore[misc]
            """Loads its page once, and not anew after every picture: three quarters of the time."""

            async def _return_kaleido_tab(self, tab: Any) -> None:
                await self.tabs_ready.put(tab)

        # A folder apart is removed however the browser ends; with mathjax the page asks the network for a library.
        folder = tempfile.mkdtemp(prefix="mecpfm-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        server = Kept(mathjax=False, tmp_dir=folder)
        atexit.register(_close, server)
        _wait(server.open())
    except Exception as error:
        log.info("no pictures of figures: %s does not start (%s)", browser(), type(error).__name__)
        _kill(server)
        return None
    return server


def _close(server: Any) -> None:
    with suppress(Exception):
        if server.subprocess.poll() is None:
            _wait(server.close())
    _kill(server)


def _kill(server: Any) -> None:
    """End it and its children, which have a process group of their own, unless that has happened."""
    with suppress(Exception):
        if server.subprocess.poll() is None:
            os.killpg(server.subprocess.pid, signal.SIGKILL)
            server.subprocess.wait(PATIENCE_S)


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(PATIENCE_S)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """A loop of its own: a notebook's kernel is busy with one already."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
