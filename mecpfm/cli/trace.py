"""Command on request traces: simulate-trace runs an online policy on a real, drawn or own trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mecpfm.cli.catalogue import SCENARIOS, TRACE, choice
from mecpfm.cli.instances import Json, Params, Seed
from mecpfm.cli.output import note, report, table, working
from mecpfm.errors import InputError
from mecpfm.files import plain
from mecpfm.warm import announcing

if TYPE_CHECKING:
    from mecpfm.online.read import Reading
    from mecpfm.online.setting import Setting
    from mecpfm.online.trace import Trace
    from mecpfm.online.world import Scene

ABSENT = (
    "absent: {0}; using requests drawn from the committed summary; for the real ones run "
    "`mecpfm data fetch {0}` or set MECPFM_DATA_DIR"
)


def simulate_trace(
    trace: Annotated[
        Path | None, typer.Argument(metavar="[TRACE.csv]", help="Or -. Default GenTD26, or drawn.")
    ] = None,
    policy: Annotated[str | None, choice("--policy", TRACE)] = None,
    scenario: Annotated[
        str | None, choice("--scenario", SCENARIOS, f"{', '.join(SCENARIOS)}; default: what fits the trace.")
    ] = None,
    network: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Serve on the sites of a network in tables.")
    ] = None,
    load: Annotated[float | None, typer.Option(help="Scale time to this load; default: the scenario's.")] = None,
    seed: Seed = 0,
    requests: Annotated[int | None, typer.Option(help="Requests served; default 8000, or what fits.")] = None,
    observed: Annotated[int | None, typer.Option(help="Features observed of each request.")] = None,
    probes: Annotated[int | None, typer.Option(help="Cloudlets probed a request (belief sampling).")] = None,
    feature_cost: Annotated[float | None, typer.Option(help="Time that observing a feature takes, s.")] = None,
    probe_cost: Annotated[float | None, typer.Option(help="Time that a probe takes, s.")] = None,
    params: Params = None,
    listing: Annotated[bool, typer.Option("--list", help="List policies and scenarios and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Serve requests of a trace whose service times are unknown until served (docs/online_setting.md)."""
    if listing:
        _list()
        return
    if policy is None:
        raise InputError("--policy is missing; --list shows the names")
    _require(requests, network, scenario)
    costs = {"observed": observed, "probes": probes, "feature_cost_s": feature_cost, "probe_cost_s": probe_cost}
    given = {name: value for name, value in costs.items() if value is not None}
    content, said, account = _simulated(_Wanted(trace, policy, scenario, network, load, seed, requests), given, params)
    _say(content, said, as_json)
    if account and not as_json:
        typer.echo(account)


class _Wanted(NamedTuple):
    """Options as typed."""

    trace: Path | None
    policy: str
    scenario: str | None
    network: Path | None
    load: float | None
    seed: int
    requests: int | None


