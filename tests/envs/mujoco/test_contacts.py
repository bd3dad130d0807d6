"""Contacts that we find as MuJoCo does, in random poses."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from jaxrl.envs.mujoco import contacts, mjx

POSES = 300
XML = """<mujoco><worldbody>{}
<body><freejoint/><geom type="capsule" size="0.05 0.2" margin="0.1"/></body></worldbody></mujoco>"""
PLANE = '<geom type="plane" size="1 1 1" margin="0.1"/>'
CYLINDER = '<geom type="cylinder" size="0.3 0.1" margin="0.1"/>'


def poses(height: float) -> np.ndarray:
    """Places and turns of the capsule [POSES, 7]."""
    draws = np.random.default_rng(0)
    turns = draws.normal(size=(POSES, 4))
    turns[::5, 1:3] *= 1e-2  # nearly upright
    places = draws.uniform(-0.5, 0.5, (POSES, 3)) + [0, 0, height]
    return np.concatenate([places, turns / np.linalg.norm(turns, axis=1, keepdims=True)], 1)


def found(geometry: str, height: float):
    """(MuJoCo's contacts, ours) of every pose: lists of (distance, place, frame), nearest first."""
    model = mujoco.MjModel.from_xml_string(XML.format(geometry))
    data, theirs, qpos = mujoco.MjData(model), [], poses(height)
    for row in qpos:
        data.qpos[:] = row
        mujoco.mj_forward(model, data)
        theirs.append([(one.dist, one.pos.copy(), one.frame.reshape(3, 3).copy()) for one in data.contact])
    engine, (device, blank) = mjx.engine(), mjx.on_device("Mine", model)

    def collide(row):
        known = engine.kinematics(device, blank.replace(qpos=row))
        return engine.collision(device, engine.com_pos(device, known))._impl.contact

    with mjx.physics():
        seen = jax.jit(jax.vmap(collide))(jnp.asarray(qpos, jnp.float32))
    rows = zip(*(np.asarray(field) for field in (seen.dist, seen.pos, seen.frame, seen.includemargin)), strict=True)
    ours = [[c[:3] for c in zip(*row, strict=True) if c[0] < c[3]] for row in rows]
    order = lambda sets: [sorted(one, key=lambda contact: contact[0]) for one in sets]
    return order(theirs), order(ours)


@pytest.mark.parametrize(("geometry", "height", "most"), [(PLANE, 0.2, 2), (CYLINDER, 0.0, 1)])
def test_contacts_are_mujocos(geometry, height, most):
    theirs, ours = found(geometry, height)
    counts = [len(one) for one in theirs]
    assert counts.count(0) > 20 and counts.count(most) > 20
    compared = 0
    for one, other in zip(theirs, ours, strict=True):
        if geometry is CYLINDER and (len(one) == 2 or any(contact[0] < -0.045 for contact in one + other)):
            continue  # the capsule lies flat on the lid, or its axis has entered the cylinder: said in the docstring
        assert len(one) == len(other)
        for (distance, place, frame), (mine, at, turned) in zip(one, other, strict=True):
            compared += 1
            assert abs(distance - mine) < 2e-5
            np.testing.assert_allclose(place, at, atol=2e-3 if geometry is CYLINDER else 1e-5)
            np.testing.assert_allclose(frame[0], turned[0], atol=1e-3)
            np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-5)
            if geometry is PLANE:
                np.testing.assert_allclose(frame, turned, atol=1e-4)
    assert compared > 60


def test_mjx_itself_is_left_as_it_was():
    driver = mjx.engine()._src.collision_driver
    before = dict(driver._COLLISION_FUNC)
    with contacts.as_in_mujoco(driver):
        changed = [pair for pair in before if driver._COLLISION_FUNC[pair] is not before[pair]]
    assert len(changed) == 2 and before == driver._COLLISION_FUNC


def test_distance_to_a_cylinder_inside_and_out():
    points = jnp.array([[0.0, 0.0, 0.05], [0.25, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.3, 0.5], [0.6, 0.0, -0.5]])
    distance, outward = jax.vmap(lambda point: contacts.outwards(point, 0.3, 0.1))(points)
    np.testing.assert_allclose(distance, [-0.05, -0.05, 0.7, 0.4, 0.5], atol=1e-6)
    directions = [[0, 0, 1], [1, 0, 0], [0.6, 0.8, 0], [0, 0, 1], [0.6, 0, -0.8]]
    np.testing.assert_allclose(outward, directions, atol=1e-6)
