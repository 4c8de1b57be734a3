"""Kernels are typed, their records are described, and an edit of one file recompiles only what uses it."""

import ast
import errno
import gc
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mypy import api
from numba.core.runtime import _nrt_python as runtime
from numba.core.runtime import rtsys

from mecpfm.coupled import baselines, dual, local_search
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.pins import Keep, pin
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.structure import build
from mecpfm.kernels import _cache, ordering

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mecpfm"
FILES = sorted((PACKAGE / "kernels").glob("*.py"))
DECORATORS = "kernel", "borrowing", "inlined"
ARRAYS = r"Floats|Ints|Bools|NDArray"


def kernels(path: Path, decorators: tuple[str, ...] = DECORATORS) -> list[ast.FunctionDef]:
    """Functions of a file that are compiled."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return [node for node in found if any(getattr(one, "id", "") in decorators for one in node.decorator_list)]


def records(path: Path) -> list[ast.ClassDef]:
    """Named tuples of a file."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    return [node for node in found if any(getattr(base, "id", "") == "NamedTuple" for base in node.bases)]


def imported(path: Path) -> set[str]:
    """Kernel files that a kernel file imports, by its syntax."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports by full names alone are seen by the cache's key"
            if node.module == "mecpfm.kernels":
                names |= {item.name for item in node.names}
            elif node.module and node.module.startswith("mecpfm.kernels."):
                names.add(node.module.split(".")[2])
        elif isinstance(node, ast.Import):
            assert not any(item.name.startswith("mecpfm.kernels") for item in node.names), path.name
    return {f"{name}.py" for name in names}


def users(name: str) -> set[str]:
    """The file and all that import it, directly or not."""
    edges = {path.name: imported(path) for path in FILES}
    reached = {name}
    while more := {user for user, used in edges.items() if used & reached} - reached:
        reached |= more
    return reached


def keys(folder: Path) -> dict[str, str]:
    """Cache key of every file."""
    _cache.key.cache_clear()
    _cache._siblings.cache_clear()
    return {path.name: _cache.key(path) for path in sorted(folder.glob("*.py"))}


@pytest.mark.parametrize("name", ["elementary.py", "coupled_sets.py", "rounding.py", "online_run.py", "_jit.py"])
def test_an_edit_changes_the_keys_of_the_files_that_import_it(tmp_path: Path, name: str) -> None:
    """And of no other one, so that nothing else is compiled again."""
    folder = shutil.copytree(PACKAGE / "kernels", tmp_path / "kernels")
    before = keys(folder)
    with (folder / name).open("a") as file:
        file.write("\n# edited\n")
    after = keys(folder)
    assert {file for file in before if before[file] != after[file]} == users(name)
    assert keys(PACKAGE / "kernels") == before


def test_equal_kernels_are_compiled_once_for_all_checkouts() -> None:
    """Compiled code lies where the content of its file says, whatever folder the package is in."""
    source = PACKAGE / "kernels" / "ordering.py"
    for name in ("ascending", "largest"):
        folder = Path(getattr(ordering, name)._cache.cache_path)
        assert folder == _cache.BASE / _cache.key(source)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_kernels_import_nothing_that_their_keys_miss(path: Path) -> None:
    """Values from elsewhere in the package would be compiled in, and their edits not noticed."""
    assert {path.name, *imported(path)} <= {file.name for file in _cache._closure(path)}
    if kernels(path):
        others = set(re.findall(r"^(?:from|import) (mecpfm[\w.]*)", path.read_text(), flags=re.M))
        assert all(name.startswith("mecpfm.kernels") for name in others - {"mecpfm.typing"})


def test_mypy_sees_a_wrong_argument_to_a_kernel(tmp_path: Path) -> None:
    """And a wrong use of what it returns; the right call passes."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "import numpy as np\n"
        "from mecpfm.kernels import minmax\n"
        "table = np.ones((2, 2))\n"
        "value: float = minmax.balance(table, table, table, 1.0)[1]\n"
        "minmax.balance(table, table, None, 1.0)\n"
        "minmax.balance(table, table)\n"
        "text: str = minmax.balance(table, table, table, 1.0)\n"
    )
    # The options of the style check, so that what that has stored of the package holds here, and the other way round.
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    said, errors, _ = api.run([*options, str(snippet)])
    assert not errors
    codes = re.findall(r"snippet\.py:(\d+): error: .*\[([\w-]+)\]", said)
    assert codes == [("5", "arg-type"), ("6", "call-arg"), ("7", "assignment")], said


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_parameters_of_kernels_have_types(path: Path) -> None:
    """None is ``Any``, neither is a field of a record."""
    for function in kernels(path):
        for argument in function.args.args:
            assert argument.annotation is not None
            assert "Any" not in ast.unparse(argument.annotation), f"{path.name}: {function.name}({argument.arg})"
    for record in records(path):
        for field in record.body:
            if isinstance(field, ast.AnnAssign):
                assert "Any" not in ast.unparse(field.annotation), f"{path.name}: {record.name}"


def test_borrowing_kernels_call_no_kernel_that_makes_an_array() -> None:
    """Nobody would ever free it, since they count no references; what makes one itself, Numba refuses to compile."""
    makers = {one.name for path in FILES for one in kernels(path) if re.search(ARRAYS, ast.unparse(one.returns))}
    assert {"ascending", "place", "takers"} <= makers
    for path in FILES:
        for one in kernels(path, ("borrowing",)):
            called = {call.func.id for call in ast.walk(one) if isinstance(call, ast.Call) and hasattr(call.func, "id")}
            assert not called & makers, f"{path.name}: {one.name}"


