"""Every policy spelled out in plain Python and NumPy: batch regressions over lists of completed requests, no kernel.

Only the random generators are shared with the package, so that both draw the same numbers in the same order.
"""

import math

import numpy as np
from online_twin import Twin

SHARE = {"linear_s": 60.0, "linear_most": 4.0}


def mean(values):
    return sum(values) / len(values) if values else 0.0


def smooth(values, step, start=None):
    """Exponential moving average that starts at the first value (or at a number)."""
    average = start
    for value in values:
        average = value if average is None else average + step * (value - average)
    return 0.0 if average is None else average


def features(world, request, known, flying):
    """Raw features of a request from the completed ones ``known``, in their order, and how many are under way."""
    now, work = world.arrival[request], [float(world.work[j]) for j in known]
    own = [w for j, w in zip(known, work, strict=True) if world.group[j] == world.group[request]]
    kin = [w for j, w in zip(known, work, strict=True) if world.model[j] == world.model[request]]
    gaps = np.diff(world.arrival[: request + 1], prepend=0.0 if request == 0 else world.arrival[0])
    gaps[0] = 0.0
    recent = [int(sum(world.arrival[j] >= now - window for j in range(request))) for window in (60.0, 600.0)]
    whole = mean(work)
    return np.array([
        *world.static[request],
        mean(own) if own else whole, own[-1] if own else whole, smooth(own, 0.3) if own else whole,
        math.log1p(len(own)), mean(kin) if kin else whole, smooth(kin, 0.1) if kin else whole,
        math.log1p(flying), *(math.log1p(n) for n in recent), smooth(work, 0.02), math.log1p(gaps[-1]),
        math.log1p(smooth(gaps, 0.05, 0.0)),
    ])  # fmt: skip


def forward(covariance, count, size):
    """Explicit forward selection on a covariance matrix whose last row belongs to the target.

    A feature seen ``count`` times explains a share 1 / count of what is left of the target's variance by chance.
    """
    chosen = []
    for _ in range(size):
        gains = {}
        for i in range(len(covariance) - 1):
            if i not in chosen:
                s = [j for j in chosen if covariance[j, j] > 1e-6]
                rest = covariance[np.ix_([i, -1], [i, -1])]
                if s:
                    cross = covariance[np.ix_(s, [i, -1])]
                    rest = rest - cross.T @ np.linalg.solve(covariance[np.ix_(s, s)], cross)
                gains[i] = rest[0, 1] ** 2 / rest[0, 0] - rest[1, 1] / count[i] if rest[0, 0] > 1e-6 else 0.0
        chosen.append(max(sorted(gains), key=gains.get))
    return sorted(chosen)


def pairwise(rows, targets, seen):
    """Covariances (target last) from rows of which only some entries were seen, shrunk, and how often each was seen."""
    full = np.column_stack([np.where(seen, rows, 0.0), targets])
    shown = np.column_stack([seen, np.ones(len(rows))]).astype(float)
    count = shown.T @ shown
    average = full.sum(axis=0) / np.maximum(shown.sum(axis=0), 1)
    covariance = full.T @ full / np.maximum(count, 1) - np.outer(average, average)
    shrink = np.where(np.eye(len(count)) > 0, 1.0, count / (count + 20))
    return covariance * shrink, np.maximum(np.diag(count)[:-1], 1)


def ridge(contexts, targets):
    """Precision ``I + X'X`` and solution of ridge regression with penalty 1."""
    x = np.array(contexts)
    precision = np.eye(x.shape[1]) + x.T @ x
    return precision, np.linalg.solve(precision, x.T @ np.array(targets))


