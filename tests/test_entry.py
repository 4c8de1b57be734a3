"""Ways in and out: regular files only, within a limit; ranges of options; what stands on the disk is whole or old."""

import errno
import io
import os
import resource
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from command import mecpfm

from mecpfm.archives import read_npz, schema_of
from mecpfm.coupled.generate import Recipe as CoupledRecipe
from mecpfm.errors import InputError
from mecpfm.files import read_json, write_atomic
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.online import simulate

SMALL = Recipe(cloudlets=4, requests=5, models=3)


def archive(path: Path, method: int, header: bytes, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        out.writestr("a.npy", header + content)
    return path


def header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    fields = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def test_only_regular_files_are_read(tmp_path: Path):
    """A pipe without a writer, an endless device and a folder are refused at once."""
    os.mkfifo(tmp_path / "pipe.json")
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    paths = [tmp_path / "pipe.json", tmp_path / "pipe.npz", tmp_path / "folder.npz", Path("/dev/zero"), tmp_path]
    for path in paths:
        for read in (schema_of, read_npz, read_json):
            with pytest.raises(InputError, match=f"{path}: cannot be read .is not a regular file"):
                read(path)


def test_sizes_are_checked_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An archive that unpacks to more than the limit, a header that lies and a method without a bound are refused."""
    honest = archive(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, header((200_000,)), bytes(1_600_000))
    assert honest.stat().st_size < 5_000
    assert read_npz(honest)["a"].size == 200_000
    monkeypatch.setenv("MECPFM_MAX_GB", "0.001")
    with pytest.raises(InputError, match=r"unpacked: takes 0.0016 GB; at most 0.001 .set MECPFM_MAX_GB"):
        read_npz(honest)
    (tmp_path / "long.json").write_text(" " * 1_000_001)
    with pytest.raises(InputError, match=r"takes 0.001 GB; at most"):
        read_json(tmp_path / "long.json")
    for count in (10**13, 3):
        liar = archive(tmp_path / "b.npz", zipfile.ZIP_DEFLATED, header((count,)), bytes(80))
        with pytest.raises(InputError, match=f"declares {8 * count} bytes and holds 80"):
            read_npz(liar)
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with pytest.raises(InputError, match="must be stored or deflated"):
            read_npz(archive(tmp_path / "c.npz", method, header((10,)), bytes(80)))
    monkeypatch.setenv("MECPFM_MAX_GB", "much")
    with pytest.raises(InputError, match="MECPFM_MAX_GB is 'much'"):
        read_npz(honest)


def test_only_regular_files_are_replaced(tmp_path: Path):
    """Pipes, devices and folders stay as they are; a link stays and leads to the new content."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be written .is not a regular file"):
            write_atomic(path, b"new")
    (tmp_path / "link").symlink_to("file")
    for content in (b"old", b"new"):
        write_atomic(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_bytes() == content
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop: cannot be written"):
        write_atomic(tmp_path / "loop", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "loop", "pipe"]


def test_content_and_name_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file is flushed before it takes the place, its folder afterwards."""
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(Path(f"/proc/self/fd/{handle}").resolve()))
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    write_atomic(tmp_path / "file", b"new")
    assert flushed[0].parent == tmp_path.resolve() and flushed[0].name != "file"
    assert flushed[1] == tmp_path.resolve()


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No space left: the error names the user's file, not the temporary one, which is gone."""
    (tmp_path / "file").write_bytes(b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        write_atomic(tmp_path / "file", b"new")
    assert error.value.filename == str(tmp_path / "file")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_file_size_limit_is_one_line(tmp_path: Path):
    """A real refusal by the system while the file is written: one line with its name, nothing left."""
    path = tmp_path / "large.json"
    done = subprocess.run(
        [sys.executable, "-m", "mecpfm", "generate", "published", "-o", path],
        capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    *kernels, said = done.stderr.splitlines()  # where the cache of kernels is new, it cannot take them either
    assert (done.returncode, said) == (2, f"mecpfm: error: {path}: File too large")
    assert all("cannot be written (File too large); kernels" in line or "compiling" in line for line in kernels)
    assert not list(tmp_path.iterdir())


def test_standard_streams(tmp_path: Path):
    """- is JSON on standard input; a closed or full standard output, or a reader that left, is no traceback."""
    path = tmp_path / "a.json"
    generate(SMALL, 1).write(path)
    command = [sys.executable, "-m", "mecpfm", "solve"]
    done = subprocess.run([*command, "-", "--method", "greedy", "--json"], input=path.read_bytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    line = shlex.join([*command, str(path), "--method", "greedy"])
    for redirect, code, says in (
        (">&-", 2, "standard output is closed\n"),
        ("2>&-", 0, ""),
        ("> /dev/full", 2, "standard output: No space left on device\n"),
        ("| true", 0, ""),
    ):
        done = subprocess.run(f"{line} {redirect}", shell=True, capture_output=True)
        text = f"mecpfm: error: {says}" if says else ""
        assert (done.returncode, done.stderr.decode()) == (code, text), redirect


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("published", "--capacity-gb", "nan"), "capacity_gb is nan; must be in [0, 1e+12]"),
        (("published", "--capacity-gb", "-1"), "capacity_gb is -1.0; must be in [0, 1e+12]"),
        (("published", "--cost-budget", "inf"), "cost_budget is inf; must be in [0, 1e+12]"),
        (("published", "--accuracy-requirement", "7"), "accuracy_requirement is 7.0; must be in [0, 1]"),
        (("published", "--requests", "1000000000000"), "requests is 1000000000000; must be a whole number in"),
        (("published", "--requests", "100000000"), "takes 20.8 GB; at most 1 (set MECPFM_MAX_GB for more)"),
        (("coupled", "--backhaul-gbit-s", "1e-320"), "must be in [1e-06, 1e+06]"),
        (("coupled", "--requests", "100000000"), "GB; at most 1 (set MECPFM_MAX_GB for more)"),
        (("coupled", "--bogus"), "No such option: --bogus"),
        (("coupled", "--seed", "-1"), "--seed"),
    ],
)
def test_options_out_of_range_are_one_line(words: tuple[str, ...], says: str, tmp_path: Path):
    """The line names the option and its range; no file and no folder is made."""
    done = mecpfm("generate", *words, "-o", tmp_path / "a.json")
    assert done.returncode == 2
    assert done.stderr.startswith("mecpfm: error: ") and says in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_folders_of_outputs_are_not_made(tmp_path: Path):
    """A folder that is absent is named, before anything is computed."""
    done = mecpfm("generate", "published", "-o", tmp_path / "no" / "a.json")
    assert (done.returncode, done.stderr) == (
        2, f"mecpfm: error: {tmp_path}/no/a.json: cannot be written (there is no folder {tmp_path}/no)\n",
    )  # fmt: skip


def test_python_callers_get_the_same_words():
    """Recipes and simulations made in Python refuse what the command line refuses."""
    with pytest.raises(InputError, match=r"capacity_gb is nan; must be in \[0, 1e\+12\]"):
        Recipe(capacity_gb=float("nan"))
    with pytest.raises(InputError, match="requests is 1000000000000"):
        CoupledRecipe(requests=10**12)
    with pytest.raises(InputError, match="rounds is 1000000000000"):
        simulate(generate(SMALL, 1), "ol", rounds=10**12)
    with pytest.raises(InputError, match="rounds: takes"):
        simulate(generate(SMALL, 1), "ol", rounds=10**8)
