"""Committed notebooks are executed, linear, short, small and free of noise; parameters are checked before a run."""

from pathlib import Path

import nbformat
import pytest

from mecpfm.errors import InputError
from mecpfm.experiments import notebooks

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_executed_from_top_to_bottom(notebook: nbformat.NotebookNode):
    """Execution counts are 1, 2, 3, ...: no cell was skipped or run twice."""
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))


def test_no_errors_and_no_stderr(notebook: nbformat.NotebookNode):
    """No stored output is an error or a warning."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.get("text")


def test_thin(notebook: nbformat.NotebookNode):
    """A lesson, not a program: few short cells, text before the first code, one cell of parameters."""
    cells = code_cells(notebook)
    assert len(cells) <= 14
    assert all(len(cell.source.splitlines()) <= 22 for cell in cells)
    assert notebook.cells[0].cell_type == "markdown"
    assert [cell.metadata.get("tags") for cell in cells].count(["parameters"]) == 1
    assert 'profile = "quick"' in next(cell.source for cell in cells if cell.metadata.get("tags") == ["parameters"])


def test_ends_in_assertions(notebook: nbformat.NotebookNode):
    """The last code cell asserts what the text claims."""
    assert "assert " in code_cells(notebook)[-1].source


def test_small():
    """Figures are stored as data and small pictures: no notebook above 1 MB."""
    assert PATHS
    assert all(path.stat().st_size < 1_000_000 for path in PATHS)


def test_check_names_the_cells_that_differ(tmp_path, monkeypatch):
    """A run's outputs are compared cell by cell, an error included; only a temporary home is written to."""
    book = nbformat.v4.new_notebook()
    write = "import os; open(os.environ['MECPFM_HOME'] + '/results', 'w').close()"
    sources = ("print(1)", "x = 0.1 + 0.2\nx", write, "1 / 0")
    book.cells = [nbformat.v4.new_code_cell(source, execution_count=i + 1) for i, source in enumerate(sources)]
    book.cells[0].outputs = [nbformat.v4.new_output("stream", text=one) for one in ("1", "\n")]
    book.cells[1].outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "0.3", "image/png": "AA=="}, execution_count=7)
    ]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "results").mkdir()
    nbformat.write(book, tmp_path / "notebooks" / "one.ipynb")
    before = (tmp_path / "notebooks" / "one.ipynb").read_bytes()
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setattr(notebooks.paths, "sources", lambda: tmp_path)
    found = notebooks.check(["one"])
    assert [row[:2] for row in found] == [("one", "2"), ("one", "4")]
    assert "0.30000000000000004" in found[0][2]
    assert "image/png" not in found[0][2], "pictures are not compared"
    assert (tmp_path / "notebooks" / "one.ipynb").read_bytes() == before
    assert list((tmp_path / "results").iterdir()) == []


def test_unknown_names_are_refused_before_anything_runs():
    """A wrong profile or notebook name is an InputError that lists what there is."""
    with pytest.raises(InputError, match="00_start_here"):
        notebooks.run("quick", ["no_such_notebook"])
    with pytest.raises(InputError, match="quick"):
        notebooks.run("huge")
