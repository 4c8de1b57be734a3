"""Files, validation, checker and generator of the coupled setting."""

import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coupled_strategies import instances, replaced, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecpfm.archives import schema_of
from mecpfm.coupled import generate as generator
from mecpfm.coupled.baselines import unshared
from mecpfm.coupled.check import NEGLIGIBLE, REMOTE, assess, assess_fractional
from mecpfm.coupled.formulation import solve_lp
from mecpfm.coupled.generate import REGIMES, Recipe, generate, token_counts
from mecpfm.coupled.instance import LARGEST, Instance, accepted, most
from mecpfm.coupled.methods import solve
from mecpfm.coupled.presolve import membership, presolve
from mecpfm.data.tables import trace_summary
from mecpfm.errors import InputError

any_instance = st.booleans().flatmap(lambda families: instances(families=families))


def content() -> dict[str, Any]:
    """A small instance's file: two models share block 0, which cloudlet 1 holds; request 1 has no option."""
    return {
        "schema": "mecpfm.coupled/1",
        "blocks": {"size_gb": [4.0, 1.0, 2.0], "name": ["base", "a", "b"]},
        "models": {"blocks": [[0, 1], [0, 2], []], "family": [0, 0, 1]},
        "cloudlets": {
            "memory_gb": [6.0, 8.0],
            "compute_s": [2.0, 0.0],
            "pull_s_per_gb": [1.0, 3.0],
            "cached": [[], [0]],
            "longitude_deg": [144.9, 145.0],
            "latitude_deg": [-37.8, -37.9],
        },
        "requests": {"remote_delay_s": [9.0, 8.0, 7.0], "remote_accuracy": [1.0, 1.0, 0.5]},
        "options": {
            "request": [0, 0, 2],
            "model": [0, 1, 0],
            "cloudlet": [0, 1, 0],
            "delay_s": [1.0, 0.5, 1.5],
            "compute_s": [1.5, 0.0, 1.0],
            "accuracy": [0.8, 0.9, 0.7],
        },
    }


def saved(folder: Path, **changes: Any) -> Path:
    """A JSON file of the small instance with some dotted fields changed (None removes one)."""
    record = content()
    for name, value in changes.items():
        group, _, field = name.partition("__")
        target, key = (record[group], field) if field else (record, group)
        target[key] = value
        if value is None:
            del target[key]
    path = folder / "instance.json"
    path.write_text(json.dumps(record))
    return path


@given(any_instance)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_round_trip(tmp_path: Path, instance: Instance) -> None:
    """JSON and .npz give back the same arrays, and writing twice gives the same bytes."""
    for suffix in ("json", "npz"):
        path = tmp_path / f"instance.{suffix}"
        instance.write(path)
        before = path.read_bytes()
        again = Instance.read(path)
        assert again.to_object() == instance.to_object()
        again.write(path)
        assert path.read_bytes() == before


def test_optional_fields_survive_both_formats(tmp_path: Path) -> None:
    """Names, families and coordinates are kept; what is absent stays absent."""
    one = Instance.read(saved(tmp_path))
    one.write(tmp_path / "instance.npz")
    two = Instance.read(tmp_path / "instance.npz")
    assert two.blocks.name == ("base", "a", "b")
    assert two.models.name is None
    assert two.to_object() == one.to_object()
    with np.load(tmp_path / "instance.npz") as archive:
        assert archive["models.blocks.indptr"].tolist() == [0, 2, 4, 4]
        assert str(archive["schema"]) == "mecpfm.coupled/1"


