"""The committed tables: valid, true to their checksums, described, and honest about their sources."""

import hashlib
import os
import shutil

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm import paths
from mecpfm.data import registry, tables, traces
from mecpfm.errors import InputError

FOLDER = paths.tables()
TABLES = {"model_zoo.csv": tables.model_zoo, "gpus.csv": tables.gpus, "trace_summary.csv": tables.trace_summary}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the tables that a test may break."""
    for name in TABLES:
        shutil.copy(FOLDER / name, tmp_path / name)
    monkeypatch.setattr(paths, "tables", lambda: tmp_path)
    return tmp_path


def test_checksums_are_true():
    """SHA256SUMS names exactly the committed CSV files, with their SHA-256."""
    stated = dict(reversed(line.split("  ")) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.csv")}
    assert stated == found and set(found) == set(TABLES)


def test_external_files_are_not_committed():
    """No fetched file lies in the folder of committed tables."""
    assert not set(registry.names()) & {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", TABLES)
def test_files_are_plain_text(name):
    """Tables are UTF-8 with Unix line ends, a final one, and no index column."""
    text = (FOLDER / name).read_bytes().decode("utf-8")
    assert text.endswith("\n") and "\r" not in text and not text.startswith((",", '""'))


def test_readme_describes_every_file_and_column():
    """The README names every table and column and, for every external file, its licence and commit."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in TABLES:
        assert f"`{name}`" in text
        assert [c for c in pd.read_csv(FOLDER / name).columns if f"`{c}`" not in text] == []
    for file in registry.FILES:
        assert all(part in text for part in (file.name, file.sha256, file.commit, file.licence))
    assert "trace-driven semi-synthetic" in text


def test_readme_resolves_every_source():
    """Every short source key of the model zoo stands in the README."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [key for key in tables.model_zoo()["source"].unique() if f"`{key}`" not in text] == []


def test_model_zoo_is_a_library_of_families():
    """There are at least 40 rows, real families share nearly all or nothing, and the shares span both ends."""
    zoo = tables.model_zoo()
    assert len(zoo) >= 40 and zoo["shared_fraction"].between(0, 1).all()
    assert (zoo.loc[zoo["method"] == "full", "shared_fraction"] == 0).all()
    assert (zoo.loc[zoo["method"] == "lora", "shared_fraction"] > 0.99).all()
    assert (zoo.loc[zoo["method"] == "zero-shot", "shared_fraction"] == 1).all()


def test_backbone_size_is_one_per_family():
    """Added parts aside, all members of a family state the same backbone size."""
    zoo = tables.model_zoo()
    whole = zoo["method"].isin(["full", "vision-tower", "zero-shot", "bitfit"])
    backbone = zoo["total_params_m"] - zoo["private_params_m"].where(~whole, 0)
    assert (backbone.groupby(zoo["backbone"]).agg(lambda sizes: sizes.max() - sizes.min()) < 1e-3).all()


def test_one_metric_a_task():
    """Values of one task are comparable: the task has a single metric."""
    assert (tables.model_zoo().groupby("task")["metric"].nunique() == 1).all()


def test_sources_are_addresses():
    """Every figure has an address, and what was only recalled says so."""
    zoo, gpus = tables.model_zoo(), tables.gpus()
    for column in (zoo["source_url"], zoo["size_source_url"], gpus["source_url"]):
        assert column.str.startswith("https://").all()
    assert gpus.set_index("gpu").loc["Jetson AGX Orin 64GB", "confidence"] == "recalled"
    assert gpus["precision"].unique().tolist() == ["FP16 tensor, dense"]


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("model_zoo.csv", "LLaMA-7B LoRA,LLaMA-7B,", "LLaMA-7B LoRA,llama 7b,", "backbone spelt in two ways"),
        ("model_zoo.csv", ",125.8,0.8,", ",125.8,125.9,", "private part above the total"),
        ("model_zoo.csv", ",125.8,0.8,", ",0,0,", "column total_params_m"),
        ("model_zoo.csv", ",read\n", ",guessed\n", "row 1: confidence must be read or recalled"),
        ("model_zoo.csv", "full,SST-2", "full,MNLI", "row 2: model and task stand twice"),
        ("gpus.csv", "\nL4,24,", "\nL4,-24,", "column memory_gb, row 4: '-24'"),
        ("gpus.csv", "gpu,", "card,", "column gpu is missing"),
    ],
)
def test_broken_tables_are_refused(copy, name, old, new, reason):
    """A contradiction in a table is an InputError that names file and row."""
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        TABLES[name]()
    assert reason in str(caught.value) and str(copy / name) in str(caught.value)


@pytest.mark.parametrize("name", TABLES)
@given(data=st.data())
def test_random_changes_are_named_or_harmless(name, data, tmp_path_factory):
    """A table with a few bytes changed is refused with its name or still obeys its rules."""
    raw = (FOLDER / name).read_bytes()[:4000].rpartition(b"\n")[0]
    start, length = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 30))
    folder = tmp_path_factory.mktemp("changed")
    (folder / name).write_bytes(raw[:start] + data.draw(st.binary(max_size=6)) + raw[start + length :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "tables", lambda: folder)
        try:
            frame = TABLES[name]()
        except InputError as error:
            assert str(folder / name) in str(error) and "\n" not in str(error)
        else:
            assert frame.select_dtypes("number").notna().all(axis=None)


@pytest.mark.skipif("MECPFM_DATA_DIR" not in os.environ, reason="MECPFM_DATA_DIR is not set")
def test_trace_summary_comes_from_the_traces():
    """The committed summary equals the one computed from the real traces, to the six digits it holds."""
    pd.testing.assert_frame_equal(tables.trace_summary(), traces.summary(), rtol=1e-5)
