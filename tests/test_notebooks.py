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
    """Figures are stored as data: no notebook above 600 kB."""
    assert PATHS
    assert all(path.stat().st_size < 600_000 for path in PATHS)


def test_unknown_names_are_refused_before_anything_runs():
    """A wrong profile or notebook name is an InputError that lists what there is."""
    with pytest.raises(InputError, match="00_start_here"):
        notebooks.run("quick", ["no_such_notebook"])
    with pytest.raises(InputError, match="quick"):
        notebooks.run("huge")