def test_arrays_are_frozen(tmp_path: Path) -> None:
    """No array of an instance can be written to, whatever it was read from."""
    instance = Instance.read(saved(tmp_path))
    for array in (instance.options.delay_s, instance.models.blocks.indices, instance.cloudlets.cached.indptr):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "mecpfm.published/1"}, "schema is 'mecpfm.published/1'; must be 'mecpfm.coupled/1'"),
        ({"options__request": [0, 2, 0]}, "options.request[2] is 0 after 2; must not decrease"),
        ({"options__request": [0, 0, 3]}, "options.request[2] is 3; must be < R = 3"),
        ({"options__model": [0, 2, 0]}, "options.model[1] names model 2, which has no blocks"),
        ({"options__model": [0, 1, 3]}, "options.model[2] is 3; must be < K = 3"),
        ({"options__cloudlet": [0, -1, 0]}, "options.cloudlet[1] is -1; must be >= 0"),
        ({"options__delay_s": [1.0, 2.0]}, "options.delay_s has shape (2,); n is 3 by options.request"),
        ({"options__compute_s": [1.0, None, 1.0]}, "options.compute_s must hold numbers only"),
        ({"options__accuracy": [0.5, 1.5, 0.5]}, "options.accuracy[1] is 1.5; must be <= 1"),
        ({"options__colour": [1]}, "options.colour is not a known field"),
        ({"requests__remote_delay_s": None}, "requests.remote_delay_s is missing"),
        ({"blocks__size_gb": [4.0, -1.0, 2.0]}, "blocks.size_gb[1] is -1; must be >= 0"),
        ({"blocks__name": ["base", "a"]}, "blocks.name has shape (2,); B is 3 by blocks.size_gb"),
        ({"blocks__name": [1, 2, 3]}, "blocks.name must be a list of names"),
        ({"models__blocks": [[0, 1], [0, 3], []]}, "models.blocks[1] is 3; must be < B = 3"),
        ({"models__blocks": [[0, 0], [0], []]}, "models.blocks [0] holds an index twice"),
        ({"cloudlets__cached": [[0], [7]]}, "cloudlets.cached[1] is 7; must be < B = 3"),
        (
            {"cloudlets__memory_gb": [6.0, 3.0]},
            "cloudlets.cached[1] holds block 0 of 4 GB; cloudlets.memory_gb[1] is 3",
        ),
        ({"cloudlets__memory_gb": [6.0, float("nan")]}, "cloudlets.memory_gb[1] is nan; must be finite"),
        ({"options__delay_s": [1.0, 1e308, 1.0]}, "options.delay_s[1] is 1e+308; must be <= 1e+09"),
        ({"blocks__size_gb": [6e8, 6e8, 2.0]}, "models.blocks[0] adds up to 1.2e+09 GB; must be <= 1e+09"),
        ({"options__delay_s": [1.0, True, 1.0]}, "options.delay_s must hold numbers only"),
        ({"options__model": [0, 10**30, 0]}, "options.model must hold integers only"),
        ({"models__blocks": [[[0]], [0], []]}, "models.blocks[0] must be a flat list"),
        ({"schema": 3}, "schema is 3; must be"),
        ({"options": [1]}, "options must be a group of fields"),
    ],
)
def test_bad_fields_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Every unusable value is refused in one line with file, field and reason."""
    path = saved(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        Instance.read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    squeezed = said.replace(" ", "")
    assert message.replace(" ", "") in squeezed


def test_what_just_fits_contradicts_nothing(tmp_path: Path) -> None:
    """A held block and a delay at their tolerance, a model of the largest size: no comparison refuses its limit."""
    instance = Instance.read(saved(tmp_path))
    above = float(most(np.ones(1))[0])
    held = replaced(instance, blocks={"size_gb": [above, 1.0, 2.0]}, cloudlets={"memory_gb": [6.0, 1.0]})
    assert held.blocks.size_gb[0] > held.cloudlets.memory_gb[1]
    late = [above, 0.5, 1.0]
    assert replaced(instance, requests={"deadline_s": [1.0] * 3}, options={"delay_s": late}).options.delay_s[0] > 1
    whole = replaced(instance, blocks={"size_gb": [LARGEST / 2] * 3}, cloudlets={"cached": [[], []]})
    assert whole.blocks.size_gb[:2].sum() == LARGEST


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("models.blocks.indptr", [0, 2, 9, 4], "must rise from 0 to 4"),
        ("models.blocks.indices", [1, 0, 0, 2], "[0] must be strictly ascending"),
        ("models.blocks.indptr", [0.5, 2, 4, 4], "must hold integers only"),
        ("models.blocks.indptr", [0, 2, 4, 99], "models.blocks.indptr must rise from 0 to 4"),
        ("models.blocks.indptr", None, "models.blocks must hold indptr and indices"),
        ("options.model", np.full(3, 2**64 - 1, dtype=np.uint64), "options.model must hold integers below 2^63"),
        ("options.delay_s", np.ones(3, dtype=complex), "options.delay_s must hold numbers only"),
        ("schema", None, "schema is None"),
        ("blocks", [1.0], "'blocks' in 'blocks.size_gb' is an array as well"),
        ("options.delay_s", np.array([{}, 1, 2], dtype=object), "is not a usable .npz archive (options.delay_s:"),
    ],
)
def test_bad_archives_are_refused(tmp_path: Path, key: str, value: Any, message: str) -> None:
    """A damaged ragged array, clashing keys or pickled objects end as one line, never as a traceback."""
    path = tmp_path / "instance.npz"
    Instance.read(saved(tmp_path)).write(path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    added = {} if value is None else {key: np.asarray(value)}
    np.savez(path, **added, **{name: array for name, array in arrays.items() if name != key})
    with pytest.raises(InputError) as caught:
        Instance.read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("length", [10**13, 10**30])
def test_archives_that_claim_too_much_are_refused(tmp_path: Path, length: int) -> None:
    """A header that promises more than any memory holds is one line, for the instance and for its schema."""
    path = tmp_path / "instance.npz"
    head = np.lib.format.magic(1, 0)
    words = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({length},)}}".ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.npy", head + len(words).to_bytes(2, "little") + words.encode())
    for read in (Instance.read, schema_of):
        with pytest.raises(InputError, match=r"instance\.npz: (is not a usable|does not fit into memory)"):
            read(path)


@pytest.mark.parametrize("cut", [0, 40, 700])
def test_truncated_archives_are_refused(tmp_path: Path, cut: int) -> None:
    """An archive that ends early, or is none at all, is named."""
    path = tmp_path / "instance.npz"
    Instance.read(saved(tmp_path)).write(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"is not a usable \.npz archive"):
        Instance.read(path)
    with pytest.raises(InputError, match=r"absent\.npz: cannot be read"):
        Instance.read(tmp_path / "absent.npz")


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    """Whatever byte is wrong, the outcome is an instance or one InputError that names the file; schema_of alike."""
    path = tmp_path / "instance.npz"
    Instance.read(saved(tmp_path)).write(path)
    sound, refused = path.read_bytes(), 0
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(sound)
        for place in random.integers(0, len(sound), 3):
            damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(bytes(damaged))
        for read in (Instance.read, schema_of):
            try:
                read(path)
            except InputError as error:
                refused += 1
                assert str(error).startswith(f"{path}: ")
    assert refused > 300


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["blocks.size_gb.npy", "blocks.size_gb"])
def test_arrays_that_stand_twice_are_refused(tmp_path: Path, name: str) -> None:
    """An archive may hold two members of one name, and names differ by .npy alone: no array counts twice."""
    path = tmp_path / "twice.npz"
    small(1, 2, 1, families=True).write(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, archive.read("blocks.size_gb.npy"))
    with pytest.raises(InputError, match=r"array 'blocks.size_gb' stands twice"):
        Instance.read(path)


def test_legal_corner_cases_are_solved(tmp_path: Path) -> None:
    """No memory, no compute, a cloudlet with neither, requests without options, no options at all: all remote."""
    none = {f"options__{name}": [] for name in ("request", "model", "cloudlet", "delay_s", "compute_s", "accuracy")}
    zero = {"cloudlets__memory_gb": [0.0, 0.0], "cloudlets__compute_s": [0.0, 0.0], "cloudlets__cached": [[], []]}
    for changes in (none, zero):
        plan = solve(Instance.read(saved(tmp_path, **changes)), "polish", iterations=25)
        assert plan.status == "optimal"
        assert plan.metrics["edge_share"] == 0


def test_checker_recomputes_cost_and_metrics(tmp_path: Path) -> None:
    """Delay, pulls (once per cloudlet, none where cached), accuracy and edge share by hand."""
    instance = Instance.read(saved(tmp_path))
    plan = assess(instance, "hand", np.array([1, REMOTE, 2]))
    assert plan.decisions["option"] == [1, -1, 2]
    assert plan.metrics["pulling_s"] == 2 * 3 + (4 + 1) * 1
    assert plan.objective == pytest.approx(0.5 + 8 + 1.5 + 11)
    assert plan.metrics["average_accuracy"] == pytest.approx((0.9 + 1 + 0.7) / 3)
    assert plan.metrics["edge_share"] == pytest.approx(2 / 3)
    assert plan.feasible
    both = assess(instance, "hand", np.array([0, REMOTE, 2]))
    assert both.metrics["pulling_s"] == 5
    assert both.violations == ("cloudlet 0: compute row broken by 0.5 (2.5 against 2 s)",)
    small = replaced(instance, cloudlets={"memory_gb": [4.5, 5.0]})
    assert assess(small, "hand", np.array([1, REMOTE, 2])).violations == (
        "cloudlet 0: memory row broken by 0.5 (5 against 4.5 GB)",
        "cloudlet 1: memory row broken by 1 (6 against 5 GB)",
    )


def test_checker_counts_classes_and_half_open_blocks(tmp_path: Path) -> None:
    """A class of three requests counts thrice; a block opened half takes half of its memory."""
    instance = Instance.read(saved(tmp_path))
    classes = replaced(instance, requests={"weight": [3.0, 2.0, 1.0]})
    metrics = assess(classes, "hand", np.array([1, REMOTE, 2])).metrics
    assert metrics["average_accuracy"] == pytest.approx((3 * 0.9 + 2 * 1 + 0.7) / 6)
    assert metrics["edge_share"] == pytest.approx(4 / 6)
    small = replaced(instance, cloudlets={"memory_gb": [2.0, 5.0]})
    half = np.zeros(len(instance.options.request))
    half[[1, 2]] = 0.5
    assert assess_fractional(small, "hand", half).violations == (
        "cloudlet 0: memory row broken by 0.5 (2.5 against 2 GB)",
    )


def test_checker_opens_blocks_by_hand(tmp_path: Path) -> None:
    """As far as the request that uses them most there, or with the cut as their compute says; none where it is 0."""
    instance = replaced(Instance.read(saved(tmp_path)), cloudlets={"compute_s": [1.0, 0.0]})
    x = np.array([0.5, 0.25, 0.25])
    assert assess_fractional(instance, "hand", x).metrics["pulling_s"] == 0.5 * (4 + 1) + 0.25 * 2 * 3
    assert assess_fractional(instance, "hand", x, cut=True).metrics["pulling_s"] == 1.0 * (4 + 1) + 0.25 * 2 * 3
    alike = replaced(instance, options={"cloudlet": [0, 0, 0]})
    assert assess_fractional(alike, "hand", np.array([0.25, 0.5, 0])).metrics["pulling_s"] == 0.75 * 4 + 0.25 + 0.5 * 2
    assert assess_fractional(instance, "hand", np.array([NEGLIGIBLE, 0.0, 0.5])).decisions == {"fraction": [[2, 0.5]]}


def test_checker_refuses_foreign_options(tmp_path: Path) -> None:
    """A choice of another request's option, or of the wrong length, is an error and not a cheap plan."""
    instance = Instance.read(saved(tmp_path))
    with pytest.raises(InputError, match=r"choice\[1\] is 2, not an option of request 1"):
        assess(instance, "bad", np.array([0, 2, REMOTE]))
    with pytest.raises(InputError, match=r"choice\[2\] is 1, not an option of request 2"):
        assess(instance, "bad", np.array([0, REMOTE, 1]))
    with pytest.raises(InputError, match=r"choice has shape \(2,\); must be \(3,\)"):
        assess(instance, "bad", np.array([0, REMOTE]))


