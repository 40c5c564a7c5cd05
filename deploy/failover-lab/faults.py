"""The faults: how each is put in place, when the cluster has dealt with it, and how all of them are taken away."""

import dataclasses
import errno
import os
import signal
import subprocess
from collections.abc import Callable

import cluster
import nodes
from cluster import View
from layout import ETCD_CLIENT_PORT, ETCD_PEER_PORT, NODES, POSTGRES_PORT, LabError, Layout, as_postgres, inside, run

TABLE = "handoff_lab"  # the one nftables table a fault makes, inside a node's own namespace
BALLAST = "ballast"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One kind of fault. `victim` is chosen from the view before it; `place` does it to that node."""

    text: str
    on: Callable[[View], str | None]
    place: Callable[[Layout, str], None]
    # Whether the cluster, as seen later, has dealt with what befell the victim. None: it never does, the fault is
    # simply held for `hold_seconds`.
    dealt_with: Callable[[Layout, str, View], bool] | None
    hold_seconds: int | None = None


def on_leader(seen: View) -> str | None:
    return seen.leader


def on_standby(seen: View) -> str | None:
    return seen.sync_standby


def another_leads(lab: Layout, victim: str, seen: View) -> bool:
    return seen.leader not in (None, victim) and cluster.serves_as_primary(lab, seen.leader)


def another_in_step(_lab: Layout, victim: str, seen: View) -> bool:
    return seen.sync_standby not in (None, victim)


def a_server_leads(lab: Layout, _victim: str, seen: View) -> bool:
    """Patroni's word is not enough here: for some seconds it still answers for a server that is gone."""
    return (seen.leader is not None and nodes.postmaster(lab, seen.leader) is not None
            and cluster.serves_as_primary(lab, seen.leader))


# ---- placing them ------------------------------------------------------------------------------

def kill9(_lab: Layout, node: str) -> None:
    nodes.send(nodes.processes(node, "patroni"), signal.SIGKILL)  # first, or it would start the server again
    nodes.send(nodes.processes(node, "postgres"), signal.SIGKILL)


def kill9_postgres(lab: Layout, node: str) -> None:
    pid = nodes.postmaster(lab, node)
    if pid is None:
        raise LabError(f"no server process on {node}")
    nodes.send([pid], signal.SIGKILL)


def freeze(_lab: Layout, node: str) -> None:
    nodes.send(nodes.processes(node, "patroni", "postgres"), signal.SIGSTOP)


def cut(node: str, *rules: str) -> None:
    """Drops packets in the node's own namespace; each rule names the chain and what is dropped there."""
    chains = {"input": [], "output": []}
    for rule in rules:
        chain, _, match = rule.partition(" ")
        chains[chain].append(f"    {match} drop")
    text = f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n"
    for chain, lines in chains.items():
        text += f"  chain {chain} {{\n    type filter hook {chain} priority 0; policy accept;\n"
        text += "\n".join(lines) + "\n  }\n"
    run(*inside(node, "nft", "-f", "-"), text=text + "}\n")


def cut_dcs(_lab: Layout, node: str) -> None:
    ports = f"{{ {ETCD_CLIENT_PORT}, {ETCD_PEER_PORT} }}"
    cut(node, *(f"{chain} {device} != \"lo\" tcp {end} {ports}"
                for chain, device in (("input", "iifname"), ("output", "oifname")) for end in ("sport", "dport")))


def cut_all(_lab: Layout, node: str) -> None:
    cut(node, "input iifname != \"lo\"", "output oifname != \"lo\"")


def cut_from_nodes(lab: Layout, node: str) -> None:
    others = ", ".join(lab.address(other) for other in NODES if other != node)
    cut(node, f"input ip saddr {{ {others} }}", f"output ip daddr {{ {others} }}")


def oneway(lab: Layout, node: str) -> None:
    cut(node, f"output ip daddr {lab.host_address} tcp sport {POSTGRES_PORT}")


def disk_full(lab: Layout, node: str) -> None:
    """Fills the data folder, then has the server write log until it needs a file that no longer fits."""
    path = lab.data_folder(node) / BALLAST
    with open(path, "wb") as ballast:
        piece = 64 * 1024 * 1024
        while piece >= 4096:
            try:
                os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, piece)
            except OSError as failed:
                if failed.errno != errno.ENOSPC:
                    raise
                piece //= 2
    burst = "SELECT pg_logical_emit_message(false, 'lab', repeat('x', 1000)), pg_switch_wal();\n" * WAL_FILES_BURST
    socket = str(lab.node_folder(node) / "socket")
    subprocess.run(as_postgres("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", socket, "-d", "postgres"), input=burst,
                   text=True, capture_output=True, cwd="/", timeout=WAL_BURST_SECONDS_MAX, check=False)


WAL_FILES_BURST = 20  # more files of 16 MiB than the server keeps for reuse under max_wal_size
WAL_BURST_SECONDS_MAX = 60

FAULTS = {
    "kill9": Fault("kill -9 of Patroni and every PostgreSQL process of the leader; nothing restarts them until healed",
                   on_leader, kill9, another_leads),
    "kill9-postgres": Fault("kill -9 of the leader's server process alone; its Patroni lives and may restart it",
                            on_leader, kill9_postgres, a_server_leads),
    "cut-dcs": Fault("the leader's node is cut from etcd on the others; clients and replication still reach it",
                     on_leader, cut_dcs, another_leads),
    "cut-replica": Fault("the standby in step is cut from everybody",
                         on_standby, cut_all, another_in_step),
    "isolate": Fault("the leader's node is cut from both others; clients still reach it, as in a split brain",
                     on_leader, cut_from_nodes, another_leads),
    "oneway": Fault("what the leader's server sends to clients is dropped: it applies, they hear nothing",
                    on_leader, oneway, None, hold_seconds=10),
    "sigstop": Fault("SIGSTOP of the leader's Patroni and PostgreSQL, SIGCONT after the time, like a frozen machine",
                     on_leader, freeze, None, hold_seconds=30),
    "disk-full": Fault("the leader's data folder is filled to the last byte",
                       on_leader, disk_full, another_leads),
}


def explanation() -> str:
    return "\n".join(f"  {name:<15} {fault.text}" for name, fault in FAULTS.items())


# ---- taking them away --------------------------------------------------------------------------

def lift(lab: Layout) -> None:
    """Takes every fault away and starts what is missing. Safe to repeat, and with no fault there."""
    for node in NODES:
        if nodes.namespace_exists(node):
            run(*inside(node, "nft", "delete", "table", "inet", TABLE), check=False)
            nodes.send(nodes.processes(node, "patroni", "postgres"), signal.SIGCONT)
        (lab.data_folder(node) / BALLAST).unlink(missing_ok=True)
    nodes.start_missing(lab)