def _simulated(
    wanted: _Wanted, costs: dict[str, Any], params: Path | None
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What a run gives, with its ledger; what was assumed and changed; and the ledger in a line, if it has one."""
    from mecpfm.network.folder import read
    from mecpfm.network.ground import serve
    from mecpfm.online import ledger, world
    from mecpfm.online.policy import named
    from mecpfm.online.setting import GIVEN
    from mecpfm.online.setting import scenario as setting_of
    from mecpfm.online.simulate import simulate
    from mecpfm.params import changed, read_params

    given, seed = read_params(params, ("policy", "setting")), wanted.seed
    if wanted.network is not None and given["setting"]:
        raise InputError(f"{params}: [setting] is for scenarios; with --network the tables say it")
    policy = changed(f"{params}: policy", named(wanted.policy), given["policy"])
    policy = replace(policy, **(costs | ({"probing": "belief"} if "probes" in costs else {})))
    tables = None if wanted.network is None else read(wanted.network)  # its errors are told before a long file is read
    reading = _read(wanted.trace, wanted.scenario)
    scenario = wanted.scenario or (GIVEN if tables else reading.scenario)
    setting = changed(f"{params}: setting", setting_of(scenario), given["setting"])
    setting = _setting(setting, reading.trace, wanted.requests, wanted.load)
    served = serve(tables, reading.trace, setting.requests, wanted.load, seed) if tables else None
    setting, trace, ground, assumed = served or (setting, reading.trace, None, None)
    with announcing(), working("simulating"):
        scene = world.build(setting, trace, seed, ground=ground)
        outcome = simulate(scene, policy, seed)
        metrics, account = outcome.metrics(), ledger.account(outcome)
    where = {"network": str(wanted.network)} if tables else {}
    content = {
        "setting": "online", "source": reading.trace.source, "scenario": scenario, **where, "policy": wanted.policy,
        "seed": seed, "requests": setting.requests,
        **{name: plain(value) for name, value in metrics.items()}, "ledger": account,
    }  # fmt: skip
    sentence = "" if account is None else ledger.sentence(account, len(outcome.demand.raw))
    return content, _statement(reading, scene, assumed), sentence


def _say(content: dict[str, Any], said: dict[str, Any], as_json: bool) -> None:
    """Report, what was assumed and changed on stderr unless it is JSON."""
    if not as_json:
        content.pop("ledger")
        for name in ("assumed", "changed"):
            for words in said.pop(name):
                note(f"{name}: {words}")
    report({**content, **said}, as_json)


def _require(requests: int | None, network: Path | None, scenario: str | None) -> None:
    if requests is not None and requests < 2:
        raise InputError(f"--requests is {requests}; must be >= 2")
    if network is not None and scenario is not None:
        raise InputError(f"--scenario is {scenario!r}; it draws another network than --network")


def _list() -> None:
    from mecpfm.online.policy import POLICIES
    from mecpfm.online.setting import GIVEN, SCENARIOS

    policies = [("policy", name) for name in POLICIES]
    table(("kind", "name"), [*policies, *(("scenario", name) for name in (*SCENARIOS, GIVEN))])


def _setting(setting: Setting, trace: Trace, requests: int | None, load: float | None) -> Setting:
    """The setting with as many requests as are wanted and fit, at the load that is asked for."""
    from mecpfm.online import world

    room = world.longest(len(trace.time_s))
    if requests is not None and requests > room:
        raise InputError(f"--requests is {requests}; {trace.source} has room for {room}")
    setting = replace(setting, requests=requests or min(setting.requests, room))
    return setting if load is None else replace(setting, load=load)


def _statement(reading: Reading, scene: Scene, network: tuple[str, ...] | None) -> dict[str, Any]:
    from mecpfm.data.fetch import locate
    from mecpfm.data.sites import SITES
    from mecpfm.online import statement

    where = statement.network(scene, locate(SITES) is not None) if network is None else network
    return {
        "layout": reading.layout,
        "dropped": reading.dropped,
        "load": statement.load(scene),
        "assumed": [*reading.assumed, *where],
        "changed": list(statement.changed(scene, reading.trace)),
    }


def _read(path: Path | None, scenario: str | None) -> Reading:
    from mecpfm.online.read import LAYOUTS, Reading, read
    from mecpfm.online.setting import scenario as setting_of
    from mecpfm.online.trace import load

    name = setting_of(scenario or "base").trace  # an unknown scenario is told before a long file is read
    if path is not None:
        return read(path)
    say_if_absent(name)
    layout = {"gentd26": "GenTD26", "azure": "Azure LLM"}[name]
    return Reading(load(name=name), layout, "base", 0, LAYOUTS[layout].assumed)


def say_if_absent(*names: str) -> None:
    """One line on stderr where files of these traces are missing, and how to get them."""
    from mecpfm.online.trace import missing

    if files := [file for name in names for file in missing(name)]:
        note(ABSENT.format(" ".join(files)))