@given(any_instance, st.integers(0, 2**32 - 1))
def test_integral_fractions_cost_what_the_decision_costs(instance: Instance, seed: int) -> None:
    """A decision written as fractions of zero and one is judged the same."""
    random, first = np.random.default_rng(seed), instance.first_option
    choice = np.array([random.integers(low - 1, high) for low, high in itertools.pairwise(first)])
    choice = np.where(choice < first[:-1], REMOTE, choice)
    x = np.zeros(first[-1])
    x[choice[choice != REMOTE]] = 1
    one, other = assess(instance, "a", choice), assess_fractional(instance, "b", x)
    assert one.objective == pytest.approx(other.objective)
    assert one.metrics == pytest.approx(other.metrics)
    assert one.violations == other.violations


@given(any_instance)
def test_derived_arrays_match_their_definition(instance: Instance) -> None:
    """First options, caches, pulls and membership equal a loop over the file's lists."""
    blocks, models, cloudlets, requests = instance.sizes
    for r in range(requests):
        mine = slice(instance.first_option[r], instance.first_option[r + 1])
        assert (instance.options.request[mine] == r).all()
    for c in range(cloudlets):
        for b in range(blocks):
            held = b in instance.cloudlets.cached[c].tolist()
            rate = instance.cloudlets.pull_s_per_gb
            pull = 0 if held else instance.blocks.size_gb[b] * (rate[c] if rate.ndim == 1 else rate[b, c])
            assert instance.cached[b, c] == held
            assert instance.pull_s[b, c] == pull
    for k in range(models):
        assert np.flatnonzero(membership(instance)[k]).tolist() == instance.models.blocks[k].tolist()


