# %% [markdown]
# # jaxrl in ten cells
# A task, an algorithm as pure functions, a sweep in one compiled call, a policy to take home.
# Sizes are small; `JAXRL_TINY=1` makes them tiny (the tests run this file that way).

# %%
import os

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl

TINY = bool(os.environ.get("JAXRL_TINY"))
UPDATES, SEEDS = (40, 2) if TINY else (5_000, 5)

# %% [markdown]
# A task is an environment and a dataset that lies on the device. Embedded ones are built on first use.

# %%
task = jaxrl.load("embedded/pointmaze-umaze-medium-replay-v0")
print(task.env.spec)
print({name: leaf.shape for name, leaf in task.dataset.steps._asdict().items() if name != "extras"})
print(task.references)

# %% [markdown]
# An algorithm is four pure functions. Its numbers are a record, passed at every call, so all of it can be traced.

# %%
algo = jaxrl.make("td3_bc", task.env.spec, width=64)
hyper = jaxrl.cards()["td3_bc"].hyper(q_scale=2.5)
state = algo.init(jax.random.key(0), hyper)
batch = jax.tree.map(lambda leaf: leaf[:128], task.dataset.steps)
state, metrics = jax.jit(algo.update)(jax.random.key(1), hyper, state, batch)
print(jax.tree.map(float, metrics))

# %% [markdown]
# So `vmap` maps over seeds, or over any number of the record.

# %%
scales = jaxrl.grid("td3_bc", q_scale=[0.5, 2.5, 10.0])
states = jax.vmap(lambda hyper: algo.init(jax.random.key(0), hyper))(scales)
states, metrics = jax.vmap(algo.update, (None, 0, 0, None))(jax.random.key(1), scales, states, batch)
print(metrics["critic"]["loss"])

# %% [markdown]
# A whole experiment: three records times the seeds, trained and evaluated in one compiled call.

# %%
small = {"width": 64, "batch": 128}
result = jaxrl.sweep(
    "td3_bc", task, hypers=jaxrl.grid("td3_bc", q_scale=[0.5, 2.5, 10.0], critic_lr=[1e-3], actor_lr=[1e-3]),
    seeds=SEEDS, updates=UPDATES, evaluate_every=UPDATES // 4, episodes=20, **small,
)  # fmt: skip
print(result.scores.shape, "[hypers, seeds, checkpoints]")
print(np.round(result.scores[..., -1].mean(1), 1), "mean score by q_scale")

# %% [markdown]
# The policy of one member takes raw observations and gives actions in the environment's own units.

# %%
policy = result.policy(hyper=1, seed=0)
obs = jnp.zeros((3, task.env.spec.obs))
print(policy(obs))

# %% [markdown]
# Behaviour cloning beside it.

# %%
cloned = jaxrl.sweep("bc", task, seeds=SEEDS, updates=UPDATES, evaluate_every=UPDATES, episodes=20, **small)
print("BC", np.round(cloned.scores[0, :, -1], 1))
print("TD3+BC", np.round(result.scores[1, :, -1], 1))
