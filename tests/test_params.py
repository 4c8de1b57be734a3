"""Parameters from a TOML file: they change what they say, and nothing else passes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mecpfm.errors import InputError
from mecpfm.online.policy import POLICIES
from mecpfm.online.setting import BASE
from mecpfm.params import changed, read_params
from mecpfm.published import policies
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.online import simulate

TRACE = (
    """
[policy]
scale = 1
observed = 2
sample = true
[setting]
speeds = [1, 2.0]
congestion_s = 40
""",
    {"scale": 1.0, "observed": 2, "sample": True},
    {"speeds": (1.0, 2.0), "congestion_s": 40.0},
)


def written(folder: Path, text: str) -> Path:
    path = folder / "params.toml"
    path.write_text(text)
    return path


def test_a_file_changes_what_it_names(tmp_path):
    """Lists become tuples and whole numbers floats, as the fields want: an int would compile kernels again."""
    text, policy, setting = TRACE
    given = read_params(written(tmp_path, text), ("policy", "setting"))
    chosen = POLICIES["structured-tsrc"]
    assert changed("", chosen, given["policy"]) == replace(chosen, **policy)
    assert changed("", BASE, given["setting"]) == replace(BASE, **setting)
    assert type(changed("", chosen, given["policy"]).scale) is float
    assert all(type(value) is float for value in changed("", BASE, given["setting"]).speeds)


def test_without_a_file_or_a_table_nothing_changes(tmp_path):
    """The defaults stand in the dataclasses alone."""
    assert read_params(None, ("policy",)) == {"policy": {}}
    given = read_params(written(tmp_path, "[policy]\nscale = 0.1\n"), ("policy", "setting"))
    assert changed("", BASE, given["setting"]) == BASE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[polcy]\n", r"\[polcy\] is unknown; did you mean 'policy'\?"),
        ("policy = 3\n", r"policy must be a table: \[policy\]"),
        ("[policy\n", "is not valid TOML"),
        ("[policy]\nscal = 1\n", r"policy: scal is unknown; did you mean 'scale'\?"),
        ("[policy]\nscale = '1'\n", "policy: scale is '1'; must be a valid number"),
        ("[policy]\nobserved = 2.5\n", "policy: observed is 2.5; must be a valid integer"),
        ("[policy]\npriced = 1\n", "policy: priced is 1; must be a valid boolean"),
        ("[policy]\nscale = -1\n", "policy: scale is -1.0; must be finite and >= 0"),
        ("[policy]\nscale = nan\n", "policy: scale is nan; must be finite and >= 0"),
        ("[policy]\ndispatch = 'best'\n", "policy: dispatch is 'best'; must be one of"),
    ],
)
def test_whatever_is_wrong_is_one_line(tmp_path, text, said):
    """File, table, field and reason."""
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"^{path}: {said}") as caught:
        changed(f"{path}: policy", POLICIES["priced-tsrc"], read_params(path, ("policy",))["policy"])
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    """The file is named."""
    with pytest.raises(InputError, match=r"nothing\.toml"):
        read_params(tmp_path / "nothing.toml", ("policy",))


def run(folder: Path, policy: str, text: str):
    from mecpfm.cli import app

    generate(Recipe(cloudlets=5, models=5, requests=20), 1).write(folder / "instance.json")
    words = ["simulate", str(folder / "instance.json"), "--policy", policy, "--json"]
    return CliRunner().invoke(app, [*words, "--params", str(written(folder, text))])


def test_simulate_takes_a_learners_parameters(tmp_path):
    """The command gives the run that Python gives with the same parameters, and not the default's."""
    done = run(tmp_path, "mab", "[learner]\nepsilon = 0\nxi = 0.5\n")
    instance = generate(Recipe(cloudlets=5, models=5, requests=20), 1)
    params = policies.LearnerParams(epsilon=0.0, xi=0.5)
    ours = json.loads(done.stdout)
    assert ours["decisions"] == simulate(instance, "mab", params=params).to_object()["decisions"]
    assert ours["total_penalty"] != simulate(instance, "mab").to_object()["total_penalty"]


@pytest.mark.parametrize(
    ("policy", "text", "said"),
    [
        (
            "ol",
            "epsilon = 0.1",
            "learner: epsilon is no parameter of this policy; it has xi, features, observed, ",
        ),
        ("mab", "epsilon = 2", "learner: epsilon is 2.0; must be in"),
        ("ol", "observed = 101", "learner: observed is 101; must be in"),
        ("ol", "xi = 2", "learner: xi is 2.0; must be in"),
    ],
)
def test_simulate_refuses_what_the_learner_does_not_take(tmp_path, policy, text, said):
    """Also what only the learner's class knows is told with the file's name."""
    done = run(tmp_path, policy, f"[learner]\n{text}\n")
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(f"{tmp_path / 'params.toml'}: {said}")


@pytest.mark.parametrize("name", sorted(policies.POLICIES))
def test_every_policy_says_what_it_has(name):
    """Fields that are set are taken by the learner: no default is passed over in silence."""
    rule = policies.POLICIES[name]
    assert rule.make(3, 0, rule.params)


def test_a_network_has_its_own_setting(tmp_path):
    """What the tables say is not silently left as it is: the file may not say it too."""
    from mecpfm.cli import app

    path = written(tmp_path, "[setting]\nspeeds = [1.0]\n")
    words = ["simulate-trace", "--policy", "nearest", "--network", str(tmp_path), "--params", str(path)]
    done = CliRunner().invoke(app, words)
    assert str(done.exception) == f"{path}: [setting] is for scenarios; with --network the tables say it"
