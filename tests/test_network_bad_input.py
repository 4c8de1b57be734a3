"""What is wrong with a folder of tables ends as one line and exit code 2, and nothing is written."""

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecpfm import cli
from mecpfm.errors import InputError
from mecpfm.network.build import build
from mecpfm.network.example import write
from mecpfm.network.folder import read

USERS = "user,site,task,tokens_in,tokens_out"
SITES = "site,latitude_deg,longitude_deg,gpu"
MODELS = "model,task,accuracy,parameters_b,own_gb"
SPEEDS = "gpu,model,prefill_tokens_s,decode_tokens_s"
BLOCKS = "model,block,size_gb"
BROKEN = [
    ("links.csv", None, "is missing"),
    ("sites.csv", f"{SITES}\n", "holds no rows"),
    ("sites.csv", "site,latitude_deg,gpu\na,1,A10\n", "column longitude_deg is missing"),
    ("sites.csv", f"{SITES}\nLyon,91,4,A10\n", "column latitude_deg, row 1: '91' must be a number"),
    ("speeds.csv", f"{SPEEDS}\nA100,llama-7b-chat,1,1\n", "column gpu, row 1: 'A100' is unknown; did you mean 'A10"),
    ("sites.csv", f"{SITES.replace(',', ';')}\nLyon;45,7;4,8;A10\n", "separates cells by ';'"),
    ("sites.csv", SITES.encode() + b"\nSaint-\xc9tienne,45,4,A10\n", "is not UTF-8 text"),
    ("sites.csv", f'{SITES}\nLyon,"45,7",4,A10\n', "row 1: '45,7' must be .*1.2 for a decimal"),
    ("sites.csv", f'{SITES}\n"Lyon,45,4,A10\n', "is not valid CSV"),
    ("users.csv", f"{USERS}\nu1,Lyn,chat,1,1\n", "column site, row 1: 'Lyn' is unknown; did you mean 'Lyon'"),
    ("users.csv", f"{USERS}\nu1,Lyon,chat,x,1\n", "column tokens_in, row 1: 'x' must be"),
    ("users.csv", f"{USERS}\nu1,Lyon,chat,nan,1\n", "column tokens_in, row 1: 'nan' must be"),
    ("users.csv", f"{USERS}\nu1,Lyon,chat,1,inf\n", "column tokens_out, row 1: 'inf' must be"),
    ("users.csv", f"{USERS}\nu,Lyon,chat,1,1\nu,Lyon,chat,1,1\n", "row 2: user 'u' stands twice"),
    ("users.csv", f"{USERS},per_hour\nu1,Lyon,chat,1,1,0\n", "column per_hour, row 1: '0' must be"),
    ("users.csv", f"{USERS},per_hour\nu1,Lyon,chat,1e9,1e9,1e9\n", r"remote_delay_s\[0\] is .*less extreme"),
    ("users.csv", f"{USERS},user\nu1,Lyon,chat,1,1,u\n", "column 'user' stands twice"),
    ("links.csv", "from,to,gbit_s\nLyon,Geneva,1\n", "no path joins site"),
    ("links.csv", "from,to,gbit_s\nLyon,Lyonn,1\n", "column to, row 1: 'Lyonn' is unknown; did you mean 'Lyon'"),
    ("links.csv", "from,to,gbit_s\nLyon,Geneva,0\n", "column gbit_s, row 1: '0' must be"),
    ("models.csv", f"{MODELS}\nm,chat,0.9,7,0\n", "row 1: the model has no size"),
    ("blocks.csv", f"{BLOCKS}\nllama-7b-chatt,x,1\n", "column model, row 1: .*did you mean 'llama-7b-chat'"),
    ("blocks.csv", f"{BLOCKS}\nllama-7b-chat,x,1\n", "row 1: .*lists the model's blocks"),
    ("holds.csv", "site,block\nLyon,lama-7b\n", "column block, row 1: 'lama-7b' is unknown; did you mean 'llama-7b'"),
    ("routers.csv", "router\nLyon\n", "column router: 'Lyon' is a site"),
    ("network.toml", "period_s = nan\n", "period_s is nan; must be from"),
    ("network.toml", "topology = 'sndlib/nobel-germani'\n", "stands beside topology"),
    ("users.csv", "", "is empty"),
    ("users.csv", "user,site\nu1\n", "row 1 has 1 cells; the header has 2"),
    ("users.csv", f"{USERS}\nu1,Lyon,chatt,1,1\n", "column task, row 1: 'chatt' is unknown; did you mean 'chat'"),
    ("users.csv", f"{USERS.replace('site', 'sitee')}\nu1,Lyon,chat,1,1\n", "'sitee' is unknown; did you mean 'site'"),
    ("users.csv", "user,task,tokens_in,tokens_out\nu1,chat,1,1\n", "row 1: needs site, or latitude_deg"),
    ("holds.csv", "site\nLyon\n", "row 1: needs block or model"),
    ("network.toml", "periods_s = 3\n", "periods_s is unknown; did you mean 'period_s'"),
    ("network.toml", "period_s = \n", "is not valid TOML"),
    ("network.toml", "[remote]\nsite = 'Lyonn'\n", "remote.site is 'Lyonn'; did you mean 'Lyon'"),
    ("user.csv", "user\nu\n", "is no table of a network; did you mean 'users'"),
]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "net"
    write(folder, users=8)
    return folder


