"""What Jupyter's server writes of a committed notebook that was run: nothing, where it came out the same."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mecpfm.experiments import notebooks, saving

pytest.importorskip("jupyter_server")

ROOT = Path(__file__).parents[1]
VIEW = notebooks.VIEW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with one notebook: text in pieces, a figure with its picture, a widget."""
    book = nbformat.v4.new_notebook()
    book.metadata = {"kernelspec": {"name": "python3", "display_name": "P"}, "language_info": {"name": "python"}}
    book.cells = [nbformat.v4.new_code_cell(source, execution_count=i + 1) for i, source in enumerate(("a", "b", "c"))]
    book.cells[0].metadata = {"tags": ["solution"], "jupyter": {"source_hidden": True, "outputs_hidden": True}}
    book.cells[0].outputs = [nbformat.v4.new_output("stream", text="one\ntwo\n")]
    book.cells[1].outputs = [nbformat.v4.new_output("display_data", {"text/plain": "figure", "image/png": "AAAA"})]
    book.cells[2].outputs = [nbformat.v4.new_output("display_data", {"text/plain": "HBox", "application/json": [7.0]})]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "claims.toml").touch()
    (tmp_path / "notebooks" / "one.ipynb").write_text(nbformat.writes(book) + "\n")
    return tmp_path


def run(folder: Path) -> dict[str, Any]:
    """As JupyterLab has it after the cells have run: all that belongs to the machine differs."""
    content: dict[str, Any] = nbformat.read(folder / "notebooks" / "one.ipynb", as_version=4)
    content["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    content["metadata"]["language_info"] |= {"version": "3.12.9", "pygments_lexer": "ipython3"}
    content["cells"][0]["outputs"] = [nbformat.v4.new_output("stream", text=one) for one in ("one\n", "two\n")]
    content["cells"][0]["metadata"]["jupyter"] = {"source_hidden": True}
    content["cells"][1]["outputs"][0]["data"]["image/png"] = "BBBB"
    content["cells"][2]["outputs"][0]["data"]["application/json"] = [7]  # JavaScript has one kind of numbers
    content["cells"][2]["outputs"][0]["data"][VIEW] = {"model_id": "drawn by lot"}
    for i, cell in enumerate(content["cells"]):
        cell["execution_count"] = 7 + i
    return content


def saved(folder: Path, content: dict[str, Any], name: str = "notebooks/one.ipynb") -> Any:
    """What the server's own manager writes with the extension loaded as it loads it."""
    from jupyter_server.extension.manager import ExtensionPoint
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from nbformat.sign import MemorySignatureStore, NotebookNotary

    class Server:
        contents_manager = LargeFileManager(root_dir=str(folder))

    # Its own store is a database in the user's home folder, which nobody closes.
    Server.contents_manager.notary = NotebookNotary(store_factory=MemorySignatureStore, secret=b"test")

    (wanted,) = json.loads((ROOT / "jupyter.json").read_text())["ServerApp"]["jpserver_extensions"]
    assert wanted == saving.__name__
    point = ExtensionPoint(metadata=saving._jupyter_server_extension_points()[0])
    assert point.validate()
    point.module._load_jupyter_server_extension(Server)
    Server.contents_manager.save({"type": "notebook", "format": "json", "content": content}, name)
    return nbformat.read(folder / name, as_version=4)


def test_what_came_out_the_same_is_saved_as_it_was(folder: Path):
    """Byte for byte."""
    file = folder / "notebooks" / "one.ipynb"
    before = file.read_bytes()
    saved(folder, run(folder))
    assert file.read_bytes() == before


def test_a_save_in_the_middle_of_a_run_does_no_harm(folder: Path):
    """What is kept is what git has, not what the last save wrote."""
    commit = ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "one"]
    for words in (["init", "-q"], ["add", "."], commit):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    file = folder / "notebooks" / "one.ipynb"
    before, content = file.read_bytes(), run(folder)
    early = copy.deepcopy(content)
    for cell in early["cells"][1:]:
        cell |= {"outputs": [], "execution_count": None}
    saved(folder, early)
    assert file.read_bytes() != before
    saved(folder, content)
    assert file.read_bytes() == before


def test_what_came_out_otherwise_is_saved(folder: Path):
    """A changed output, source or kernel, an added cell; their neighbours stay as they were."""
    content = run(folder)
    content["cells"][0]["outputs"][0]["text"] = "three\n"
    content["cells"][1]["source"] = "b2"
    content["cells"].append(nbformat.v4.new_code_cell("d"))
    content["metadata"]["kernelspec"]["name"] = "other"
    book = saved(folder, content)
    assert book.cells[0].outputs[0]["text"].startswith("three")
    assert book.cells[1].outputs[0]["data"]["image/png"] == "BBBB"
    assert VIEW not in book.cells[2].outputs[0]["data"]
    assert [cell.execution_count for cell in book.cells] == [7, 8, 3, None]
    assert book.metadata.language_info.version == "3.12.9"


@pytest.mark.parametrize("place", ["notebooks", "elsewhere"])
def test_other_notebooks_are_left_alone(folder: Path, place: str):
    """Of another folder, and of a folder of that name outside a checkout."""
    (folder / "elsewhere").mkdir(exist_ok=True)
    (folder / "elsewhere" / "one.ipynb").write_bytes((folder / "notebooks" / "one.ipynb").read_bytes())
    (folder / "claims.toml").unlink()
    book = saved(folder, run(folder), f"{place}/one.ipynb")
    assert [cell.execution_count for cell in book.cells] == [7, 8, 9]


def test_a_new_notebook_of_a_checkout_is_saved(folder: Path):
    """There is no file yet to compare with."""
    book = saved(folder, run(folder), "notebooks/two.ipynb")
    assert book.cells[1].outputs[0]["data"]["image/png"] == "BBBB"


def test_the_first_save_waits_for_no_import():
    """Jupyter's server does nothing else while it saves, and a second save then finds the file changed."""
    code = "import sys, mecpfm.experiments.saving; print({'pandas', 'papermill', 'numba'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "set()"
