"""The command line keeps its contract: exit codes, one line of error, JSON and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import mecpfm

from mecpfm.cli.output import table

FIELDS = (
    "setting method seed status feasible violations objective bound gap total_delay_s average_cost average_accuracy "
    "runtime_s solver instance_sha256 decisions"
).split()

OWN = str(Path(__file__).parent / "cases" / "t_ok.csv")
TRACE_FIELDS = (
    "setting source scenario policy seed requests loss_s delay_s delay_p95_s accuracy regret_s edge_share pulled_gb "
    "demand_r2 ledger layout dropped load assumed changed"
).split()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "instance.json"
    sizes = ("--cloudlets", 8, "--requests", 5, "--models", 4, "--families", 2, "--seed", 3)
    done = mecpfm("generate", "published", *sizes, "-o", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path


def test_every_method_prints_one_json_object(instance: Path):
    """solve --json holds exactly the contract's fields; certified methods agree on the optimum."""
    optimum = {}
    for method in "lp ilp exact appro nbs nbs-released nonshare sc greedy".split():
        done = mecpfm("solve", instance, "--method", method, "--json")
        assert (done.returncode, done.stderr) == (0, ""), method
        content = json.loads(done.stdout)
        assert list(content) == FIELDS, method
        optimum[method] = content["objective"]
    assert optimum["exact"] == pytest.approx(optimum["ilp"], rel=1e-6)
    assert optimum["lp"] <= optimum["ilp"] * (1 + 1e-9)


def test_simulate_prints_one_json_object(instance: Path):
    """simulate --json gives an object; the same seed gives the same decisions, and the pull rule can be set."""
    words = (
        "simulate",
        instance,
        "--policy",
        "ol",
        "--no-share",
        "--source",
        "cloud",
        "--rounds",
        7,
        "--seed",
        1,
        "--json",
    )
    first, second = (json.loads(mecpfm(*words).stdout) for _ in range(2))
    assert first["decisions"] == second["decisions"]
    assert (first["share"], first["source"], first["rounds"]) == (False, "cloud", 7)


def test_simulate_trace_prints_one_json_object(tmp_path: Path):
    """simulate-trace --json gives the contract's fields; what does not exist is null; too long a window is refused."""
    path = tmp_path / "own.csv"
    rows = (f"{2.0 * i},{3 + i % 5},g{i % 3},m{i % 2},{i % 4}" for i in range(90))
    path.write_text("\n".join(["time_s,work_s,group,model,tokens", *rows]) + "\n")
    for policy, options in (("ucb1", ()), ("priced-tsrc", ("--observed", 2, "--probes", 1, "--requests", 50))):
        done = mecpfm("simulate-trace", path, "--policy", policy, *options, "--json")
        assert (done.returncode, done.stderr) == (0, ""), policy
        content = json.loads(done.stdout)
        assert list(content) == TRACE_FIELDS
        assert (content["source"], content["requests"]) == ("own.csv", 50 if options else 60)
        assert (content["demand_r2"] is None) == (content["ledger"] is None) == (policy == "ucb1")
    assert content["ledger"]["best_of"] == "linear rule in hindsight on what was shown"
    assert content["ledger"]["forecast_s2"] <= content["ledger"]["bound_s2"]
    done = mecpfm("simulate-trace", path, "--policy", "follow-probe")
    assert done.stdout.splitlines()[-1].startswith("forecast ")
    done = mecpfm("simulate-trace", path, "--policy", "ucb1", "--requests", 61)
    assert done.returncode == 2 and done.stderr == "mecpfm: error: --requests is 61; own.csv has room for 60\n"


