"""What every command keeps to: version, completion, standard input, shares, silence, JSON errors, bars."""

import io
import json
import sys
import time
from pathlib import Path

import pytest
from command import mecpfm

import mecpfm as package
from mecpfm.cli import output
from mecpfm.cli.instances import share
from mecpfm.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network and its plan, an instance of the published problem and its answer."""
    where = tmp_path_factory.mktemp("conventions")
    for words in (
        ("new", where / "net", "--users", 12),
        ("solve", where / "net", "-o", where / "plan.json", "--iterations", 20, "--certificate", where / "proof.json"),
        ("generate", "published", "--cloudlets", 8, "--requests", 5, "--models", 4, "-o", where / "paper.json"),
        ("generate", "coupled", "--cloudlets", 4, "--requests", 10, "--models", 6, "-o", where / "coupled.json"),
    ):
        done = mecpfm(*words, "--quiet")
        assert (done.returncode, done.stderr) == (0, ""), words
    (where / "answer.json").write_text(mecpfm("solve", where / "paper.json", "--json").stdout)
    return where


def test_version():
    """One line, also with another option behind it."""
    done = mecpfm("--version", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mecpfm {package.__version__}\n", "")


def test_completion_writes_nothing_unless_asked(tmp_path: Path):
    """A shell is given the names that begin so, and the script to install, while the home folder stays empty."""
    asked = {"_MECPFM_COMPLETE": "complete_bash", "COMP_WORDS": "mecpfm solve --method po", "COMP_CWORD": "3"}
    done = mecpfm(HOME=str(tmp_path), **asked)
    assert done.stdout.split() == ["polish", "popularity"]
    # Which shell it is, is looked up among the parents: here it is said.
    said = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = mecpfm("--show-completion", "bash", HOME=str(tmp_path), **said)
    assert "_MECPFM_COMPLETE" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("paper.json", ("solve", "-", "--method", "greedy", "--json")),
        ("coupled.json", ("solve", "-", "--method", "remote", "--json")),
        ("paper.json", ("verify", "-", "--plan", "answer.json", "--json")),
        ("answer.json", ("verify", "paper.json", "--plan", "-", "--json")),
        ("paper.json", ("simulate", "-", "--policy", "ucb1", "--json")),
        ("plan.json", ("show", "-")),
        ("plan.json", ("what-if", "-", "--every", "site", "memory_gb=+8")),
    ],
)
def test_standard_input_stands_for_a_file(file: str, words: tuple[str, ...], folder: Path):
    """``-`` and the file's name give the same."""
    paths = [folder / word if word.endswith(".json") else word for word in words]
    piped = mecpfm(*paths, given=(folder / file).read_text())
    named = mecpfm(*(folder / file if word == "-" else word for word in paths))
    assert piped.returncode == named.returncode == 0, piped.stderr
    if "--json" in words:
        first, second = (json.loads(done.stdout) for done in (piped, named))
        for content in (first, second):
            content.pop("runtime_s", None)
        assert first == second
    else:
        assert piped.stdout == named.stdout


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.01", 0.01), (" 2.5 % ", 0.025), ("0", 0.0)])
def test_shares_as_people_write_them(text: str, value: float):
    """With a per cent sign or as a number."""
    assert share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "%", "one", "1%%", "-1%", "100%", "1", "nan", "1% 2"])
def test_other_shares_are_refused(text: str):
    """One line that names the option."""
    with pytest.raises(InputError, match=r"^--gap is .*; must be a share"):
        share(text)


def test_gap_is_kept(folder: Path):
    """A plan within the gap is enough; the published problem has no such option."""
    done = mecpfm("solve", folder / "net", "--gap", "5%", "--iterations", 5, "--json")
    assert json.loads(done.stdout)["gap"] <= 0.05
    done = mecpfm("solve", folder / "paper.json", "--gap", "5%")
    assert done.returncode == 2
    assert "--gap" in done.stderr


