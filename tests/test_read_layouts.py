"""Traces from elsewhere: what has one meaning is read, the rest is one line with the remedy."""

import gzip
import io
import os
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mecpfm.data import rows
from mecpfm.errors import InputError
from mecpfm.online import statement, world
from mecpfm.online.policy import named
from mecpfm.online.read import LEAST, Reading, read
from mecpfm.online.setting import AS_GIVEN, scenario
from mecpfm.online.simulate import simulate

CASES = Path(__file__).parent / "cases"
SAME = (
    "t_ok.csv.gz t_iso.csv t_epoch_ms.csv t_case_header.csv t_space_header.csv t_semicolon_decimal_comma.csv t_tab.csv \
t_blank_last.csv t_trailing_comma.csv".split()
)


def loss(reading: Reading, **changes: object) -> float:
    """Mean loss of a policy on the window that the command would serve."""
    setting = replace(scenario(reading.scenario), **changes, requests=world.longest(len(reading.trace.time_s)))
    scene = world.build(setting, reading.trace, 0, real_sites=False)
    return simulate(scene, named("structured-mean")).metrics()["loss_s"]


@pytest.mark.parametrize("name", SAME)
def test_dialects_of_one_trace_are_one_trace(name):
    """Packed, with other stamps, separators, encodings, capitals and blanks: the same numbers."""
    trace, plain = read(CASES / name).trace, read(CASES / "t_ok.csv").trace
    for one, other in zip(trace[:7], plain[:7], strict=True):
        assert np.array_equal(one, other)


def test_utf_16_with_its_mark_is_read(tmp_path):
    """As spreadsheets save it."""
    path = tmp_path / "t_utf16.csv"
    path.write_text((CASES / "t_ok.csv").read_text(), encoding="utf-16")
    assert np.array_equal(read(path).trace.time_s, read(CASES / "t_ok.csv").trace.time_s)


@pytest.mark.parametrize(
    ("name", "layout", "served", "dropped"),
    [
        ("az_epoch.csv", "Azure LLM", 60, 0),
        ("burst_native.csv", "BurstGPT", 56, 4),
        ("moon_native.jsonl", "Mooncake", 60, 0),
        ("t_zero_work.csv", "own", 59, 1),
    ],
)
def test_layouts_are_recognised(name, layout, served, dropped):
    """By their header, and what is left out is counted."""
    reading = read(CASES / name)
    assert (reading.layout, len(reading.trace.time_s), reading.dropped) == (layout, served, dropped)
    assert reading.scenario == ("as given" if layout == "own" else "LLM")
    assert (np.diff(reading.trace.time_s) >= 0).all() and reading.trace.time_s[0] in (0, 5)
    if layout != "own":
        assert any("tokens" in words for words in reading.assumed)


def test_requests_of_one_second_keep_their_order():
    """BurstGPT's stamps are whole seconds: models alternate as in the file, not one model after the other."""
    trace = read(CASES / "burst_native.csv").trace
    assert (np.diff(trace.time_s) == 0).any()
    lines = [line.split(",") for line in (CASES / "burst_native.csv").read_text().splitlines()[1:]]
    served = [line for line in lines if line[3] != "0"]
    assert np.allclose(trace.static[:, 1], np.log1p([float(line[2]) for line in served]))
    assert len(set(trace.model)) == len({line[1] for line in served})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("az_dmy.csv", "day and month may be swapped: write dates as 2024-05-31"),
        ("t_thousands.csv", "column work_s, row 1: '1,200' must be a number"),
    ],
)
def test_what_has_two_meanings_is_refused(name, says):
    """One line with what was found and the remedy."""
    with pytest.raises(InputError) as caught:
        read(CASES / name)
    assert says in str(caught.value) and "write" in str(caught.value) and "\n" not in str(caught.value)


def test_own_numbers_are_simulated():
    """Service times count in full and times are not scaled, unless a scenario is asked for, which is said."""
    long, capped = read(CASES / "t_long_work.csv"), read(CASES / "t_long_capped300.csv")
    assert loss(long) > 2 * loss(capped)
    base = {"work_s": scenario("base").work_s, "load": 0.8, "gap_s": 600.0}
    assert loss(long, **base) == loss(capped, **base)
    scene = world.build(replace(AS_GIVEN, requests=30), long.trace, 0)
    window = slice(scene.first, scene.first + 30)
    assert np.array_equal(scene.world.work, long.trace.work_s[window])
    assert np.allclose(scene.world.arrival, long.trace.time_s[window] - long.trace.time_s[scene.first], atol=1e-9)
    assert statement.changed(scene, long.trace) == ()
    study = world.build(replace(scenario("base"), requests=30), long.trace, 0)
    said = statement.changed(study, long.trace)
    assert "clipped to 1 to 300 s" in said[0] and "for a load of 0.8" in said[-1]
    assert statement.load(study) == pytest.approx(0.8)


