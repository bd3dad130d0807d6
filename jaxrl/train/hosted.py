"""Online training in environments on the host: physics there, everything else in compiled calls for all members."""

import functools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.tree import counters
from jaxrl.core.types import Algorithm, Experience, HostEnv, Spec, Transition, blank_batch, first_steps
from jaxrl.envs.adapters.machines import physical, several
from jaxrl.train.driver import Compiled, Resume, Stretch, common_counters, copied
from jaxrl.train.fit import SETUP, SOUND, Progress, Tally, improve, settled

ACTING = 2**31 - 4
"""Folded into a member's key for its exploring; updates fold their counts into the same key."""


class Program(NamedTuple):
    """Compiled pieces for S members with N environments each; what is given to `walk` and `learn` is donated.

    begin: (keys, hypers) -> (Progress, Tally). act: (keys, hypers, Progress, obs [S, N, D], time) -> (actions,
    log-probabilities, or zeros).
    walk: (Progress, steps [S, N, ...]) -> Progress. learn: (keys, hypers, Progress, Tally) -> the last two.
    """

    experience: Experience
    begin: Compiled
    act: Compiled
    walk: Compiled
    learn: Compiled

    @property
    def seconds(self) -> float:
        """Time spent compiling so far."""
        return sum(piece.seconds for piece in self[1:])


def program(learner: Algorithm, spec: Spec, experience: Experience) -> Program:
    """Training of many members on experience from the host. InputError for a way of gathering that needs JAX."""
    buffer = experience.buffer
    row = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), blank_batch(spec, 1))
    row = row._replace(extras={"log_prob": jnp.zeros(())}) if experience.densities else row

    def begin(keys, hypers):
        def one(key, hyper):
            k_state = jax.random.split(jax.random.fold_in(key, SETUP))[0]
            state, zero = learner.init(k_state, hyper), jnp.zeros((), jnp.int32)
            return Progress(state, buffer.init(row), zero, diverged=jnp.int32(SOUND))

        progress = common_counters(jax.vmap(one)(keys, hypers))
        metrics = jax.eval_shape(lambda p: over(_draw_and_improve)(keys, hypers, p)[1], progress)
        return progress, Tally.like(metrics)

    def _draw_and_improve(key, hyper, progress):
        k_draw, k_update = jax.random.split(jax.random.fold_in(key, progress.step))
        feed, batch = buffer.draw(k_draw, progress.feed)
        return improve(k_update, learner, hyper, progress._replace(feed=feed), batch, buffer.observe)

    def over(one):
        def every(keys, hypers, progress):
            axes = counters(progress)
            return jax.vmap(one, (0, 0, axes), (axes, 0))(keys, hypers, progress)

        return every

    def act(keys, hypers, progress, obs, time):
        def one(key, hyper, state, obs):
            k_act = jax.random.fold_in(jax.random.fold_in(key, ACTING), time)
            policy = learner.explore(hyper, state)
            action, _ = policy.act(k_act, first_steps(obs), ())
            # A member that diverged must not stop the others.
            action = jnp.where(jnp.isfinite(action), action, jnp.zeros_like(action))
            return action, policy.log_prob(obs, action) if experience.densities else jnp.zeros(obs.shape[:-1])

        return jax.vmap(one, (0, 0, counters(progress.state), 0))(keys, hypers, progress.state, obs)

    def walk(progress, steps):
        axes = counters(progress.feed)
        return progress._replace(feed=jax.vmap(buffer.add, (axes, 0), axes)(progress.feed, steps))

    def learn(keys, hypers, progress, tally):
        progress, metrics = over(_draw_and_improve)(keys, hypers, progress)
        return progress, tally.add(metrics)

    return Program(
        experience, Compiled(begin), Compiled(act), Compiled(walk, donate=(0,)), Compiled(learn, donate=(2, 3))
    )