def test_generator_repeats_and_extends() -> None:
    """The same seed gives the same file; one request more leaves the delays of the others as they were."""
    recipe = Recipe(requests=30, cloudlets=5, models=12, families=3)
    one, two = generate(recipe, 4), generate(recipe, 4)
    assert one.to_object() == two.to_object()
    more = generate(Recipe(requests=31, cloudlets=5, models=12, families=3), 4)
    assert more.cloudlets.to_object() == one.cloudlets.to_object()
    assert more.requests.remote_delay_s[:30].tolist() == one.requests.remote_delay_s.tolist()
    assert generate(recipe, 5).to_object() != one.to_object()


@pytest.mark.parametrize("adaptation", ["published", "frozen-prefix", "full", "mixed"])
def test_library_shares_as_it_says(adaptation: str) -> None:
    """Published variants are backbone and own block, frozen prefixes three levels, full copies share nothing."""
    instance = generate(Recipe(requests=3, cloudlets=2, models=24, families=2, adaptation=adaptation))
    member = membership(instance)
    users = member.sum(axis=0)
    levels = {len(row) for row in instance.models.blocks}
    expected = {"published": {2}, "frozen-prefix": {3}, "full": {1}, "mixed": {1, 3}}[adaptation]
    assert levels == expected
    assert (users[[row[-1] for row in instance.models.blocks]] == 1).all()
    assert instance.models.family is not None
    shared = users[users > 1]
    assert (
        set(shared.tolist())
        == {"published": {12}, "frozen-prefix": {6, 12}, "full": set(), "mixed": {3, 6, 9}}[adaptation]
        or adaptation == "mixed"
    )
    for f in (0, 1):
        family = member[instance.models.family == f]
        assert not (family.any(axis=0) & member[instance.models.family != f].any(axis=0)).any()
    sizes = member @ instance.blocks.size_gb
    assert sizes.min() >= 2 * 6.0


