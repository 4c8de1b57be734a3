"""What one process of a run does for the others: an answer, or none, and nobody waits for ever."""

import os
import subprocess
import sys
import time

import pytest

from mecpfm import sockets

ASK = """
import sys
from mecpfm import sockets
for request in sys.argv[2:]:
    print(sockets.ask(request.encode(), float(sys.argv[1])).decode() or "nothing")
"""


def asked(patience_s: float, *requests: str) -> list[str]:
    """What another process gets for its requests, one after the other."""
    words = [sys.executable, "-c", ASK, str(patience_s), *requests]
    return subprocess.run(words, capture_output=True, check=True, text=True, timeout=300).stdout.split()


def answer(request: bytes) -> bytes:
    """As asked for: an answer, an empty one, an error, or a late one."""
    if request == b"fail":
        raise RuntimeError
    if request == b"late":
        time.sleep(2)
    return b"" if request == b"empty" else request.upper()


@pytest.mark.parametrize("bad", ["empty", "fail", "late"])
def test_who_gets_no_answer_asks_no_more_and_others_go_on(bad: str):
    """Several answers over one address; after the first that is missing a process does for itself."""
    with sockets.answering(answer):
        assert asked(60, "a", "b") == ["A", "B"]
        assert asked(60 if bad != "late" else 0.1, bad, "a") == ["nothing", "nothing"]
        assert asked(60, "c") == ["C"]


def test_nobody_answers_outside(monkeypatch: pytest.MonkeyPatch):
    """Without an address, and where its process is gone, there is no answer at once."""
    assert asked(600, "a") == ["nothing"]
    with sockets.answering(answer):
        address = os.environ[sockets.ADDRESS]
    assert sockets.ADDRESS not in os.environ
    monkeypatch.setenv(sockets.ADDRESS, address)
    assert asked(600, "a") == ["nothing"]


def test_a_temporary_folder_with_a_long_name_has_no_sockets(monkeypatch: pytest.MonkeyPatch):
    """Then nobody is told to ask."""
    monkeypatch.setattr(sockets, "Listener", lambda **words: sockets.Client("x" * 200))
    with sockets.answering(answer):
        assert sockets.ADDRESS not in os.environ
