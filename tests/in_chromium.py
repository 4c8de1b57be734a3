"""Pages in a headless Chromium: what a script of a test measures there."""

import html
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mecpfm.figures.chromium import browser

ERRORS = """
const errors = []; window.addEventListener("error", event => errors.push(event.message));
console.error = (...words) => errors.push(words.join(" "));
"""
"""What a page complains of."""
needs_browser = pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")


def measured(text: str, script: str) -> dict[str, Any]:
    """JSON that ``script``, run before a page and beside ``errors``, leaves in ``document.body.dataset.found``."""
    return _opened(text.replace("<head>", f"<head><script>{ERRORS}{script}</script>"))


def framed(text: str, script: str, width: int) -> dict[str, Any]:
    """The same of a page in a frame of this width, whose ``script`` runs after it and writes into ``parent``."""
    probed = text.replace("<head>", f"<head><script>{ERRORS}</script>")
    probed = probed.replace("</body>", f"<script>{script}</script></body>")
    return _opened(
        f'<body><iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(probed)}"></iframe>'
    )


def _opened(text: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(text, encoding="utf-8")
        words = [
            str(browser()), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1200",
            f"--user-data-dir={folder}/profile", "--virtual-time-budget=5000", "--dump-dom", file.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, check=True, timeout=300)
    found = re.search(r'data-found="([^"]*)"', done.stdout.decode())
    assert found, done.stdout[:500]
    return dict(json.loads(html.unescape(found.group(1))))
