"""How long a dataset takes to load to device arrays, against the time Minari takes to iterate its episodes.

    python benchmarks/speed/loading.py [--episodes 1000] [--length 1000] [--repeats 5] [--format hdf5]

Makes a synthetic set (11 observation and 3 action numbers) in a temporary folder and prints the best of the repeats, in
lines like `loading, 1000000 steps: 0.90 x Minari`; the promise is at most 1.5.
"""

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

import jax
import numpy as np

from jaxrl.data import export, load
from jaxrl.data.dataset import Arrays, from_arrays


def synthetic(episodes: int, length: int) -> Arrays:
    """Random steps in episodes of one length that are all cut; obs [n, 11], action [n, 3]."""
    source, count = np.random.default_rng(0), episodes * length
    obs = source.standard_normal((count + 1, 11), dtype=np.float32)
    action = source.uniform(-1, 1, (count, 3)).astype(np.float32)
    last = np.arange(count) % length == length - 1
    reward = source.standard_normal(count, dtype=np.float32)
    return Arrays(obs[:-1], action, reward, obs[1:], np.zeros(count, bool), last, last)


def make(dataset_id: str, arrays: Arrays, root: Path, layout: str) -> None:
    """Write the set in HDF5 through `export`, or in Arrow through Minari itself."""
    if layout == "hdf5":
        export.write(dataset_id, arrays, root=root)
        return
    import minari

    spaces = export.spaces_of(arrays, None, None, None)
    options = {"observation_space": spaces[0], "action_space": spaces[1], "data_format": layout}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        minari.create_dataset_from_buffers(dataset_id, export.buffers(arrays, *spaces), **options)


def iterated(path: Path) -> int:
    """Steps seen while Minari reads every episode."""
    import minari

    return sum(len(episode.rewards) for episode in minari.MinariDataset(path / "data").iterate_episodes())


def loaded(dataset_id: str) -> int:
    """Steps on the device after the whole way from id to Dataset."""
    dataset = from_arrays(load.scaled(load.read(dataset_id, download=False))[0])
    return jax.block_until_ready(dataset).last.shape[0]


def seconds(function, argument) -> float:
    """Time of one call."""
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


def main() -> None:
    """Make the set, time both, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--format", choices=("hdf5", "arrow"), default="hdf5")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        make("speed/loading-v0", synthetic(chosen.episodes, chosen.length), Path(folder), chosen.format)
        path = Path(folder) / "speed/loading-v0"
        loaded("speed/loading-v0")  # starts the backend and compiles the transfers, once a process
        pairs = [(seconds(loaded, "speed/loading-v0"), seconds(iterated, path)) for _ in range(chosen.repeats)]
    ours, theirs = (min(times) for times in zip(*pairs, strict=True))
    steps = chosen.episodes * chosen.length
    print(f"loading, {steps} steps, {chosen.format}: ours {ours:.2f} s, Minari's iteration {theirs:.2f} s")
    print(f"loading, {steps} steps: {ours / theirs:.2f} x Minari")


if __name__ == "__main__":
    main()