def test_quiet_leaves_only_errors(tmp_path: Path):
    """What is assumed goes to stderr, with --quiet nothing does, before the command or after it; errors still do."""
    words = ("simulate-trace", Path(__file__).parent / "cases" / "t_ok.csv", "--policy", "remote")
    assert "assumed" in mecpfm(*words).stderr
    assert mecpfm("--quiet", *words).stderr == mecpfm(*words, "--quiet").stderr == ""
    done = mecpfm("solve", tmp_path / "absent.json", "--quiet")
    assert done.stderr.startswith("mecpfm: error: ")


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("solve", "absent.json"), 2, "input"),
        (("solve", "absent.json", "--bogus"), 2, "input"),
        (("verify", "paper.json", "--plan", "wrong.json"), 1, "failed"),
    ],
)
def test_errors_are_json_where_results_are(words: tuple[str, ...], code: int, kind: str, folder: Path):
    """One object on the last line of stderr; stdout holds one object, or nothing."""
    answer = json.loads((folder / "answer.json").read_text())
    (folder / "wrong.json").write_text(json.dumps(answer | {"objective": 0.0}))
    done = mecpfm(*(folder / word if word.endswith(".json") else word for word in words), "--json")
    assert done.returncode == code
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert (error["exit_code"], error["kind"]) == (code, kind)
    assert error["message"]
    assert done.stdout == "" or json.loads(done.stdout)["complaints"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shows(stream: io.StringIO, text: str) -> None:
    """Wait until a text is on the screen; the bar is drawn by a thread of its own."""
    for _ in range(6000):
        if text in stream.getvalue():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} is not in {stream.getvalue()!r}")


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal as stderr, on which bars show at once; no fixture, as pytest sets stderr again before the test."""
    stream = Terminal()
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(output, "PATIENCE_S", 0.0)
    return stream


def test_a_bar_stands_while_a_bound_is_computed(monkeypatch: pytest.MonkeyPatch):
    """Before the search says anything the bar is there; then it tells cost, bound and gap; markup of names is text."""
    screen = terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    with output.searching() as progress:
        shows(screen, "proving a bound")
        progress(7, 2.0, 1.0)
        shows(screen, "7 iterations: cost 2 s, bound 1 s, gap 50.00 %")
    with output.working("[red]name") as tell:
        shows(screen, "[red]name")
        assert tell is not None


@pytest.mark.parametrize("why", ["quiet", "no terminal"])
def test_no_bar_where_nobody_looks(why: str, monkeypatch: pytest.MonkeyPatch):
    """With --quiet, or into a file, nothing is drawn."""
    stream: io.StringIO = terminal(monkeypatch)
    if why == "quiet":
        monkeypatch.setattr(output, "quiet", True)
    else:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
    with output.working("solving") as tell:
        assert tell is None
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("solve", "paper.json", "-o", "./paper.json"), "reads it, or writes it twice"),
        (("solve", "coupled.json", "--certificate", "coupled.json"), "reads it, or writes it twice"),
        (("solve", "net", "-o", "net/sites.csv"), "reads it, or writes it twice"),
        (("solve", "net", "-o", "new.json", "--html", "new.json"), "reads it, or writes it twice"),
        (("show", "plan.json", "--html", "plan.json"), "reads it, or writes it twice"),
        (("compare", "plan.json", "plan.json", "--csv", "plan.json"), "reads it, or writes it twice"),
        (("show", "plan.json", "--csv", "net"), "net: holds a network, whose tables would be replaced"),
        (("generate", "coupled", "-o", "-"), "stands for standard input"),
    ],
)
def test_no_command_replaces_what_it_reads(folder: Path, words: tuple[str, ...], says: str):
    """One line, exit code 2, and every file is as it was."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = mecpfm(*words, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_byte_order_mark_changes_nothing(folder: Path, tmp_path: Path):
    """What editors of Windows put before a text: JSON with it is read like tables with it."""
    marked = tmp_path / "paper.json"
    marked.write_bytes(b"\xef\xbb\xbf" + (folder / "paper.json").read_bytes())
    words = ("verify", marked, "--plan", folder / "answer.json", "--json")
    assert json.loads(mecpfm(*words).stdout)["complaints"] == []
