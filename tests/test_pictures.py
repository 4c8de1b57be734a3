"""Every figure of a notebook also stands there as a picture, and no two of its series look alike."""

import base64
import functools
import io
import logging
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import plotly.graph_objects as go
import plotly.io
import pytest
from command import start

from mecpfm import figures, sockets
from mecpfm.figures import chromium

PATHS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"
DRAWN = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
needs_browser = pytest.mark.skipif(chromium.browser() is None, reason="no Chromium on this machine")


@pytest.fixture(autouse=True)
def _however_slow_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that works is waited for: under load one needs more than a user's minute to start."""
    monkeypatch.setattr(chromium, "PATIENCE_S", 600.0)


def bundle(drawn: go.Figure) -> dict[str, object]:
    assert plotly.io.renderers.default == "mecpfm", figures.__name__
    return drawn._repr_mimebundle_()


def shown(path: Path) -> list[dict[str, object]]:
    """Data of every output of a committed notebook that is a figure."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = (output for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    return [output.data for output in outputs if PLOTLY in output.get("data", {})]


@needs_browser
def test_a_figure_shows_with_and_without_scripts():
    """Beside its data a figure has a PNG of few colours, as wide as the figure, the same bytes every time."""
    from PIL import Image

    one = bundle(go.Figure(DRAWN).update_layout(width=640))
    assert set(one) == {PLOTLY, PNG}
    picture = Image.open(io.BytesIO(base64.b64decode(one[PNG])))
    assert picture.size == (640, 500)
    assert len(picture.getcolors()) <= chromium.COLOURS
    assert bundle(go.Figure(DRAWN).update_layout(width=640)) == one
    assert Image.open(io.BytesIO(base64.b64decode(bundle(DRAWN)[PNG]))).size[0] == chromium.WIDTH


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec sleep 100\n"])
def test_without_a_browser_that_works_there_is_no_picture(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """None, one that ends and one that says nothing: the data alone, nothing above the level that kernels print."""
    if script:
        (tmp_path / "browser").write_text(script)
        (tmp_path / "browser").chmod(0o755)
        monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "browser"))
    monkeypatch.setattr(chromium, "browser", lambda: script and str(tmp_path / "browser"))
    monkeypatch.setattr(chromium, "PATIENCE_S", 1.0)
    monkeypatch.setattr(chromium, "_server", functools.cache(chromium._server.__wrapped__))  # the other one stays
    with caplog.at_level(logging.DEBUG, "mecpfm"):
        assert set(bundle(DRAWN)) == set(bundle(DRAWN)) == {PLOTLY}
    told = [record.message for record in caplog.records if record.name == "mecpfm"]
    assert len(told) == bool(script)
    assert all("does not start" in message for message in told)
    assert all(record.levelno < logging.WARNING for record in caplog.records)


SHARED = """
import base64, sys, plotly.graph_objects as go
from mecpfm import figures
from mecpfm.figures import chromium
chromium.PATIENCE_S = 600.0
drawn = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
sys.stdout.write(base64.b64encode(chromium.small_png(drawn)).decode() + " " + str(chromium._server.cache_info().misses))
"""


@needs_browser
def test_processes_share_a_browser(tmp_path: Path):
    """Another process gets the picture that is drawn here and starts none; where none is drawn it draws its own."""
    own = bundle(DRAWN)[PNG]
    for answer, started in ((chromium.answer, 0), (lambda request: b"", 1)):
        with sockets.answering(answer):
            said, _ = start(tmp_path, code=SHARED).communicate()
        assert said.split() == [own, str(started)]


class Counted(HTMLParser):
    """How often each tag opens."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags[tag] += 1


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_committed_notebooks_show_every_figure_without_scripts(path: Path):
    """The HTML export holds a picture for each figure, and the file of a notebook stays below 1 MB."""
    from nbconvert import HTMLExporter

    text, _ = HTMLExporter().from_filename(str(path))
    tags = Counted(text).tags
    assert all(PNG in data for data in shown(path))
    assert tags["img"] + tags["svg"] >= len(shown(path))
    assert path.stat().st_size < 1_000_000


def looks(data: dict[str, object]) -> list[tuple[object, ...]]:
    """Colour, marker and dash of every named line or set of markers, by panel."""
    found = []
    for trace in data["data"]:
        if trace.get("type", "scatter") != "scatter" or trace.get("fill") or not trace.get("name"):
            continue
        line, marker = trace.get("line", {}), trace.get("marker", {})
        color = marker.get("color") if "markers" in trace.get("mode", "markers") else line.get("color")
        if not isinstance(color, (str, type(None))) or trace.get("showlegend") is False:
            continue
        look = (str(color), str(marker.get("symbol")), line.get("dash"), trace.get("mode"), str(marker.get("size")))
        found.append((trace["name"], *look))
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_two_series_look_alike(path: Path):
    """Within a figure a look, of colour, marker and dash, belongs to one name."""
    for data in shown(path):
        seen: dict[tuple[object, ...], str] = {}
        for name, *look in looks(data[PLOTLY]):
            assert seen.setdefault(tuple(look), name) == name, (name, look)


def test_small_marks_keep_their_colour():
    """Among hundreds of greys 25 blue pixels are still blue in the small picture."""
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (400, 400))
    picture.putdata([(i % 256,) * 3 for i in range(400 * 400)])
    blue = (0, 114, 178)
    picture.paste(blue, (100, 100, 105, 105))
    png = io.BytesIO()
    picture.save(png, "PNG")
    small = image.open(io.BytesIO(chromium.reduced(png.getvalue()))).convert("RGB")
    assert max(abs(a - b) for a, b in zip(small.getpixel((102, 102)), blue, strict=True)) < 16