def test_a_search_frees_every_array_that_it_makes() -> None:
    """By Numba's own count of what it allocated and freed."""
    view = build(generate(Recipe(requests=40, cloudlets=4, models=6, families=2), 0))
    found = dual.solve(view, iterations=20)
    local_search.improve(view, found, iterations=2)  # compiled or loaded
    gc.collect()
    runtime.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        local_search.improve(view, found, iterations=2)
        after = rtsys.get_allocation_stats()
    finally:
        runtime.memsys_disable_stats()
    assert after.alloc - before.alloc == after.free - before.free > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_field_of_a_record_is_described(path: Path) -> None:
    """A line follows each field: what it means, its shape, its unit."""
    for record in records(path):
        for field, following in zip(record.body, [*record.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                described = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                assert described, f"{path.name}: {record.name}.{ast.unparse(field.target)}"


def test_array_types_stand_in_one_place() -> None:
    """No file but mecpfm/typing.py gives an array type a name."""
    for path in PACKAGE.rglob("*.py"):
        if path != PACKAGE / "typing.py":
            found = re.findall(r"^(\w+)(?:: TypeAlias)? = (?:np\.ndarray|NDArray|npt\.)", path.read_text(), flags=re.M)
            assert not found, f"{path}: {found}"
            assert not re.search(r"^Array = Any\b", path.read_text(), flags=re.M), path


def test_instances_share_compiled_kernels(tmp_path: Path) -> None:
    """Made, read, presolved, unshared, pinned or changed: kernels see the same types, so none is compiled anew."""
    instance = generate(Recipe(requests=12, cloudlets=3, models=6, families=2), 0)
    instance.write(tmp_path / "instance.npz")
    larger = instance.cloudlets.model_copy(update={"memory_gb": 2 * instance.cloudlets.memory_gb})
    same = [
        Instance.read(tmp_path / "instance.npz"),
        presolve(instance).instance,
        baselines.unshared(instance),
        pin(instance, Keep.nothing(instance)).instance,
        instance.model_copy(update={"cloudlets": larger}),
    ]
    for one in same:
        assert numba.typeof(build(one).cells) == numba.typeof(build(instance).cells)
        for record in (one.models.blocks, one.cloudlets.cached):
            assert not record.indptr.flags.writeable and not record.indices.flags.writeable
    cells = build(instance).cells  # and so are those of the others, which are of its types
    assert not any(array.flags.writeable for array in (cells.capacity_s, cells.memory_gb, cells.remote_s))


@pytest.mark.kernels
@given(
    st.lists(st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 2.0, 3.0, np.inf]) | st.floats(allow_nan=False), max_size=90)
)
def test_places_and_orders_are_numpy_s(numbers: list[float]) -> None:
    """Stable order, and the first of the largest."""
    values = np.array(numbers, dtype=np.float64)
    assert ordering.ascending(values).tolist() == np.argsort(values, kind="stable").tolist()
    if numbers:
        assert ordering.largest(values) == np.argmax(values)
        assert ordering.least(values) == values.min()
    assert ordering.places(values).tolist() == np.flatnonzero(values).tolist()
    assert ordering.places(values > 0).tolist() == np.flatnonzero(values > 0).tolist()


PARTS = """
import sys
from mecpfm.kernels._jit import kernel


@kernel
def inverse(x):
    if x == 0:
        raise ValueError("no inverse of", x)
    return 1.0 / x


@kernel
def total(x):
    return inverse(x) + inverse(2 * x)


@kernel
def difference(x):
    return inverse(x) - inverse(2 * x)


@kernel
def each(x):
    yield inverse(x)


assert list(each(2.0)) == [0.5]
for called, value in ((total, 0.75), (difference, 0.25)):
    assert called(2.0) == value
    try:
        called(0.0)
    except ValueError as error:
        print(*error.args, end="; ")
assert not inverse.overloads, "compiled for Python, which never called it"
assert inverse(4.0) == 0.25 and len(inverse.part.overloads) == 1
for used in (inverse.part, total, difference, inverse, each):
    print(sum(used.stats.cache_hits.values()), end=" ")
"""


@pytest.mark.parametrize("writable", [True, False])
def test_a_kernel_that_kernels_call_is_a_part_of_them(tmp_path: Path, writable: bool) -> None:
    """What it raises arrives, and so it does where caller, part or both were loaded; Python may call it as well.

    A generator that calls one is loaded, too. Where the cache cannot be written Numba keeps code beside the script.
    """
    script = tmp_path / "parts.py"
    script.write_text(PARTS)
    cache = tmp_path / "cache"
    if not writable:
        cache.touch()

    def run() -> str:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "NUMBA_DISABLE_JIT": "0"}
        done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    said = "no inverse of 0.0; " * 2
    assert run() == said + "0 0 0 0 0 "
    for kept in tmp_path.rglob("parts.total-*"):
        kept.unlink()
    assert run() == said + "1 0 1 1 1 "


def test_a_full_disk_costs_only_the_cache(tmp_path: Path, monkeypatch, capsys) -> None:
    """Code that cannot be kept serves the process that compiled it; one line for a folder says so."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_cache.CheckedFile, "_save_data", full)
    file = _cache.CheckedFile(str(tmp_path), "kernel", "stamp")
    file.save(("first",), b"")
    file.save(("second",), b"")
    assert capsys.readouterr().err == (
        f"mecpfm: {tmp_path}: cannot be written (No space left on device); kernels are compiled again in the next run\n"
    )
    assert file.load(("first",)) is None
