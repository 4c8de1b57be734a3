"""Committed notebooks are lessons of one frame, executed, linear, short, small and free of noise."""

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mecpfm.errors import InputError
from mecpfm.experiments import notebooks, recheck

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
    """No stored output is an error, a warning, or the view of a widget, whose kernel is gone."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert notebooks.VIEW not in output.get("data", {})
            assert output.get("name") != "stderr", output.get("text")


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in code_cells(notebook) if tag in cell.metadata.get("tags", ())]


def text(notebook: nbformat.NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_thin(notebook: nbformat.NotebookNode):
    """A lesson, not a program: few short cells beside the frame's, text before the first code."""
    framing = [cell.id for tag in ("example", "solution", "check") for cell in tagged(notebook, tag)]
    assert len([cell for cell in code_cells(notebook) if cell.id not in framing]) <= 14
    assert all(len(cell.source.splitlines()) <= (30 if cell.id in framing else 22) for cell in code_cells(notebook))
    assert notebook.cells[0].cell_type == "markdown"


def test_parameters_are_typed_explained_and_used(notebook: nbformat.NotebookNode):
    """One cell of ``name: type = value  # what it does``, profile first; other cells use every name and set none."""
    (cell,) = tagged(notebook, "parameters")
    lines = [re.fullmatch(r"(\w+): (?:str|int|float) = \S+  # \S.+", line) for line in cell.source.splitlines()]
    assert all(lines), cell.source
    assert cell.source.startswith('profile: str = "quick"')
    others = [ast.walk(ast.parse(other.source)) for other in code_cells(notebook) if other is not cell]
    named = [node for nodes in others for node in nodes if isinstance(node, ast.Name)]
    parameters = {line[1] for line in lines if line}
    assert parameters <= {node.id for node in named if isinstance(node.ctx, ast.Load)}
    assert not parameters & {node.id for node in named if isinstance(node.ctx, ast.Store)}, "set again further down"


def test_the_frame_of_a_lesson(notebook: nbformat.NotebookNode):
    """Goals, needs, minutes, a question and symbols come first; then the running example; figures are announced."""
    first = notebook.cells[0].source
    for words in ("**Goals.**", "**You need**", "**Reading**", "**A question to answer", "| in the running example |"):
        assert words in first, words
    assert len(tagged(notebook, "example")) == 1
    assert re.search(r"two_cloudlets|six requests", text(notebook) + tagged(notebook, "example")[0].source)
    drawn = any("figures.make(" in cell.source or "sweep_figure(" in cell.source for cell in code_cells(notebook))
    assert not drawn or text(notebook).count("**Expect to see**") >= 1


def test_minutes_to_read_follow_the_text(notebook: nbformat.NotebookNode):
    """120 words a minute, 3 s for a line of code, half a minute for a figure: said to within 5 minutes."""
    lines = [
        line
        for cell in code_cells(notebook)
        if "solution" not in cell.metadata.get("tags", ())
        for line in cell.source.splitlines()
        if line
    ]
    shown = sum(
        "application/vnd.plotly.v1+json" in out.get("data", {}) for cell in code_cells(notebook) for out in cell.outputs
    )
    minutes = len(text(notebook).split()) / 120 + len(lines) * 3 / 60 + shown / 2
    said = re.search(r"\*\*Reading\*\* takes (\d+) minutes", notebook.cells[0].source)
    assert said and abs(int(said[1]) - minutes) <= 5, minutes


def test_series_are_named_in_words(notebook: nbformat.NotebookNode):
    """No sentence tells series apart by their colour."""
    assert not re.findall(r"\b(blue|orange|red|green|yellow|pink|grey line)\b", re.sub(r"\$.*?\$", "", text(notebook)))


def test_three_exercises_with_folded_solutions(notebook: nbformat.NotebookNode):
    """Easy, medium, hard: each with a folded answer and a hidden cell that runs with the notebook and asserts it."""
    solutions = tagged(notebook, "solution")
    assert len(solutions) == 3
    for number, (grade, cell) in enumerate(zip(("easy", "medium", "hard"), solutions, strict=True), 1):
        statement = notebook.cells[notebook.cells.index(cell) - 1].source
        assert f"**{number} ({grade}).**" in statement
        assert "<details><summary>Answer</summary>" in statement
        assert cell.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
        assert "assert " in cell.source


def test_checks_say_what_was_measured(notebook: nbformat.NotebookNode):
    """What a notebook claims is checked by ``lesson.check``, which prints claim, measured and needed."""
    assert any("check(" in cell.source for cell in tagged(notebook, "check"))


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
        nbformat.v4.new_output(
            "execute_result", {"text/plain": "0.3", "image/png": "AA==", notebooks.VIEW: {}}, execution_count=7
        )
    ]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "results").mkdir()
    nbformat.write(book, tmp_path / "notebooks" / "one.ipynb")
    before = (tmp_path / "notebooks" / "one.ipynb").read_bytes()
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setattr(notebooks.paths, "sources", lambda: tmp_path)
    found = recheck.check(["one"])
    assert [row[:2] for row in found] == [("one", "2"), ("one", "4")]
    assert "0.30000000000000004" in found[0][2]
    assert "image/png" not in found[0][2], "pictures are not compared"
    assert notebooks.VIEW not in found[0][2], "nor are views of widgets"
    assert (tmp_path / "notebooks" / "one.ipynb").read_bytes() == before
    assert list((tmp_path / "results").iterdir()) == []


def test_unknown_names_are_refused_before_anything_runs():
    """A wrong profile or notebook name is an InputError that lists what there is."""
    with pytest.raises(InputError, match="00_start_here"):
        notebooks.run("quick", ["no_such_notebook"])
    with pytest.raises(InputError, match="quick"):
        notebooks.run("huge")


def test_a_kernel_that_dies_at_its_start_is_started_anew(monkeypatch: pytest.MonkeyPatch):
    """Once, by notebooks/conftest.py: a second death is the test's."""
    kernel = pytest.importorskip("nbval.kernel")
    monkeypatch.setenv("BROWSER_PATH", "")  # restored after the file is run, which sets it
    conftest = runpy.run_path(str(FOLDER / "conftest.py"))
    for deaths in (0, 1, 2):
        outcomes = iter([RuntimeError("Kernel died before replying to kernel_info")] * deaths + ["kernel"])

        def begin(outcomes: Iterator[Any] = outcomes, **options: Any) -> Any:
            outcome = next(outcomes)
            if isinstance(outcome, RuntimeError):
                raise outcome
            return outcome, options

        monkeypatch.setattr(kernel, "start_new_kernel", begin)
        conftest["pytest_collection_finish"]()
        if deaths < 2:
            assert kernel.start_new_kernel(cwd="here") == ("kernel", {"cwd": "here"})
        else:
            with pytest.raises(RuntimeError, match="Kernel died"):
                kernel.start_new_kernel(cwd="here")