def test_service_times_that_cannot_be_explained_have_no_r2(tmp_path: Path):
    """Where all of the window's service times are capped alike there is no variance to explain: null, no warning."""
    path = tmp_path / "growing.csv"
    rows = (f"{2.0 * i},{5 + i},g{i % 3},m0,{i % 4}" for i in range(60))
    path.write_text("\n".join(["time_s,work_s,group,model,tokens", *rows]) + "\n")
    done = mecpfm("simulate-trace", path, "--policy", "priced-full", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["demand_r2"] is None


def test_simulate_trace_says_that_requests_are_drawn(tmp_path: Path):
    """Without the real trace one line of stderr says so and how to get it; --list shows the names."""
    nowhere = {"MECPFM_DATA_DIR": str(tmp_path)}
    done = mecpfm("simulate-trace", "--policy", "remote", "--requests", 100, "--json", **nowhere)
    assert done.returncode == 0 and json.loads(done.stdout)["source"] == "drawn from the summary of GenTD26"
    assert done.stderr.count("\n") == 1 and "mecpfm data fetch lora_request_trace.csv" in done.stderr
    listed = mecpfm("simulate-trace", "--list").stdout
    assert all(name in listed for name in ("priced-tsrc", "disjoint-lints", "load 1.1", "variants"))


def test_tables_for_people(instance: Path):
    """Without --json a short table is printed."""
    done = mecpfm("solve", instance, "--method", "greedy")
    assert done.returncode == 0
    assert "total_delay_s" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("solve", "missing.json", "--method", "lp"), "missing.json"),
        (("solve", "{instance}", "--method", "magic"), "magic"),
        (("solve", "{instance}", "--method", "ilp", "--solver", "cplex"), "cplex"),
        (("simulate", "{instance}", "--policy", "magic"), "magic"),
        (("simulate", "{instance}", "--policy", "ol", "--source", "moon"), "moon"),
        (("generate", "published", "--models", "0", "-o", "{instance}.x"), "models"),
        (("experiment", "magic"), "magic"),
        (("experiment", "cloudlets", "--profile", "huge"), "huge"),
        (("claims", "--profile", "huge"), "huge"),
        (("reproduce", "--profile", "huge"), "huge"),
        (("notebooks", "no_such"), "no_such"),
        (("notebooks", "--profile", "huge"), "huge"),
        (("data", "fetch", "nothing.csv"), "nothing.csv"),
        (("simulate-trace",), "--policy is missing"),
        (("simulate-trace", "--policy", "magic"), "policy is 'magic'; must be one of remote"),
        (("simulate-trace", "--policy", "ucb1", "--scenario", "magic"), "scenario is 'magic'; must be one of base"),
        (("simulate-trace", "--policy", "ucb1", "--feature-cost", "-1"), "feature_cost_s is -1"),
        (("simulate-trace", "--policy", "ucb1", "--feature-cost", "nan"), "feature_cost_s is nan"),
        (("simulate-trace", "--policy", "ucb1", "--probe-cost", "inf"), "probe_cost_s is inf"),
        (("simulate-trace", OWN, "--policy", "ucb1", "--requests", f"{10**12}"), "--requests is 1000000000000"),
        (("simulate-trace", "--policy", "ucb1", "--requests", "-1"), "--requests is -1; must be >= 2"),
        (("simulate-trace", "--policy", "structured-tsrc", "--observed", "-1"), "observed is -1"),
        (("simulate-trace", "--policy", "ucb1", "--probes", "0"), "probes is 0"),
        (("simulate-trace", OWN, "--policy", "ucb1", "--load", "nan"), "load is nan"),
        (("simulate-trace", OWN, "--policy", "ucb1", "--load", "-1"), "load is -1"),
        (("simulate-trace", OWN, "--policy", "ucb1", "--load", "1e-300"), "lasts"),
        (
            ("simulate-trace", OWN, "--policy", "structured-tsrc", "--observed", f"{10**12}"),
            "observed is 1000000000000",
        ),
        (("simulate-trace", OWN, "--policy", "ucb1", "--probes", f"{10**12}"), "probes is 1000000000000"),
        (("simulate-trace", "/dev/zero", "--policy", "ucb1"), "/dev/zero: cannot be read (is not a regular file)"),
        (("simulate-trace", "missing.csv", "--policy", "ucb1"), "missing.csv: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_code_2(words: tuple[str, ...], says: str, instance: Path):
    """Whatever is wrong is named on one line of stderr; nothing is printed on stdout."""
    done = mecpfm(*(word.format(instance=instance) for word in words))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_usage_errors_have_code_2():
    """Unknown options and commands show usage."""
    for words in (["--bogus"], ["nothing"], ["solve"]):
        assert mecpfm(*words).returncode == 2


def test_broken_file_names_file_field_and_reason(instance: Path, tmp_path: Path):
    """A negative capacity is reported with file, field, index and rule."""
    content = json.loads(instance.read_text())
    content["cloudlets"]["capacity_gb"][2] = -1
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(content))
    done = mecpfm("solve", broken, "--method", "exact")
    assert done.returncode == 2
    assert done.stderr == f"mecpfm: error: {broken}: cloudlets.capacity_gb[2] is -1; must be >= 0\n"


def test_infeasible_instance_names_the_request_and_has_code_3(instance: Path, tmp_path: Path):
    """An accuracy nobody reaches is infeasible; the line names the request."""
    content = json.loads(instance.read_text())
    content["requests"]["accuracy_requirement"][1] = 2.0
    path = tmp_path / "infeasible.json"
    path.write_text(json.dumps(content))
    for method in ("exact", "ilp", "lp", "appro", "greedy"):
        done = mecpfm("solve", path, "--method", method)
        assert done.returncode == 3, method
        assert "request 1" in done.stderr, method


def test_a_size_limit_without_fallback_has_code_4(tmp_path: Path):
    """The NLIP of a middle-sized instance exceeds Gurobi's restricted licence and nothing else can take it."""
    from mecpfm.solvers import gurobi

    if gurobi.licence() == "full":
        pytest.skip("a full licence has no limit")
    path = tmp_path / "large.json"
    assert mecpfm("generate", "published", "-o", path).returncode == 0
    assert mecpfm("solve", path, "--method", "nlip").returncode == 4
    done = mecpfm("solve", path, "--method", "ilp", "--solver", "gurobi")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1


def test_doctor_and_data_list_run_without_a_home(tmp_path: Path):
    """Diagnosis works on a machine with nothing: no home, no data, no browser."""
    for words in (("doctor",), ("data", "list"), ("data", "verify")):
        done = mecpfm(*words, HOME="", MECPFM_CACHE_DIR="", NUMBA_CACHE_DIR="", MECPFM_DATA_DIR=str(tmp_path))
        assert done.returncode == 0, done.stderr


def test_importing_the_package_is_light():
    """Numba, Gurobi, HiGHS, plotly, pandas and pydantic load when they are needed, not before."""
    code = (
        "import sys, mecpfm.cli; heavy = 'numba gurobipy highspy plotly pandas pydantic scipy papermill'.split(); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_name_drives_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Escape characters and directions are written out, brackets are no markup: in errors and in tables."""
    path = tmp_path / "[red]\x1b[31m\u202e.json"
    path.write_text('{"schema": "\\u001b]0;x"}')
    done = mecpfm("solve", path)
    assert done.returncode == 2
    assert r"[red]\x1b[31m\u202e.json: schema is '\x1b]0;x'" in done.stderr
    assert done.stderr.removesuffix("\n").isprintable()
    table(("file", "state"), [("[red]\x1b[31m\udcff", "[bold]here[/bold]")])
    shown = capsys.readouterr().out
    assert r"[red]\x1b[31m\udcff" in shown
    assert "[bold]here[/bold]" in shown
