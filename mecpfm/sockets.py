"""One process of a run works for the others: they send bytes over a local socket, and get bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Listener

ADDRESS = "MECPFM_ANSWERS"
"""Variable by which children, and their children, know where to ask; set by this module alone."""
SENT_S = 5.0
"""Longest time between a connection and its request."""


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """Answer processes started inside, one request after the other, in a thread; without local sockets nobody asks."""
    try:
        listener = Listener(family="AF_UNIX", backlog=16)
    except (OSError, ValueError):  # a temporary folder with a long name, or a system that has none
        yield
        return
    os.environ[ADDRESS] = str(listener.address)
    threading.Thread(target=_serve, args=(listener, answer), daemon=True).start()
    try:
        yield
    finally:
        os.environ.pop(ADDRESS, None)
        listener.close()


def _serve(listener: Listener, answer: Callable[[bytes], bytes]) -> None:
    while True:
        try:
            pipe = listener.accept()
        except OSError:  # closed
            return
        with pipe, suppress(Exception):  # who asked may have died; who does not answer is not waited for
            if pipe.poll(SENT_S):
                pipe.send_bytes(answer(pipe.recv_bytes()))


def ask(request: bytes, patience_s: float) -> bytes:
    """An answer, empty without one; then this process asks no more."""
    address = os.environ.get(ADDRESS, "")
    found = b""
    with suppress(OSError, EOFError):
        if address:
            with Client(address) as pipe:
                pipe.send_bytes(request)
                found = pipe.recv_bytes() if pipe.poll(patience_s) else b""
    if not found:
        os.environ.pop(ADDRESS, None)
    return found
