"""External files, their checksums and download, parsers, positions, topologies, traces."""

import functools
import hashlib
import http.server
import os
import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.data import fetch, registry, sites, topologies, traces
from mecpfm.data.columns import Column, read_table
from mecpfm.errors import InputError

real_files = pytest.mark.skipif("MECPFM_DATA_DIR" not in os.environ, reason="MECPFM_DATA_DIR is not set")

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
def empty(monkeypatch, tmp_path):
    """No data anywhere, and a cache folder of its own."""
    monkeypatch.delenv("MECPFM_DATA_DIR", raising=False)
    monkeypatch.setenv("MECPFM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "mecpfm" / "data"


@pytest.fixture
def one_file(monkeypatch):
    """A registry of one small file, and its content."""
    content = b"a,b\n1,2\n" * 4000
    file = registry.DataFile(
        name="one.csv",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        repository="owner/repository",
        commit="0" * 40,
        path="folder/one.csv",
        content="two columns",
        licence="MIT",
        citation="none",
        redistribution="allowed",
    )
    monkeypatch.setattr(registry, "FILES", (file,))
    return file, content


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer with the server's (status, body, bytes promised), and remember the path asked for."""

    def do_GET(self):
        status, body, promised = self.server.answer
        self.server.asked.append(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A web server on the loopback interface."""
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def address(server):
    return f"http://127.0.0.1:{server.server_port}/"


def test_urls_are_pinned():
    """Every address holds the repository, a full commit and the path, and names are unique."""
    for file in registry.FILES:
        assert file.url() == f"https://raw.githubusercontent.com/{file.repository}/{file.commit}/{file.path}"
        assert len(file.commit) == 40 and len(file.sha256) == 64 and file.path.endswith(file.name)
    assert len(set(registry.names())) == len(registry.FILES) == 5


def test_unknown_name_lists_known_ones():
    """A name outside the registry is refused and the known ones are listed."""
    with pytest.raises(InputError, match=r"nothing\.csv is not a known data file.*lora_request_trace"):
        fetch.locate("nothing.csv")


def test_absent_file_says_how_to_get_it(empty):
    """Without any file, locate gives None and require names the command and the variable."""
    name = registry.names()[0]
    assert fetch.locate(name) is None
    with pytest.raises(InputError, match=f"{name} is missing: run `mecpfm data fetch {name}`.*MECPFM_DATA_DIR"):
        fetch.require(name)
    assert {row.status for row in fetch.verify()} == {"absent"}


def test_fetched_file_is_kept_and_found(empty, one_file, server, capfd):
    """A good answer lands in the cache, is found afterwards, and is not asked for again; nothing is printed."""
    file, content = one_file
    server.answer = (200, content, len(content))
    (path,) = fetch.fetch(["one.csv"], base_url=address(server))
    assert path == empty / "one.csv" and path.read_bytes() == content
    assert fetch.fetch(base_url=address(server)) == [path] == [fetch.require("one.csv")]
    assert server.asked == [f"/{file.repository}/{file.commit}/{file.path}"]
    assert fetch.verify() == [("one.csv", "present", len(content), "MIT", path)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda body: (200, body[:-9], len(body)), "IncompleteRead"),
        (lambda body: (200, body[:-9], len(body) - 9), "SHA256 hash"),
        (lambda body: (200, body.replace(b"2", b"3", 1), len(body)), "SHA256 hash"),
        (lambda body: (404, b"", 0), "404"),
    ],
    ids=["truncated", "short", "corrupted", "not-found"],
)
def test_bad_answers_leave_nothing_behind(empty, one_file, server, answer, reason):
    """A truncated, altered or missing file is one InputError line, and the cache folder stays empty."""
    server.answer = answer(one_file[1])
    with pytest.raises(InputError, match=reason) as caught:
        fetch.fetch(["one.csv"], base_url=address(server))
    assert "\n" not in str(caught.value) and "one.csv: cannot be fetched" in str(caught.value)
    assert list(empty.iterdir()) == [] and fetch.locate("one.csv") is None


def test_refused_connection_is_one_line(empty, one_file):
    """A server that does not answer gives one InputError line."""
    with socket.socket() as held:  # bound but not listening: connections are refused
        held.bind(("127.0.0.1", 0))
        with pytest.raises(InputError, match="refused") as caught:
            fetch.fetch(["one.csv"], base_url=f"http://127.0.0.1:{held.getsockname()[1]}")
    assert "\n" not in str(caught.value)


def test_corrupted_cache_is_refused_then_repaired(empty, one_file, server):
    """A corrupted cached file is never read, and fetching replaces it."""
    file, content = one_file
    empty.mkdir(parents=True)
    (empty / "one.csv").write_bytes(content[:-1])
    with pytest.raises(InputError, match=rf"one\.csv: is corrupted .*expected SHA-256 {file.sha256}, found [0-9a-f]"):
        fetch.require("one.csv")
    assert fetch.verify()[0].status == "corrupt"
    server.answer = (200, content, len(content))
    fetch.fetch(["one.csv"], base_url=address(server))
    assert fetch.require("one.csv").read_bytes() == content


def test_given_folder_comes_first_and_is_never_written(empty, one_file, monkeypatch, tmp_path):
    """MECPFM_DATA_DIR wins over the cache, and fetch refuses a corrupted file there instead of replacing it."""
    _, content = one_file
    monkeypatch.setenv("MECPFM_DATA_DIR", str(tmp_path))
    (tmp_path / "one.csv").write_bytes(content)
    assert fetch.fetch(["one.csv"]) == [tmp_path / "one.csv"]
    (tmp_path / "one.csv").write_bytes(b"other")
    with pytest.raises(InputError, match="corrupted"):
        fetch.fetch(["one.csv"])
    assert (tmp_path / "one.csv").read_bytes() == b"other"


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
    table = traces.summarise("tiny", traces.read_azure(path)).set_index("quantity")
    assert table["count"].to_dict() == {"gap_s": 2, "context_tokens": 3, "generated_tokens": 3}
    assert table.loc["gap_s", "mean"] == pytest.approx((51 - 46.68059) / 2)
    assert table.loc["context_tokens", ["min", "q50", "max"]].tolist() == [1, 374, 396]


@given(cloudlets=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_positions_use_the_same_draws_with_and_without_files(cloudlets, seed, tmp_path_factory):
    """Files change positions only: the generator's next number is the same, and unknown sites stay where they were."""
    folder = tmp_path_factory.mktemp("sites")
    (folder / "sites.csv").write_text(SITES)
    (folder / "users.csv").write_text("Latitude,Longitude\n-37.8,144.95\n")
    files = {sites.SITES: folder / "sites.csv", sites.USERS: folder / "users.csv"}
    results = []
    for known in ({}, files):
        random = np.random.default_rng(seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sites, "locate", known.get)
            results.append((*sites.positions(cloudlets, random), random.random()))
    (free, user, after), (given_sites, given_user, given_after) = results
    assert after == given_after and np.array_equal(free[2:], given_sites[2:])
    assert (free >= sites.BOX[0]).all() and (free <= sites.BOX[1]).all() and (user >= sites.BOX[0]).all()
    assert given_sites[:2].tolist() == [[144.96, -37.81], [144.97, -37.82]][:cloudlets]
    assert given_user.tolist() == [144.95, -37.8]


def test_all_topologies_are_connected_and_on_the_globe():
    """All 315 networks load with consecutive node numbers, geographic positions and finite distances."""
    assert len(topologies.names()) == 315 and not topologies.PLANE & set(topologies.names())
    for topology in map(topologies.load, topologies.names()):
        count = len(topology.nodes)
        assert topology.coordinates.shape == (count, 2) and topology.length_km.shape == (len(topology.edges),)
        assert (np.abs(topology.coordinates) <= [180, 90]).all() and (topology.length_km >= 0).all()
        assert sorted(np.unique(topology.edges)) == list(range(count))
        if count <= 60:
            assert np.isfinite(topologies.distance_s_per_gb(topology)).all()


def test_link_lengths_are_great_circles():
    """Stated lengths agree with the haversine formula on the stated positions, to the Earth's flattening."""
    topology = topologies.load("topozoo/Abilene")
    one, other = np.deg2rad(topology.coordinates[topology.edges]).transpose(1, 0, 2)
    half = np.sin((other - one) / 2) ** 2
    angle = 2 * np.arcsin(np.sqrt(half[:, 1] + np.cos(one[:, 1]) * np.cos(other[:, 1]) * half[:, 0]))
    assert topology.length_km == pytest.approx(6371 * angle, rel=5e-3)


def test_distance_by_hand():
    """On a path of two links the time per GB is two hops plus the propagation of both, whichever way."""
    topology = topologies.Topology(
        "path", ("a", "b", "c"), np.zeros((3, 2)), np.array([[1, 0], [1, 2]]), np.array([100.0, 0.0])
    )
    found = topologies.distance_s_per_gb(topology, link_gb_per_s=0.5, s_per_km=1e-2)
    assert found == pytest.approx(np.array([[0, 3, 5], [3, 0, 2], [5, 2, 0]], dtype=float))
    with pytest.raises(InputError, match="link_gb_per_s is 0"):
        topologies.distance_s_per_gb(topology, link_gb_per_s=0)


@pytest.mark.parametrize("name", ["sndlib/france", "topozoo/Nowhere", "../../data/topozoo/Abilene"])
def test_unusable_topologies_are_refused(name):
    """A network placed on a drawing and a name that does not exist are InputErrors."""
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        topologies.load(name)


@real_files
def test_real_files_are_the_registered_ones():
    """Every real file has the registered size and checksum, and the row counts its description states."""
    assert {row.status for row in fetch.verify()} == {"present"}
    assert [fetch.require(file.name).stat().st_size for file in registry.FILES] == [f.bytes for f in registry.FILES]
    assert [len(traces.azure("conv")), len(traces.azure("code")), len(traces.gentd26())] == [19366, 8819, 26392]


@real_files
def test_real_sites_lie_in_the_box():
    """The 125 sites and the first user lie in the box; the 126th site is drawn."""
    found, user = sites.positions(126, np.random.default_rng(0))
    places, rounding = np.vstack([found, user]), 1e-4  # the box states its corners to four digits
    assert (places >= sites.BOX[0] - rounding).all() and (places <= sites.BOX[1] + rounding).all()
    drawn = np.random.default_rng(0).uniform(sites.BOX[0], sites.BOX[1], (126, 2))
    assert (found != drawn).any(axis=1).tolist() == [True] * 125 + [False]