def solve(monkeypatch, capsys, folder: Path, output: Path) -> str:
    """Error lines of the command, which ends with code 2."""
    monkeypatch.setattr(sys, "argv", ["mecpfm", "solve", str(folder), "--output", str(output)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert not output.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(("name", "content", "reason"), BROKEN)
def test_the_command_says_it_in_one_line(example, tmp_path, monkeypatch, capsys, name, content, reason):
    """File, column, row and reason, with the nearest known name; no plan is written."""
    folder = Path(shutil.copytree(example, tmp_path / "net"))
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = solve(monkeypatch, capsys, folder, tmp_path / "plan.json")
    assert said.count("\n") == 1
    assert said.startswith("mecpfm: error: ")
    with pytest.raises(InputError, match=reason) as caught:
        build(read(folder))
    assert str(caught.value) in said


def test_a_list_in_a_cell_of_a_frame_is_one_line(example):
    """What a DataFrame may hold and a CSV file cannot."""
    net = read(example)
    sites = net.sites.astype(object)
    sites.at[1, "memory_gb"] = [24.0]
    with pytest.raises(InputError, match=r"^sites: column memory_gb, row 2: must hold one value a cell$"):
        net.change(sites=sites)


def test_what_is_no_table(example, tmp_path, monkeypatch):
    """A folder in a table's place, a table in a folder's, and a file above the limit."""
    folder = Path(shutil.copytree(example, tmp_path / "net"))
    with pytest.raises(InputError, match="is no folder"):
        read(folder / "sites.csv")
    (folder / "gpus.csv").mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        read(folder)
    (folder / "gpus.csv").rmdir()
    monkeypatch.setenv("MECPFM_MAX_GB", "1e-7")
    with pytest.raises(InputError, match=r"sites.csv: takes|network.toml: takes"):
        read(folder)


def test_what_other_programs_write_is_read(example, tmp_path):
    """A byte order mark, CRLF, quotes and blank lines change nothing."""
    folder = Path(shutil.copytree(example, tmp_path / "net"))
    lines = (folder / "sites.csv").read_text().splitlines()
    quoted = "\r\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in [*lines, ""]) + "\r\n\r\n"
    (folder / "sites.csv").write_bytes(b"\xef\xbb\xbf" + quoted.encode())
    assert build(read(folder)).instance.to_object() == build(read(example)).instance.to_object()


CELLS = st.sampled_from(
    ["", " ", "0", "-1", "1e300", "1e9", "1e-9", "nan", "inf", "1,5", "Lyon", "chat", "é", '"', "1\n2", ";", "\0"]
)
EDIT = st.tuples(st.sampled_from(["sites", "links", "models", "users", "holds"]), st.integers(0, 99), st.integers(0, 9))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(EDIT, st.one_of(CELLS, st.sampled_from(["drop", "double"]))), min_size=1, max_size=3))
def test_every_change_of_cells_is_built_or_refused(example, tmp_path_factory, edits):
    """Cells, rows and headers, changed, dropped or doubled: a valid build or one InputError line, nothing else."""
    folder = Path(shutil.copytree(example, tmp_path_factory.mktemp("mutant") / "net"))
    for (table, row, column), cell in edits:
        path = folder / f"{table}.csv"
        lines = path.read_bytes().decode().split("\n")
        i = row % len(lines)
        if cell in ("drop", "double"):
            lines[i : i + 1] = [lines[i]] * (2 * (cell == "double"))
        else:
            cells = lines[i].split(",")
            cells[column % len(cells)] = cell
            lines[i] = ",".join(cells)
        path.write_bytes("\n".join(lines).encode())
    try:
        built = build(read(folder))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert built.instance.sizes[3] >= 1
