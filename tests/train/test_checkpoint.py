"""Trees on disk: what was saved comes back, nothing half-written is left, and what does not fit is refused."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import orbax.checkpoint
import pytest

from jaxrl.core.check import InputError
from jaxrl.train import checkpoint


class State(NamedTuple):
    params: dict
    step: jax.Array


STATE = State({"actor": jnp.arange(3.0), "critic": ()}, jnp.int32(7))
ZERO = jax.tree.map(jnp.zeros_like, STATE)


def test_what_was_saved_comes_back(tmp_path):
    checkpoint.save(tmp_path / "a" / "b", STATE)
    found = checkpoint.restore(tmp_path / "a" / "b", ZERO)
    assert jax.tree.structure(found) == jax.tree.structure(STATE)
    assert found.params["actor"].tolist() == [0, 1, 2] and int(found.step) == 7
    checkpoint.save(tmp_path / "a" / "b", STATE._replace(step=jnp.int32(8)))
    assert int(checkpoint.restore(tmp_path / "a" / "b", ZERO).step) == 8
    assert [one.name for one in (tmp_path / "a").iterdir()] == ["b"]


def test_a_full_disk_leaves_the_last_one_and_nothing_else(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "b", STATE)

    def full(*anything):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(orbax.checkpoint.StandardCheckpointer, "save", full)
    with pytest.raises(InputError, match=r"checkpoint .*b cannot be written .*No space left on device.*; free space"):
        checkpoint.save(tmp_path / "b", ZERO)
    assert int(checkpoint.restore(tmp_path / "b", ZERO).step) == 7
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(
    "like", [ZERO._replace(params={"actor": jnp.zeros(4), "critic": ()}), ZERO.params, (*ZERO, ZERO.step)]
)
def test_a_snapshot_of_something_else_is_refused_in_one_line(tmp_path, like):
    checkpoint.save(tmp_path / "b", STATE)
    with pytest.raises(InputError, match="does not fit") as error:
        checkpoint.restore(tmp_path / "b", like)
    assert "\n" not in str(error.value)


def test_a_missing_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="none does not exist"):
        checkpoint.restore(tmp_path / "none", ZERO)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty cannot be read"):
        checkpoint.restore(tmp_path / "empty", ZERO)