@pytest.mark.parametrize("fraction", [0.0, 1 / 3, 0.999, 1.0])
def test_shared_fraction_splits_every_model(fraction: float) -> None:
    """The family's block holds the given share of each model's weights, whatever the share."""
    instance = generate(Recipe(requests=3, cloudlets=2, models=6, families=2, shared_fraction=fraction))
    member = membership(instance)
    private = instance.blocks.size_gb[[row[-1] for row in instance.models.blocks]]
    total = member @ instance.blocks.size_gb
    assert private == pytest.approx((1 - fraction) * total)
    assert len(instance.blocks.size_gb) == (6 if fraction == 0 else 8)


def relaxed_lp(instance: Instance, **cloudlets: Any) -> float:
    """LP value with the cut after multiplying cloudlet fields, on the compressed instance."""
    fields = {name: getattr(instance.cloudlets, name) * factor for name, factor in cloudlets.items()}
    changed = replaced(instance, cloudlets=fields) if fields else instance
    return solve_lp(presolve(changed).instance, cut=True, solver="highs")[0].objective


@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_regimes_are_bound_by_what_they_say(regime: str) -> None:
    """Relaxing the named resource a hundredfold lowers the LP by at least 2 %, and no other capacity does as much."""
    instance = generate(Recipe(requests=150, cloudlets=6, models=24, families=4, regime=regime), seed=1)
    base = relaxed_lp(instance)
    gain = {
        "compute": 1 - relaxed_lp(instance, compute_s=100.0) / base,
        "memory": 1 - relaxed_lp(instance, memory_gb=100.0) / base,
        "link": 1 - relaxed_lp(instance, pull_s_per_gb=0.01) / base,
    }
    scarce = regime.removesuffix("-bound")
    if scarce == "mixed":
        assert min(gain["compute"], gain["link"]) > 0
    else:
        assert gain[scarce] >= 0.02
        assert gain[scarce] >= max(gain[name] for name in {"compute", "memory"} - {scarce})