class Walkers:
    """S members with N environments each, under way on the host. An episode's start depends on its member's seed, its
    place, its number and `attempt` only."""

    def __init__(self, env: HostEnv, seeds: Sequence[int], envs: int, densities: bool = False, attempt: int = 0):
        self.env, self.seeds, self.shape, self.densities = env, list(seeds), (len(seeds), envs), densities
        self.attempt = attempt
        self.machines = several(env, len(seeds) * envs)
        self.draws = [np.random.default_rng([seed, 1, attempt]) for seed in self.seeds]
        self.episodes = np.zeros(self.shape[0] * envs, int)
        self.lengths = np.zeros(len(self.episodes), int)
        self.raw = np.zeros((len(self.episodes), env.spec.obs), np.float32)
        self._start(np.arange(len(self.episodes)))

    @property
    def obs(self) -> np.ndarray:
        """What the policies see, [S, N, D]."""
        return np.asarray(self.env.observe(self.raw)).reshape(*self.shape, -1)

    def random(self) -> tuple[np.ndarray, np.ndarray]:
        """Uniformly random actions [S, N, ...], within [-1, 1] or classes, and their log-probabilities [S, N]."""
        spec = self.env.spec
        if spec.discrete:
            actions = np.stack([draw.integers(spec.action, size=self.shape[1]) for draw in self.draws]).astype(np.int32)
            flat = -np.log(spec.action)
        else:
            size = self.shape[1], spec.action
            actions = np.stack([draw.uniform(-1, 1, size) for draw in self.draws]).astype(np.float32)
            flat = -spec.action * np.log(2.0)
        return actions, np.full(self.shape, flat, np.float32)

    def step(self, actions: np.ndarray, log_prob: np.ndarray) -> Transition:
        """One step of all, [S, N, ...]; an environment whose episode is over stands at a new start afterwards.

        InputError for actions that are not finite.
        """
        before, every = self.obs, np.arange(len(self.episodes))
        if not np.isfinite(actions).all():
            raise InputError(f"a policy's action in {self.env.spec.name} is not finite; lower its step sizes")
        commands = physical(self.env.spec, actions.reshape(len(every), *actions.shape[2:]))
        after, reward, terminated, truncated = self.machines.step(every, commands)
        self.lengths += 1
        truncated = truncated | (self.lengths >= self.env.spec.horizon)
        self.raw = np.asarray(after, np.float32)
        seen = self.obs
        self._start(np.flatnonzero(terminated | truncated))
        flat = [np.asarray(x, np.float32).reshape(self.shape) for x in (reward, terminated, truncated)]
        extras = {"log_prob": log_prob} if self.densities else {}
        return Transition(before, actions, flat[0], seen, actions, flat[1], flat[2], np.ones_like(flat[0]), extras)

    def _start(self, indices: np.ndarray) -> None:
        if not len(indices):
            return
        place = lambda i: [self.seeds[i // self.shape[1]], i % self.shape[1], self.episodes[i], self.attempt, 7]
        words = [np.random.SeedSequence(place(i)) for i in indices]
        self.raw = self.raw.copy()
        self.raw[indices] = self.machines.reset(indices, [int(word.generate_state(1)[0]) for word in words])
        self.episodes[indices] += 1
        self.lengths[indices] = 0

    def close(self) -> None:
        """Close the environments."""
        self.machines.close()


def drive(
    program: Program,
    keys,
    hypers,
    env: HostEnv,
    seeds: Sequence[int],
    checkpoints: list[int],
    resume: Resume | None = None,
) -> Iterator[Stretch]:
    """Train S members side by side, as `train.driver.drive` does; yields after each checkpoint (a count of updates).

    A run that goes on from a stored Progress begins new episodes, since the host's environments are not stored.
    """
    spent, gather = program.seconds, program.experience
    progress, tally = program.begin(keys, hypers)
    reached = 0
    if resume:
        (_, progress), reached = resume.load(({}, progress)), resume.update
    walkers = Walkers(env, seeds, gather.envs, gather.densities, reached)
    try:
        began, passed = time.perf_counter(), reached * gather.per
        for _ in range(0 if reached else gather.first):
            progress = program.walk(progress, walkers.step(*walkers.random()))
        for update in (one for one in checkpoints if one > reached):
            before, held = program.seconds, copied(progress.state)
            for _ in range(reached, update):
                for _ in range(gather.per):
                    chosen = program.act(keys, hypers, progress, walkers.obs, jnp.int32(passed))
                    progress = program.walk(progress, walkers.step(*map(np.asarray, chosen)))
                    passed += 1
                progress, tally = program.learn(keys, hypers, progress, tally)
            progress, alive = _settled(progress, held)
            metrics, alive = jax.device_get((tally.means(), alive))
            now, after = time.perf_counter(), program.seconds
            yield Stretch(update, progress, metrics, alive, now - began - (after - before), after - spent)
            began, reached, spent = time.perf_counter(), update, after
            tally = jax.tree.map(jnp.zeros_like, tally)
    finally:
        walkers.close()


@functools.partial(jax.jit)
def _settled(progress: Progress, before):
    axes = counters(progress)
    return jax.vmap(settled, (axes, axes.state), (axes, 0))(progress, before)
