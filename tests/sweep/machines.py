"""A Ray cluster on this machine for the cluster tests: `python -m tests.sweep.machines NODES`.

Prints its address, then obeys lines: `end PID` removes the node on which that process runs, and prints how many are
left; `lose` ends the head; the end of the input ends everything.
"""

import os
import sys

STORE = 100 * 2**20


def parents(process: int) -> set[int]:
    """A process and those that it descends from."""
    found = set()
    while process > 1:
        found.add(process)
        with open(f"/proc/{process}/stat") as file:
            process = int(file.read().rsplit(")", 1)[1].split()[1])
    return found


def raylet(node) -> int:
    """The process that runs a node."""
    return node.all_processes["raylet"][0].process.pid


def main(count: int) -> None:
    """Start a head without CPUs and nodes of one CPU each; obey until the input ends."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
    from ray.cluster_utils import Cluster

    cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE})
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        print(cluster.address, flush=True)
        for line in sys.stdin:
            word, *rest = line.split()
            if word == "lose":
                cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
                print("lost", flush=True)
            else:
                (node,) = [one for one in cluster.worker_nodes if raylet(one) in parents(int(rest[0]))]
                cluster.remove_node(node, allow_graceful=False)
                print(len(cluster.worker_nodes), flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