def test_sharing_decides_what_fits_when_memory_is_scarce() -> None:
    """In the memory-bound regime the LP without sharing costs at least 5 % more."""
    instance = generate(Recipe(requests=100, cloudlets=6, models=24, families=4, regime="memory-bound"), seed=1)
    assert relaxed_lp(unshared(instance)) >= 1.05 * relaxed_lp(instance)


def test_topologies_and_caches_enter() -> None:
    """A topohub network gives names, coordinates and longer pulls far from its centre; cached blocks always fit."""
    recipe = Recipe(requests=20, cloudlets=11, models=6, families=2, topology="topozoo/Abilene", cached_share=0.5)
    instance = generate(recipe, 3)
    cloudlets = instance.cloudlets
    assert cloudlets.name is not None
    assert len(set(cloudlets.name)) == 11
    assert cloudlets.longitude_deg is not None
    assert cloudlets.longitude_deg.max() < -60
    assert len(np.unique(cloudlets.pull_s_per_gb)) > 5
    assert instance.cached.any()
    assert (instance.blocks.size_gb[:, None] * instance.cached <= cloudlets.memory_gb).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"requests": 0}, "requests is 0; must be a whole number in"),
        ({"regime": "fast"}, "regime is 'fast'; must be one of compute-bound, memory-bound, link-bound, mixed"),
        ({"trace": "x"}, "trace is 'x'; must be one of azure-conv, azure-code"),
        ({"shared_fraction": 1.5}, r"shared_fraction is 1.5; must be in \[0, 1\]"),
        ({"memory_gb": -1.0}, "memory_gb is -1.0; must be in"),
        ({"period_s": np.inf}, "period_s is inf; must be in"),
        ({"reach": 0}, "reach is 0; must be a whole number in"),
    ],
)
def test_contradictory_recipes_are_refused(values: dict[str, Any], message: str) -> None:
    """A recipe that makes no sense is refused when it is written."""
    with pytest.raises(InputError, match=message):
        Recipe(**values)


def test_too_small_topologies_are_refused() -> None:
    """More cloudlets than nodes is an error that counts both."""
    with pytest.raises(InputError, match="topology topozoo/Abilene has 11 nodes; 12 cloudlets are wanted"):
        generate(Recipe(cloudlets=12, topology="topozoo/Abilene"))


def test_token_counts_follow_the_trace() -> None:
    """Inverse transform at a quantile's level gives the quantile, and counts rise with the level."""
    table = trace_summary().set_index(["trace", "quantity"])
    for trace in generator.TRACES:
        levels = np.array([0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0])
        counts = token_counts(trace, "context_tokens", levels)
        wanted = [table[q].loc[(trace, "context_tokens")] for q in ("min", "q50", "max")]
        assert counts[[0, 3, 7]].tolist() == [round(value) for value in wanted]
        assert (np.diff(counts) >= 0).all()


def test_amounts_measured_elsewhere_are_brought_into_range() -> None:
    """A service time of a trace may be any positive number: too small is 0, too large the largest, others stay."""
    for fraction in (1e-12, 1 - 1e-12):
        one = Recipe(cloudlets=3, requests=5, topology="sndlib/nobel-germany", shared_fraction=fraction)
        assert 0 in generate(one).blocks.size_gb
    assert accepted(np.array([0.0, 5e-324, 9e-10, 1e-9, 0.1, 1e9, 1e300])).tolist() == [0, 0, 0, 1e-9, 0.1, 1e9, 1e9]


def test_a_changed_copy_takes_over_nothing_that_is_made_of_the_old_fields() -> None:
    """Of sizes, options and caches; a copy without a change keeps what was computed."""
    instance = generate(Recipe(cloudlets=4, requests=6, models=6), seed=0)
    pull_s, first = instance.pull_s, instance.first_option
    blocks = instance.blocks.model_copy(update={"size_gb": 2 * instance.blocks.size_gb})
    assert instance.model_copy(update={"blocks": blocks}).pull_s.tolist() == (2 * pull_s).tolist()
    assert instance.with_options(np.arange(1)).first_option[-1] == 1 < first[-1]
    assert instance.model_copy().pull_s is pull_s
