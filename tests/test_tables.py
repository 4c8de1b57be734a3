"""Parsers of tables and traces; the committed tables: valid, described, honest about their sources."""

import functools
import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
import trace_structure
import trace_summary
from hypothesis import given
from hypothesis import strategies as st

from mecpfm import paths
from mecpfm.data import registry, sites, tables, traces
from mecpfm.data.columns import Column, read_table
from mecpfm.errors import InputError

FOLDER = paths.tables()
TABLES = {
    "model_zoo.csv": tables.model_zoo,
    "gpus.csv": tables.gpus,
    "trace_summary.csv": tables.trace_summary,
    "trace_structure.csv": tables.trace_structure,
    "recorded_curves.csv": tables.recorded_curves,
}


GENTD26 = (
    ",".join(traces.GENTD26)
    + "\n2024-11-15 16:57:50,TXT_2_IMG,SUCCEED,32.0,G0000,63.0,26.0,1.0,30.0,M0000,0"
    + "\n2024-11-15 16:58:00,TXT_2_IMG,SUCCEED,43.0,G0001,93.0,,1.0,40.0,M0001,2"
    + "\n2024-11-15 16:58:00,TXT_2_IMG,FAILED,0.0,G0001,93.0,,1.0,40.0,M0001,0"
    + "\n2024-11-15 16:59:00,IMG_2_IMG,SUCCEED,9.0,G0001,,,,,,0\n"
)
AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n2023-11-16 18:15:51,1,2\n"
)
SITES = "SITE_ID,LATITUDE,LONGITUDE,NAME\n1,-37.81,144.96,a\n2,-37.82,144.97,b\n"
PARSERS = {
    "gentd26": (GENTD26, traces.read_gentd26),
    "azure": (AZURE, traces.read_azure),
    "sites": (SITES, functools.partial(sites.read_positions.__wrapped__, longitude="LONGITUDE", latitude="LATITUDE")),
}


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


def test_recorded_curves_are_those_of_two_runs(copy):
    """Three learners, two curves, two runs; OL's penalty is 30 and 25 % below MAB's; a wrong digit is found."""
    frame = tables.recorded_curves()
    assert len(frame) == 12 and not frame.duplicated(["curve", "learner", "run"]).any()
    total = frame[frame["curve"] == "penalty"].pivot(index="run", columns="learner", values="total")
    assert (1 - total["ol"] / total["mab"]).round(2).tolist() == [0.30, 0.25]
    path = copy / "recorded_curves.csv"
    path.write_text(path.read_text().replace("penalty,ol,1,2.30", "penalty,ol,1,2.40"))
    with pytest.raises(InputError, match=r"recorded_curves\.csv: row 7: total is not the sum of its blocks"):
        tables.recorded_curves()


def test_backbone_size_is_one_per_family():
    """Added parts aside, all members of a family state the same backbone size."""
    zoo = tables.model_zoo()
    whole = zoo["method"].isin(["full", "vision-tower", "zero-shot", "bitfit"])
    backbone = zoo["total_params_m"] - zoo["private_params_m"].where(~whole, 0)
    assert (backbone.groupby(zoo["backbone"]).agg(lambda sizes: sizes.max() - sizes.min()) < 1e-3).all()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_its_caller_s_own(name):
    """It is parsed once, and who changes it changes nobody else's."""
    frame, stated = TABLES[name](), TABLES[name]()
    frame.iloc[:, 0] = frame.iloc[::-1, 0].to_numpy()
    assert not frame.equals(stated)
    assert TABLES[name]().equals(stated)


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


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_corrupted_rows_are_named_or_harmless(name, data, tmp_path_factory):
    """Any change of a few bytes gives a frame of finite numbers or an InputError that names the file."""
    text, parse = PARSERS[name]
    raw = text.encode()
    start = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 40))
    new = data.draw(
        st.binary(max_size=8) | st.sampled_from([b'"', b",", b"\n", b"-", b"nan", b"inf", b"1e999", b"9" * 30])
    )
    path = tmp_path_factory.mktemp("corrupted") / "changed.csv"
    path.write_bytes(raw[:start] + new + raw[start + length :])
    try:
        frame = parse(path)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        numbers = frame if isinstance(frame, np.ndarray) else frame.select_dtypes("number")
        assert np.isfinite(numbers).all(axis=None)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("x", "column ContextTokens, row 2: 'x' must be a whole number >= 0"),
        ("-1", "column ContextTokens, row 2: '-1' must be"),
        ("1.5", "column ContextTokens, row 2: '1.5' must be"),
        ("", "column ContextTokens, row 2: '' must be"),
        ("1,2", "row 2 has 4 cells; the header has 3"),
    ],
)
def test_broken_cells_are_placed(tmp_path, cell, reason):
    """A broken cell is reported with file, column and row, whatever breaks it."""
    path = tmp_path / "trace.csv"
    path.write_text(AZURE.replace("396", cell))
    with pytest.raises(InputError) as caught:
        traces.read_azure(path)
    assert f"{path}: {reason}" in str(caught.value)


