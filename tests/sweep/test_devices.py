"""Members shared out among devices and processes: what one device brings, all of them bring."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.sweep import spread_out


@pytest.fixture(scope="module")
def alone():
    return spread_out.sweeps()


def start(devices, *arguments):
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-m", "tests.sweep.spread_out", *map(str, arguments)]
    return subprocess.Popen(command, env={**os.environ, **flags}, stderr=subprocess.PIPE, text=True)


def check_same(found, alone):
    assert set(found.files) - {"devices", "processes"} == set(alone)
    for name, value in alone.items():
        if value.dtype.kind == "U" or "diverged" in name:
            np.testing.assert_array_equal(found[name], value, err_msg=name)
        else:
            np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_eight_devices_bring_what_one_brings(alone, tmp_path):
    process = start(8, tmp_path / "eight.npz")
    _, error = process.communicate()
    assert process.returncode == 0, error[-2000:]
    found = np.load(tmp_path / "eight.npz")
    assert int(found["devices"]) == 8
    check_same(found, alone)


@pytest.mark.slow
def test_two_processes_of_two_devices_bring_what_one_brings(alone, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = [start(2, tmp_path / f"{i}.npz", address, 2, i) for i in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], "".join(errors)[-3000:]
    for i in range(2):
        found = np.load(tmp_path / f"{i}.npz")
        assert (int(found["devices"]), int(found["processes"])) == (2, 2)
        check_same(found, alone)