class Plain:
    """One run of one policy over a scene without a past."""

    def __init__(self, scene, policy, seed=0):
        self.scene, self.policy, self.world = scene, policy, scene.world
        self.twin = Twin(scene.world, scene.setting.queue_limit)
        self.random, self.arms = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
        self.reach, self.variants = self.twin.reach, scene.setting.variants
        self.width = len(scene.shift) + (2 * self.twin.cloudlets + 1 if policy.dispatch == "disjoint" else 0)
        self.observed = self.width if policy.observed is None else policy.observed
        self.linear = policy.dispatch in ("disjoint", "hybrid")
        self.looks = self.linear or policy.demand in ("ridge", "covariance", "follow")
        self.held = policy.feature_cost_s * self.observed * self.looks + policy.probe_cost_s * policy.probes
        self.keys = self.random.random(self.width) if policy.features == "fixed" else None
        self.made, self.coins = {}, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1_000,)))
        self.context, self.shown, self.guess, self.explored, self.lines = [], [], [], [], []
        self.seen, self.credits, self.median = [], [], 0.0
        self.subset = list(range(self.observed))
        self.known, self.waits = [], {}

    # Who is complete, and what that teaches --------------------------------------------------------------------------
    def loss(self, j):
        row = self.twin.served[j]
        return row.delay + row.variant * self.world.constants.small_penalty_s

    def reward(self, j):
        return 1 - min(self.loss(j) / self.policy.cut_s, 1.0)

    def arm(self, j, place, variant):
        return variant, self.twin.cloudlet(j, place) if place < self.reach else self.twin.cloudlets

    def played(self, j):
        return self.arm(j, self.twin.served[j].place, self.twin.served[j].variant)

    def target(self, j):
        return -min(self.loss(j) / SHARE["linear_s"], SHARE["linear_most"])

    def work(self, j):
        return min(float(self.world.work[j]), self.scene.cap_s)

    def complete(self, time):
        """Learn from whoever finished by now, in the order of their finishes."""
        finished = [(row.finish, j) for j, row in enumerate(self.twin.served) if row.finish <= time]
        for _, j in sorted(finished)[len(self.known) :]:
            if self.looks:
                if self.linear:
                    error = abs(self.target(j) - self.line(self.lines[j], self.played(j))[0]) * SHARE["linear_s"]
                else:
                    error = abs(self.work(j) - self.guess[j])
                good = float(error < self.median) if self.policy.credit == "error" else self.reward(j)
                self.credits.append((self.shown[j], good))
                self.median += 0.3 if error > self.median else -0.3
            self.known.append(j)
            if self.policy.demand == "covariance" and len(self.known) % 200 == 0:
                rows = [j for j in self.known if self.explored[j]]
                seen = np.array([[i in self.shown[j] for i in range(self.width)] for j in rows])
                values = np.array([self.context[j][:-1] for j in rows])
                self.subset = forward(*pairwise(values, [self.work(j) for j in rows], seen), self.observed)
        self.twin.clock(time)

    # What is seen ----------------------------------------------------------------------------------------------------
    def choose_shown(self, request):
        policy = self.policy
        self.explored.append(False)
        if policy.demand == "follow":
            return self.follow(request)
        if self.observed == self.width:
            return list(range(self.width))
        if policy.demand == "covariance":
            if self.random.random() >= max(0.03, min(1.0, 150 / (1 + request))):
                return self.subset
            self.explored[-1] = True
        keys = self.keys
        if policy.features == "random":
            keys = self.random.random(self.width)
        elif policy.features == "tsrc":
            recent = self.credits if math.isinf(policy.window) else self.credits[-int(policy.window) :]
            counts = np.zeros((2, self.width))
            for shown, good in recent:
                counts[:, shown] += [[1.0], [good]]
            keys = np.array([self.random.beta(1 + r, 1 + n - r) for n, r in counts.T])
        return sorted(sorted(range(self.width), key=lambda i: (-keys[i], i))[: self.observed])

    def describe(self, request, now):
        """The visible features, standardised and clipped, and the constant."""
        raw = features(self.world, request, self.known, request - len(self.known))
        raw = np.clip((raw - self.scene.shift) / self.scene.scale, -4, 4)
        if self.policy.dispatch == "disjoint":
            state = np.zeros((2, self.twin.cloudlets))
            for place in range(self.reach):
                if self.seen[-1][place]:
                    c = self.twin.cloudlet(request, place)
                    state[:, c] = len(self.twin.inside[c]) / 3, self.pull(request, place, now) / 30
            raw = np.clip([*raw, *state.ravel(), self.congestion(now) / 15], -4, 4)
        self.shown.append(self.choose_shown(request))
        visible, seen = np.zeros(self.width + 1), [i for i in self.shown[-1] if i < self.width]
        visible[seen] = raw[seen]
        visible[-1] = 1.0
        self.context.append(visible)

    def follow(self, request):
        """Experts' records from the requests known, then the probed features (the largest keys) and whom to follow."""
        probed, width = self.observed - 1, self.scene.cap_s - self.scene.setting.work_s[0]
        losses = np.zeros(self.width + 1)
        for j in self.known:
            for i, made in self.made[j].items():
                losses[i] += (made - self.work(j)) ** 2 * (1 if i == self.width else self.width / probed)
        keys = self.coins.random(self.width)
        weights = np.exp(-0.1 / width**2 * (losses - losses.min()))
        expert = int(np.argmax(np.cumsum(weights) > self.coins.random() * weights.sum()))
        return [*sorted(np.argsort(-keys)[:probed].tolist()), expert]

    def advise(self, request):
        """Each expert's forecast is ridge over the requests that it saw, unknown ones with the forecast it made."""
        least, guess, self.made[request] = self.scene.setting.work_s[0], None, {}
        for i in {*self.shown[request], self.width}:
            past = [j for j in range(request) if i in self.made[j]]
            pair = [[self.context[j][i] * (i < self.width), 1.0] for j in [*past, request]]
            counted = [self.work(j) if j in self.known else self.made[j][i] for j in past]
            start = np.array([0.0, least])
            change = ridge(pair[:-1], counted - np.array(pair[:-1]) @ start)[1] if past else 0.0
            forecast = min(max(float(pair[-1] @ (start + change)), least), self.scene.cap_s)
            if i in self.shown[request][:-1] or i == self.width:
                self.made[request][i] = forecast
            if i == self.shown[request][-1]:
                guess = forecast
        return guess

    def pull(self, request, place, now):
        return self.twin.pull(self.twin.cloudlet(request, place), int(self.world.model[request]), now)

    def congestion(self, now):
        """Last congestion seen, fading to the mean of all seen within 600 s."""
        far = [j for j in self.known if self.twin.served[j].place == self.reach]
        if not far:
            return 0.0
        average, last = mean([self.twin.served[j].congestion for j in far]), self.twin.served[far[-1]].congestion
        age = now - (self.world.arrival[far[-1]] + self.held)
        return average + (last - average) * math.exp(-age / 600)

    def probe(self, request, now):
        policy, home = self.policy, self.world.home[request]
        keys = []
        for place in range(self.reach):
            if policy.probing == "nearest":
                keys.append(-place)
            elif policy.probing == "random":
                keys.append(self.arms.random())
            elif policy.probing == "tsrc":
                past = [j for j in self.known if self.world.home[j] == home and self.seen[j][place]]
                good = sum(self.reward(j) for j in past)
                keys.append(self.arms.beta(1 + good, 1 + len(past) - good))
            elif policy.probing == "belief":
                past = self.waits.get((home, place), [])
                average, weight, last = mean([w for _, w in past]), 0.0, 0.0
                if past:
                    weight, last = math.exp(-(now - past[-1][0]) / 60), past[-1][1]
                noise = 20 * math.sqrt(1 - weight) * self.arms.standard_normal()
                service = self.guess[request] / float(self.world.speed[self.twin.cloudlet(request, place)])
                keys.append(-max(average + weight * (last - average) + noise, 0.0) - service)
        best = sorted(range(self.reach), key=lambda p: (-keys[p], p))[: policy.probes] if keys else range(self.reach)
        self.seen.append([place in best for place in range(self.reach)])

    def open(self, request):
        return [
            p for p in range(self.reach + 1) if p == self.reach or (self.seen[-1][p] and not self.twin.full(request, p))
        ]

    def predict(self, request):
        demand = self.policy.demand
        if demand == "true":
            return float(self.world.work[request])
        least = self.scene.setting.work_s[0]
        if demand == "mean":
            return max(least, mean([float(self.world.work[j]) for j in self.known]))
        if demand == "follow":
            return self.advise(request)
        start = np.append(np.zeros(self.width), least)
        if request == 0:
            return least
        # Whoever is under way counts with the forecast made for it.
        counted = [self.work(j) if j in self.known else self.guess[j] for j in range(request)]
        contexts = np.array(self.context[:request])
        _, change = ridge(contexts, counted - contexts @ start)
        return min(max(float(self.context[request] @ (start + change)), least), self.scene.cap_s)

    # Where to --------------------------------------------------------------------------------------------------------
    def run(self):
        for request in range(len(self.world.work)):
            now = float(self.world.arrival[request]) + self.held
            self.complete(now)
            self.lines.append(None)
            if self.policy.dispatch == "structured":
                if self.looks:
                    self.describe(request, now)
                self.guess.append(self.predict(request))
                self.probe(request, now)
            else:
                self.guess.append(0.0)
                self.probe(request, now)
                if self.looks:
                    self.describe(request, now)
            place, variant = self.choose(request, now)
            self.twin.send(request, place, variant, self.held, self.variants)
        self.complete(math.inf)
        return self

    def choose(self, request, now):
        policy, places = self.policy, self.open(request)
        options = [(p, v) for v in range(self.variants) for p in places]
        if policy.dispatch == "remote":
            return self.reach, 0
        if policy.dispatch == "nearest":
            return (0 if 0 in places else self.reach), 0
        if policy.dispatch == "shortest-queue":
            length = {p: len(self.twin.inside[self.twin.cloudlet(request, p)]) for p in places if p < self.reach}
            return min(length, key=lambda p: (length[p], p), default=self.reach), 0
        if policy.dispatch == "random" or (policy.explore > 0 and self.arms.random() < policy.explore):
            pairs = [(p, v) for p in places for v in range(self.variants)]
            return pairs[int(self.arms.random() * len(pairs))]
        if policy.dispatch == "tabular":
            return max(options, key=lambda option: self.upper(request, option))
        if self.linear:
            return self.best_line(request, options, now)
        return self.least_delay(request, [(p, v) for p in places for v in range(self.variants)], now)

    def upper(self, request, option):
        past = [self.reward(j) for j in self.known if self.played(j) == self.arm(request, *option)]
        if not past:
            return math.inf
        return mean(past) + math.sqrt(self.policy.bonus * math.log(len(self.known)) / len(past))

    def line(self, context, arm):
        """Mean and spread of a linear model: of the arm (disjoint) or of all (hybrid)."""
        rows = [j for j in self.known if self.policy.dispatch == "hybrid" or self.played(j) == arm]
        if not rows:
            return 0.0, float(context @ context)
        precision, solution = ridge([self.lines[j] for j in rows], [self.target(j) for j in rows])
        return float(context @ solution), float(context @ np.linalg.solve(precision, context))

    def option_features(self, request, option, now):
        (place, variant), speed = option, self.world.constants.remote_speed
        near = [0.0, 0.0, 0.0]
        far = [1.0, self.congestion(now) / 30]
        if place < self.reach:
            c = self.twin.cloudlet(request, place)
            speed, count = float(self.world.speed[c]), len(self.twin.inside[c])
            near, far = [self.pull(request, place, now) / 30, count / 3, count / (3 * speed)], [0.0, 0.0]
        return np.array([1.0, *near, 1 / speed, *far, variant, *(self.context[request][:-1] / speed)])

    def best_line(self, request, options, now):
        scores, contexts = [], []
        for option in options:
            hybrid = self.policy.dispatch == "hybrid"
            contexts.append(self.option_features(request, option, now) if hybrid else self.context[request])
            middle, spread = self.line(contexts[-1], self.arm(request, *option))
            noise = self.arms.standard_normal() if self.policy.sample else 1.0
            scores.append(middle + self.policy.scale * noise * math.sqrt(spread))
        best = scores.index(max(scores))
        self.lines[request] = contexts[best]
        return options[best]

    def backlog(self, cloudlet, now):
        """Predicted time until a cloudlet is free."""
        total, first = 0.0, True
        for j, row in enumerate(self.twin.served):
            inside = row.place < self.reach and self.twin.cloudlet(j, row.place) == cloudlet
            if inside and j not in self.known:
                need = self.size(j, row.variant) / float(self.world.speed[cloudlet])
                total += max(need - (now - row.start), 0.25 * need) if first else need
                first = False
        return total

    def size(self, j, variant):
        return self.guess[j] * (self.world.constants.small_work if variant else 1.0)

    def price(self, cloudlet, backlog, busy, now):
        rate = load = 0.0
        for j, row in enumerate(self.twin.served):
            if row.place < self.reach and self.twin.cloudlet(j, row.place) == cloudlet:
                weight = math.exp(-(now - self.world.arrival[j] - self.held) / 300) / 300
                rate += weight
                load += weight * self.size(j, row.variant) / float(self.world.speed[cloudlet])
        return rate / (2 * (1 - min(load, 0.9))) * (2 * backlog * busy + busy**2)

    def least_delay(self, request, options, now):
        world, rules, truth = self.world, self.world.constants, self.policy.demand == "true"
        payload, home = float(world.payload_gb[request]), world.home[request]
        scores = []
        for place, variant in options:
            size = self.size(request, variant)
            if place == self.reach:
                cell = min(int(now / rules.grid_s), len(world.congestion) - 1)
                extra = float(world.congestion[cell]) if truth else self.congestion(now)
                flying = len(self.twin.flying) * (1 + self.policy.priced) * rules.remote_load_s
                way = rules.remote_path_s + payload / rules.remote_payload_gb_s
                score = way + extra + flying + size / rules.remote_speed
            else:
                c = self.twin.cloudlet(request, place)
                backlog = max(self.twin.last_finish[c] - now, 0.0) if truth else self.backlog(c, now)
                net = float(world.net_s[home, place]) + payload / rules.payload_gb_s
                wait = max(net + self.pull(request, place, now), backlog)
                score = wait + size / float(world.speed[c])
                if self.policy.probing != "all" and variant == 0:
                    self.waits.setdefault((home, place), []).append((now, wait))
                if self.policy.priced:
                    score += self.price(c, backlog, score - backlog, now)
            scores.append(score + variant * rules.small_penalty_s)
        return options[scores.index(min(scores))]
