"""A trace through a dispatcher, every completion told when the simulator has it; a small one to ill-treat."""

import heapq
import math

from online_strategies import scene_of, tiny

from mecpfm.online.dispatcher import CENTRE, Dispatcher
from mecpfm.online.simulate import simulate


def place_of(outcome, request):
    """Where and by which variant the simulator served a request, as a ticket says it."""
    world, place = outcome.scene.world, int(outcome.log.place[request])
    reach = world.near.shape[1]
    site = CENTRE if place == reach else str(world.near[world.home[request], place])
    return site, bool(outcome.log.variant[request])


def service_s(outcome, request):
    """What the server of a request was busy with it."""
    world = outcome.scene.world
    site, small = place_of(outcome, request)
    speed = world.constants.remote_speed if site == CENTRE else world.speed[int(site)]
    return float(world.work[request] * (world.constants.small_work if small else 1.0) / speed)


def asked(scene, request):
    """Arguments of ``decide`` for a request of a scene."""
    world = scene.world
    return {
        "user": f"{world.home[request]}:{world.group[request]}",
        "model": str(world.model[request]),
        "now": float(world.arrival[request]),
        "features": world.static[request].tolist(),
        "payload_mb": float(world.payload_gb[request]) * 1000,
    }


def replay(scene, policy, seed=0, between=lambda agent, request: agent):
    """Tickets, the dispatcher and the simulator's outcome; ``between`` may exchange the dispatcher before a request."""
    outcome = simulate(scene, policy, seed)
    agent, due, tickets = Dispatcher(scene, policy=policy, seed=seed, patience_s=math.inf), [], []
    held = policy.feature_cost_s * (policy.observed or 0)
    for request in range(len(scene.world.work)):
        agent = between(agent, request)
        while due and due[0][0] <= scene.world.arrival[request] + held:
            _, done, ticket = heapq.heappop(due)
            agent.complete(ticket, seconds=float(outcome.log.delay_s[done]), service_s=service_s(outcome, done))
        tickets.append(agent.decide(**asked(scene, request)))
        heapq.heappush(due, (float(outcome.log.finish_s[request]), request, tickets[-1]))
    return tickets, agent, outcome


def state(agent):
    """Everything that decides what comes, as text that can be compared."""
    desk = agent._desk
    held = {name: array.tolist() for name, array in desk.rows.arrays().items() if name != "line.box"}
    streams = [random.bit_generator.state for random in desk.rows.random]
    told = [desk.open, sorted(desk.free), desk.next, desk.given_up, desk.now, desk.offset, desk.due]
    return repr((held, streams, told))


def agent_of(policy="structured-mean", **options):
    return Dispatcher(scene_of(tiny(3, 12, cloudlets=3, tight=False)), policy=policy, **options)


def decide(agent, now, user=None):
    return agent.decide(user=user or agent.names.users[0], model="0", now=now)
