"""External files, their checksums and download; positions and topologies."""

import hashlib
import http.server
import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.data import fetch, registry, sites, topologies, traces
from mecpfm.errors import InputError

SITES = "SITE_ID,LATITUDE,LONGITUDE,NAME\n1,-37.81,144.96,a\n2,-37.82,144.97,b\n"


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
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        repository="owner/repository",
        commit="0" * 40,
        path="folder/one.csv",
        licence="MIT",
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


@pytest.mark.real_data
def test_real_files_are_the_registered_ones():
    """Every real file has the registered size and checksum, and the row counts its description states."""
    assert {row.status for row in fetch.verify()} == {"present"}
    assert [fetch.require(file.name).stat().st_size for file in registry.FILES] == [f.bytes for f in registry.FILES]
    assert [len(traces.azure("conv")), len(traces.azure("code")), len(traces.gentd26())] == [19366, 8819, 26392]


@pytest.mark.real_data
def test_real_sites_lie_in_the_box():
    """The 125 sites and the first user lie in the box; the 126th site is drawn."""
    found, user = sites.positions(126, np.random.default_rng(0))
    places, rounding = np.vstack([found, user]), 1e-4  # the box states its corners to four digits
    assert (places >= sites.BOX[0] - rounding).all() and (places <= sites.BOX[1] + rounding).all()
    drawn = np.random.default_rng(0).uniform(sites.BOX[0], sites.BOX[1], (126, 2))
    assert (found != drawn).any(axis=1).tolist() == [True] * 125 + [False]