def test_only_what_ends_is_read(tmp_path, monkeypatch):
    """Pipes, folders, and what unpacks to more than the bound are refused; standard input is read."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(InputError, match=r"cannot be read \(is not a regular file\)"):
            read(path)
    plain = (CASES / "t_ok.csv").read_bytes()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(plain)))
    assert np.array_equal(read(Path("-")).trace.work_s, read(CASES / "t_ok.csv").trace.work_s)
    monkeypatch.setattr(rows, "MOST_TEXT", 2**20)
    packed = tmp_path / "large.csv.gz"
    packed.write_bytes(gzip.compress(b"0" * 2**21))
    with pytest.raises(InputError, match="holds more than 1 MB of text; cut it"):
        read(packed)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[{"time_s": 0}]', "JSON array; write one object a line"),
        ('{"time_s": 0}\n{"time_s"', "row 2 is not valid JSON"),
        ('{"time_s": 0, "time_s": 1}', "a name stands twice"),
        ('{"time_s": 0}\n{"time": 1}', "row 2 has no 'time_s'"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ("time_s work_s group model\n0 1 a b", "found one column, 'time_s work_s group model'; separate cells by"),
        ("time_s;work_s;group;model\n0;1,200;a;b", "'1,200' may be a thousand or a decimal; write a point"),
        ("Time_s,TIME-S,work_s,group,model\n0,0,1,a,b", "column time_s stands twice"),
        (',,\n"",,', "is empty"),
        ('"time\n_s",work_s,group,model\n0,1,a,b', "column 1 has a name with control characters"),
    ],
)
def test_other_mistakes_name_the_remedy(content, says, tmp_path):
    """Each in one line."""
    path = tmp_path / "trace.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


PIECES = [piece.encode() for piece in (
    *'",;\t\n-{}[ ', "nan", "inf", "1e999", "9" * 40, "\0", "null", "1,5", "01/02/2024", "1e18", "1e300", "\ufeff", "",
)]  # fmt: skip


def mutant(raw: bytes, draw: random.Random) -> bytes:
    """A file with one or two pieces changed, cut or doubled."""
    for _ in range(draw.choice([1, 1, 2])):
        start, length = draw.randint(0, len(raw)), draw.choice([0, 1, 1, 3, 10, 60])
        piece = draw.choice([*PIECES, raw[start : start + length] * 2, draw.randbytes(draw.randint(1, 4))])
        raw = raw[:start] if draw.random() < 0.05 else raw[:start] + piece + raw[start + length :]
    return raw


def try_mutants(count: int, seed: int, folder: Path) -> dict[str, int]:
    """How many mutants of all cases gave a trace, and how many one line; anything else raises."""
    draw, tally = random.Random(seed), {"trace": 0, "one line": 0}
    originals = [path.read_bytes() for path in sorted(CASES.iterdir()) if path.is_file() and path.suffix != ".json"]
    path = folder / "mutant.csv"
    for _ in range(count):
        path.write_bytes(mutant(draw.choice(originals), draw))
        try:
            trace = read(path).trace
            world.build(replace(AS_GIVEN, requests=world.longest(len(trace.time_s))), trace, 0, real_sites=False)
        except InputError as error:
            tally["one line"] += 1
            assert str(error).startswith((str(path), path.name)) and "\n" not in str(error), error
        else:
            tally["trace"] += 1
            for part in (trace.time_s, trace.work_s, trace.payload_gb, trace.static):
                assert np.isfinite(part).all() and len(part) == len(trace.time_s) >= LEAST
            assert (np.diff(trace.time_s) >= 0).all() and (trace.work_s > 0).all()
    return tally


def test_every_mutant_is_a_trace_or_one_line(tmp_path):
    """Changed bytes anywhere in any layout."""
    assert min(try_mutants(300, 0, tmp_path).values()) > 0
