"""Run notebooks in a real JupyterLab, opened by a headless Chromium: ``python tests/in_jupyterlab.py [NAME ...]``.

Every cell from the first to the last, as a reader does; a warning, a traceback or an error in the console fails, and
the explorer's sliders must move its numbers, and git must find nothing changed after saving. Copies are run, with a
home of their own: the checkout stays as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from choreographer import Browser, Tab

from mecpfm.experiments.notebooks import names
from mecpfm.experiments.progress import stages
from mecpfm.figures.chromium import browser

ROOT = Path(__file__).parents[1]
PATIENCE_S = 1_800.0
"""Longest time for a notebook, and a sixth of it for JupyterLab to open one or to answer."""
END_S = 60.0
"""Longest time for the server to end."""
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every output is drawn, not only those in sight
    "docmanager-extension/plugin": {"autosaveInterval": 10},  # seconds; what it saves in the middle must not matter
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
SERVER = "config/jupyter_server_config.d/mecpfm.json"
"""Where the installed environment has it, too: what Jupyter's server loads."""
SCREEN = {"width": 1250, "height": 900, "deviceScaleFactor": 1, "mobile": False}
OPENED = """(() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    return Boolean(panel?.sessionContext?.session?.kernel?.status === "idle" && panel.content.widgets.length);
})()"""
START = """(async () => {
    const context = window.jupyterapp.shell.currentWidget.context;
    context.saveState.connect((_, state) => { window.saving = state === "started"; });
    await window.jupyterapp.commands.execute("notebook:clear-all-cell-outputs");  // and the counts of the last run
    window.jupyterapp.commands.execute("notebook:run-all-cells");
    return true;
})()"""
STATE = """(() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.map(one => one.model.toJSON()).filter(one => one.cell_type === "code");
    return {
        idle: panel.sessionContext.session.kernel.status === "idle",
        counts: cells.map(one => one.execution_count),
        outputs: cells.map(one => one.outputs.filter(out => out.output_type === "error" || out.name === "stderr")),
        blank: panel.node.querySelectorAll(".jp-RenderedPlotly:empty").length,
        asked: [...document.querySelectorAll(".jp-Dialog-content")].map(one => one.textContent),
    };
})()"""
SAVE = """(async () => {
    const commands = window.jupyterapp.commands;
    await commands.execute("docmanager:toggle-autosave");  // of two saves at once JupyterLab asks which to keep
    while (window.saving) await new Promise(resolve => setTimeout(resolve, 100));
    await commands.execute("docmanager:save");
    await commands.execute("docmanager:toggle-autosave");
    return true;
})()"""
SLIDERS = """[...document.querySelectorAll(".explorer .noUi-handle")].length"""
READ = """[...document.querySelectorAll(".explorer td.seconds")].map(one => one.textContent)"""
FOCUS = """(() => { document.querySelectorAll(".explorer .noUi-handle")[%d].focus(); return true; })()"""


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """Address of a JupyterLab on ``folder`` whose settings and kernels' results are in it, too."""
    for name, value in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    kept |= {f"JUPYTERLAB_{name}_DIR": str(folder / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    kept |= {"IPYTHONDIR": str(folder / "ipython"), "MECPFM_HOME": str(folder), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    words = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    words += ["--no-browser", "--allow-root", "--expose-app-in-browser", "--IdentityProvider.token="]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], env={**os.environ, **kept}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/api", server)
            yield url
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server, which ends its kernels, or, where it does not, all of its session."""
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S / 6
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.3)
    raise SystemExit(f"JupyterLab does not answer on {url}")


class Page:
    """A tab, and what its console said."""

    def __init__(self, tab: Tab) -> None:
        self.tab, self.said = tab, list[str]()
        tab.subscribe("Runtime.consoleAPICalled", self._console, repeating=True)
        tab.subscribe("Runtime.exceptionThrown", self._thrown, repeating=True)
        tab.subscribe("Log.entryAdded", self._logged, repeating=True)

    async def _console(self, message: Any) -> None:
        call = message["params"]
        if call["type"] in ("error", "assert"):
            self.said.append(" ".join(str(one.get("value", one.get("description"))) for one in call["args"]))

    async def _thrown(self, message: Any) -> None:
        self.said.append(str(message["params"]["exceptionDetails"].get("exception", {}).get("description")))

    async def _logged(self, message: Any) -> None:
        entry = message["params"]["entry"]
        if entry["level"] == "error":
            self.said.append(f"{entry['text']} {entry.get('url', '')}")

    async def evaluate(self, code: str) -> Any:
        """What a line of JavaScript gives; TimeoutError where it gives nothing, as behind a dialog that asks."""
        words = {"expression": code, "returnByValue": True, "awaitPromise": True}
        async with asyncio.timeout(PATIENCE_S / 6):
            answer = (await self.tab.send_command("Runtime.evaluate", words))["result"]
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    async def until(self, code: str, patience_s: float) -> None:
        """Wait until it gives true."""
        end = time.monotonic() + patience_s
        while not await self.evaluate(code):
            if time.monotonic() > end:
                raise TimeoutError(f"after {patience_s:.0f} s still not: {code}")
            await asyncio.sleep(0.5)

    async def press(self, key: str) -> None:
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            await self.tab.send_command("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key})


async def opened(chromium: Browser, url: str) -> Page:
    """A notebook in a tab of its own, its kernel ready."""
    tab = await chromium.create_tab("")
    page = Page(tab)
    for domain in ("Runtime", "Log", "Page"):
        await tab.send_command(f"{domain}.enable")
    await tab.send_command("Emulation.setDeviceMetricsOverride", SCREEN)
    await tab.send_command("Page.navigate", {"url": url})
    await page.until(OPENED, PATIENCE_S / 6)
    return page


async def run(page: Page) -> list[str]:
    """Run all cells; complaints."""
    await page.evaluate(START)
    end, state = time.monotonic() + PATIENCE_S, dict[str, Any]()
    while not state or not (state["idle"] and state["counts"] == list(range(1, len(state["counts"]) + 1))):
        await asyncio.sleep(1)
        state = await page.evaluate(STATE)
        if any(out["output_type"] == "error" for one in state["outputs"] for out in one) or state["asked"]:
            break
        if time.monotonic() > end:
            return [f"not done after {PATIENCE_S:.0f} s: {state['counts']}"]
    await asyncio.sleep(1)  # what is drawn last may still complain
    outputs = state["outputs"]
    said = (
        (i, out.get("text") or f"{out['ename']}: {out['evalue']}") for i, one in enumerate(outputs, 1) for out in one
    )
    found = [f"code cell {i}: {text.strip()}" for i, text in said]
    return found + [f"{state['blank']} blank figures"] * bool(state["blank"]) + state["asked"]


async def slide(page: Page) -> list[str]:
    """Move every slider of the explorer by keys, a few steps each; each must change its numbers."""
    found, count = [], await page.evaluate(SLIDERS)
    for i in range(count):
        before = now = await page.evaluate(READ)
        await page.evaluate(FOCUS % i)
        for key in [*["ArrowRight"] * 4, *["ArrowLeft"] * 8]:
            await page.press(key)
            await asyncio.sleep(2)
            now = await page.evaluate(READ)
            if now != before:
                break
        print(f"  slider {i}: {before} -> {now}", flush=True)
        found += [f"slider {i} changes nothing: {before}"] * (now == before)
    return found if count == 4 else [f"{count} sliders, not 4"]


def changed(folder: Path, name: str) -> list[str]:
    """What git shows of a notebook that was run and saved: the first lines of the difference."""
    shown = git(folder, "diff", "--unified=0", f"notebooks/{name}.ipynb").splitlines()[5:]
    return [f"saving it changes {len(shown)} lines: {[line[:100] for line in shown[:6]]}"] if shown else []


def git(folder: Path, *words: str) -> str:
    """What git says in a folder."""
    named = ("-c", "user.name=lab", "-c", "user.email=lab@example.org")
    return subprocess.run(["git", "-C", str(folder), *named, *words], capture_output=True, check=True, text=True).stdout


async def main(chosen: list[str]) -> int:
    """Number of notebooks with complaints, each printed. Ctrl-C and SIGTERM end the server, too."""
    bad, task = 0, asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("notebooks", "docs"):
            shutil.copytree(ROOT / name, folder / name)
        for name, copied in (("claims.toml", "claims.toml"), ("jupyter.json", SERVER)):
            (folder / copied).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / copied)
        git(folder, "init", "--quiet")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "as committed")
        with lab(folder) as url:
            async with Browser(path=browser(), headless=True) as chromium:
                for name in chosen:
                    start = time.monotonic()
                    page = await opened(chromium, f"{url}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb")
                    complaints = await run(page)
                    complaints += await slide(page) if "explorer" in name and not complaints else []
                    complaints += [f"console: {line}" for line in page.said]
                    await page.evaluate(SAVE)
                    complaints += changed(folder, name)
                    await page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
                    await chromium.close_tab(page.tab.target_id)
                    print(f"{name}: {'; '.join(complaints) or 'ok'} ({time.monotonic() - start:.0f} s)", flush=True)
                    bad += bool(complaints)
    return bad


if __name__ == "__main__":
    if not browser():
        raise SystemExit("no Chromium on this machine; apt-get install chromium")
    before = git(ROOT, "status", "--porcelain")
    try:
        wrong = asyncio.run(main(sys.argv[1:] or [name for group in stages(names()) for name in group]))
    except asyncio.CancelledError:
        raise SystemExit("interrupted") from None
    if git(ROOT, "status", "--porcelain") != before:
        raise SystemExit("the checkout has changed")
    raise SystemExit(f"{wrong} notebooks with complaints" if wrong else 0)