def test_broken_files_are_named(tmp_path):
    """A missing, empty or binary file, a missing or doubled column and a step back in time are all named."""
    path = tmp_path / "trace.csv"
    with pytest.raises(InputError, match="cannot be read"):
        traces.read_azure(path)
    disordered = AZURE.replace("18:15:51", "18:15:47")
    for content, reason in [
        (b"", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (AZURE.replace("ContextTokens", "Other").encode(), "column ContextTokens is missing"),
        (AZURE.replace("GeneratedTokens", "ContextTokens").encode(), "column ContextTokens stands twice"),
        (AZURE[:40].encode(), "holds no requests"),
        (disordered.encode(), "column TIMESTAMP, row 3: earlier than the row before"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=reason):
            traces.read_azure(path)


def test_extra_columns_are_ignored(tmp_path):
    """Columns nobody asked for may hold anything, and the order of columns does not matter."""
    path = tmp_path / "wide.csv"
    path.write_text("z,b,a\n?,2,1.5\n!,4,-3\n", encoding="utf-8")
    frame = read_table(path, {"a": Column(), "b": Column("whole number")})
    assert frame.to_dict("list") == {"a": [1.5, -3.0], "b": [2, 4]}


def test_traces_keep_served_and_complete_requests(tmp_path):
    """GenTD26 drops failed and incomplete requests, counts time from the first row and reads no text as 0 words."""
    path = tmp_path / "trace.csv"
    path.write_text(GENTD26)
    frame = traces.read_gentd26(path)
    assert frame["time_s"].tolist() == [0.0, 10.0] and frame["exec_s"].tolist() == [32.0, 43.0]
    assert frame["negative_prompt_length"].tolist() == [26, 0] and frame["model"].tolist() == ["M0000", "M0001"]


def test_summary_by_hand(tmp_path):
    """Counts, means and extremes of a tiny trace equal those computed by hand."""
    path = tmp_path / "trace.csv"
    path.write_text(AZURE)
    table = trace_summary.summarise("tiny", traces.read_azure(path)).set_index("quantity")
    assert table["count"].to_dict() == {"gap_s": 2, "context_tokens": 3, "generated_tokens": 3}
    assert table.loc["gap_s", "mean"] == pytest.approx((51 - 46.68059) / 2)
    assert table.loc["context_tokens", ["min", "q50", "max"]].tolist() == [1, 374, 396]


@pytest.mark.real_data
def test_trace_summary_comes_from_the_traces():
    """The committed summary equals the one computed from the real traces, to the six digits it holds."""
    pd.testing.assert_frame_equal(tables.trace_summary(), trace_summary.summary(), rtol=1e-5)


@pytest.mark.real_data
def test_trace_structure_comes_from_the_traces():
    """The committed structure equals the one computed from the real traces, to the six digits it holds."""
    pd.testing.assert_frame_equal(tables.trace_structure(), trace_structure.summary(), rtol=1e-5)


def test_trace_structure_holds_figures_and_no_names():
    """Aggregates only: no group, model or time of the real trace stands in the table; shares lie in [0, 1]."""
    table = tables.trace_structure()
    assert not table["item"].str.contains(r"[GM]\d{4}|:").any() and set(table["trace"]) <= {
        "gentd26",
        "azure-conv",
        "azure-code",
    }
    assert table.loc[table["unit"] == "share", "value"].between(0, 1).all()
    known = table.set_index(["quantity", "item"])["value"]
    for name in ("model_share", "class_share"):
        assert known[name].sum() == pytest.approx(1, abs=1e-4)
