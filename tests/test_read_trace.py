"""Traces of one's own: what is right is read, what is wrong is one line with file, column, row and reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.data import traces
from mecpfm.errors import InputError
from mecpfm.online import world
from mecpfm.online.policy import named
from mecpfm.online.read import LEAST, read
from mecpfm.online.setting import Setting
from mecpfm.online.simulate import simulate

ROWS = 60


def text(rows: int = ROWS, **changes: object) -> str:
    """A well-formed trace; ``changes`` maps a column to a value of row 3 (counted from 1)."""
    lines = ["time_s,work_s,group,model,payload_mb,tokens"]
    for i in range(rows):
        cells = {"time_s": 3.0 * i, "work_s": 5 + i % 7, "group": f"g{i % 4}", "model": f"m{i % 3}"}
        cells |= {"payload_mb": 2.5, "tokens": i % 5}
        lines.append(",".join(str(cell) for cell in (cells | (changes if i == 2 else {})).values()))
    return "\n".join(lines) + "\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trace.csv"


def test_own_trace_is_read(path):
    """Known columns get their meaning, others become features, payload is optional."""
    path.write_text(text())
    trace = read(path).trace
    assert trace.source == "trace.csv" and trace.static_names == ("tokens",) and trace.static.shape == (ROWS, 1)
    assert trace.time_s[:3].tolist() == [0, 3, 6] and trace.work_s[:2].tolist() == [5, 6]
    assert trace.group[:5].tolist() == [0, 1, 2, 3, 0] and trace.model[:4].tolist() == [0, 1, 2, 0]
    assert trace.payload_gb.tolist() == [0.0025] * ROWS
    kernels_see = (trace.group, trace.model, trace.payload_gb, trace.static)
    assert all(part.flags.writeable and part.flags.c_contiguous for part in kernels_see)  # else they compile anew
    path.write_text("\n".join(line.rsplit(",", 2)[0] for line in text().splitlines()))
    trace = read(path).trace
    assert trace.static_names == () and trace.payload_gb.tolist() == [0.001] * ROWS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (
            text().replace("work_s", "work", 1),
            "column work_s is missing (is it 'work'?); found 'time_s', 'work', 'group'",
        ),
        (text().replace("tokens", "group", 1), "column group stands twice"),
        (text().replace("tokens", "", 1), "column 6 has no name"),
        (text(time_s=1.0), "column time_s, row 3: 1.0 is earlier than the row before; sort the file by it"),
        (text(time_s="nan"), "column time_s, row 3: 'nan' must be a number"),
        (text(work_s=-2), "column work_s, row 3: -2 must be > 0"),
        (text(tokens="many"), "column tokens, row 3: 'many' must be a number"),
        (text(tokens="nan"), "column tokens, row 3: 'nan' must be a number"),
        (text(group=""), "column group, row 3: '' must be a text"),
        (text(payload_mb=-1), "column payload_mb, row 3: '-1' must be a number from 0 to 1e+12"),
        (text(tokens="1,2"), "row 3 has 7 cells; the header has 6"),
        (text(rows=0), f"holds 0 usable requests; at least {LEAST}"),
        (text(rows=LEAST - 1), f"holds {LEAST - 1} usable requests; at least {LEAST}"),
    ],
)
def test_what_is_wrong_is_named(path, content, reason):
    """One line names file, column, row and reason."""
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value) and reason in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_and_no_text(path):
    """A missing file and one that is not text are named as well."""
    with pytest.raises(InputError, match="cannot be read"):
        read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8"):
        read(path)


@given(data=st.data())
def test_any_change_gives_a_trace_or_one_line(data, tmp_path_factory):
    """A few bytes changed anywhere: finite numbers in order, or an InputError with the file's name."""
    raw = text(40).encode()
    start, length = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 30))
    new = data.draw(
        st.binary(max_size=8) | st.sampled_from([b'"', b",", b"\n", b"-", b"nan", b"inf", b"1e999", b"9" * 40])
    )
    path = tmp_path_factory.mktemp("changed") / "trace.csv"
    path.write_bytes(raw[:start] + new + raw[start + length :])
    try:
        trace = read(path).trace
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        for part in (trace.time_s, trace.work_s, trace.payload_gb, trace.static):
            assert np.isfinite(part).all() and len(part) == len(trace.time_s) >= LEAST
        assert (np.diff(trace.time_s) >= 0).all() and (trace.work_s > 0).all()


def test_published_files_are_recognised(path):
    """Files of GenTD26 and Azure are known by their header; GenTD26 keeps the file's order inside a second."""
    line = "2024-11-15 16:58:{:02d},TXT_2_IMG,SUCCEED,{}.0,G{},63.0,26.0,1.0,30.0,M1,0\n"
    path.write_text(",".join(traces.GENTD26) + "\n" + "".join(line.format(i // 2, 5 + i, i % 3) for i in range(40)))
    trace = read(path).trace
    assert len(trace.static_names) == 10 and trace.time_s[:4].tolist() == [0, 0, 1, 1]
    assert trace.work_s[:4].tolist() == [5, 6, 7, 8]
    times = pd.Timestamp("2023-11-16") + pd.to_timedelta(np.arange(40), unit="s")
    rows = "".join(f"{time},{10 + i},{20 + i}\n" for i, time in enumerate(times))
    path.write_text(",".join(traces.AZURE) + "\n" + rows)
    trace = read(path).trace
    assert trace.work_s[0] == pytest.approx(20 * 14 / 300) and trace.static_names == ("service", "context")
    path.write_text((",".join(traces.AZURE) + "\n" + rows).replace(",20\n", ",0\n"))
    reading = read(path)
    assert (reading.dropped, len(reading.trace.time_s), reading.trace.work_s[0]) == (
        1,
        39,
        pytest.approx(21 * 14 / 300),
    )


@pytest.mark.parametrize(("rows", "requests"), [(LEAST, 20), (ROWS, 40), (ROWS, 2)])
def test_short_traces_are_served(path, rows, requests):
    """A short trace gives its first third to the scales and serves what is left; more is refused in one line."""
    path.write_text(text(rows))
    trace = read(path).trace
    assert world.longest(rows) == rows - rows // 3
    scene = world.build(Setting(requests=requests), trace, 0, real_sites=False)
    assert scene.first >= rows // 3
    metrics = simulate(scene, named("priced-full")).metrics()
    assert metrics["delay_s"] > 0 and np.isfinite(scene.scale).all()
    with pytest.raises(InputError, match=rf"trace\.csv: has {rows} requests"):
        world.build(Setting(requests=rows), trace, 0)
