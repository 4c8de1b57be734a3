"""A committed notebook that was run, and came out the same, is saved as it was: an extension of Jupyter's server.

Saving writes what belongs to a machine, not to a lesson: the kernel's name and version, pictures as this browser drew
them, numbers of widgets, 7 for 7.0, what is unfolded. Other notebooks, and what came out otherwise, are left alone.
"""

from __future__ import annotations

import copy
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMED_BY_KERNEL = ("kernelspec", "language_info")
VIEW = "application/vnd.jupyter.widget-view+json"
"""What a widget shows where its kernel runs; the file keeps its text alone."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.contents_manager.register_pre_save_hook(keep_committed)


def keep_committed(*, model: dict[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """Put into ``model``, before it is saved to ``path``, what was committed and a run has not changed.

    Parameters
    ----------
    model
        Jupyter's contents model; its ``content`` is changed in place.
    path
        Below ``contents_manager.root_dir``.

    Notes
    -----
    The file itself is not what to compare with where there is git: it is saved in the middle of a run, too.
    """
    file = Path(contents_manager.root_dir, path.strip("/"))
    ours = file.parent.name == "notebooks" and (file.parents[1] / "claims.toml").exists()
    if model.get("type") != "notebook" or not model.get("content") or not ours or not file.exists():
        return
    import nbformat as untyped

    nbformat: Any = untyped
    stored, now = nbformat.reads(_committed(file), as_version=4), model["content"]
    if now["metadata"].get("kernelspec", {}).get("name") == stored.metadata.kernelspec.name:
        now["metadata"] |= {name: stored.metadata[name] for name in NAMED_BY_KERNEL}
    before = {cell.get("id"): cell for cell in stored.cells if cell.cell_type == "code"}
    for cell in now["cells"]:
        if (old := before.get(cell.get("id"))) and _same(old, nbformat.from_dict(cell)):
            cell |= {"outputs": old.outputs, "execution_count": old.execution_count}
            if "jupyter" in old.metadata:  # running a cell unfolds what it printed
                cell["metadata"]["jupyter"] = old.metadata["jupyter"]


def _committed(file: Path) -> str:
    """What git has of a file, or else the file."""
    with suppress(OSError):
        command = ["git", "-C", str(file.parent), "show", f"HEAD:./{file.name}"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            return done.stdout.decode("utf-8")
    return file.read_text(encoding="utf-8")


def _same(old: Any, cell: Any) -> bool:
    """Whether two code cells have the same source and came out the same, as the comparison of notebooks sees it."""
    same = cell.cell_type == "code" and cell.source == old.source
    return same and bare(copy.deepcopy(old.outputs)) == bare(copy.deepcopy(cell.outputs))


def bare(outputs: list[Any]) -> tuple[str, list[dict[str, Any]]]:
    """What is compared of outputs: their text, whether written at once or in pieces, and the rest without its counts.

    Pictures are taken out: they stand beside the data of their figure, and only where there is a browser. So are views
    of widgets: their numbers are drawn by lot.
    """
    for one in outputs:
        for kind in ("image/png", VIEW):
            one.get("data", {}).pop(kind, None)
    text = "".join(one["text"] for one in outputs if one["output_type"] == "stream")
    return text, [dict(one, execution_count=0) for one in outputs if "text" not in one]
