"""The cluster's side of the lab: who leads, who follows in step, and bringing it up, to health and down."""

import csv
import dataclasses
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import layout
import nodes
from layout import (ENVIRONMENT, NODES, PATRONI_PORT, LabError, Layout, as_postgres, run, wait_until)

UP_SECONDS_MAX = 240
ANSWER_SECONDS_MAX = 3
SETTLE_EXTRA_SECONDS = 2
CATCH_UP_SECONDS_MAX = 60
LAST_WORDS_LINES = 8


@dataclasses.dataclass(frozen=True)
class View:
    """What etcd holds of the cluster, as one Patroni told it."""

    leader: str | None
    sync_standby: str | None
    members: tuple[dict, ...]

    def well(self, synchronous: bool) -> bool:
        """A leader, a standby in step with it, and every node running on the same timeline."""
        return (self.leader is not None
                and (self.sync_standby is not None or not synchronous)
                and len(self.members) == len(NODES)
                and all(member["state"] in ("running", "streaming") for member in self.members)
                and len({member.get("timeline") for member in self.members}) == 1)

    def line(self) -> str:
        return ", ".join(f"{member['name']} {member['role']} {member['state']}, timeline {member.get('timeline')}, "
                         f"lag {member.get('lag', '-')}" for member in self.members) or "nothing"


NOBODY = View(None, None, ())


def view(lab: Layout, ask: tuple[str, ...] = NODES) -> View:
    """Asks one node after the other until one answers; under a fault, only those it left alone should be asked."""
    for node in ask:
        try:
            url = f"http://{lab.address(node)}:{PATRONI_PORT}/cluster"
            with urllib.request.urlopen(url, timeout=ANSWER_SECONDS_MAX) as answer:
                members = json.load(answer)["members"]
        except (OSError, ValueError, KeyError, urllib.error.URLError):
            continue
        by_role = {member["role"]: member["name"] for member in members}
        return View(by_role.get("leader"), by_role.get("sync_standby"), tuple(members))
    return NOBODY


def serves_as_primary(lab: Layout, node: str) -> bool:
    """What HAProxy asks, asked here."""
    try:
        url = f"http://{lab.address(node)}:{PATRONI_PORT}/primary"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS_MAX) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def primaries(lab: Layout) -> list[str]:
    """The nodes HAProxy sends writers to, from its own table: one, or none in an outage, never two."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS_MAX)
            connection.connect(str(lab.folder / "haproxy.sock"))
            connection.sendall(b"show stat\n")
            rows = csv.DictReader(connection.makefile())
            return [row["svname"] for row in rows if row["svname"] in NODES and row["status"].startswith("UP")]
    except OSError:
        return []


def leader(lab: Layout) -> str:
    found = view(lab).leader
    if not found:
        raise LabError("no leader just now; try `status`, then `heal`")
    return found


def standbys_at_writer_port(lab: Layout) -> tuple[int, int] | None:
    """By the service's own way in, through HAProxy: standbys that stream, and those in step; None without a primary."""
    question = ("SELECT count(*) FILTER (WHERE state = 'streaming'), count(*) FILTER (WHERE sync_state IN ('sync', "
                "'quorum')) FROM pg_stat_replication HAVING NOT pg_is_in_recovery()")
    try:
        answer = run("psql", "-XqAt", "-d", f"{lab.url}?connect_timeout=3", "-c", question, check=False, seconds=10)
    except LabError:
        return None
    streaming, _, in_step = answer.stdout.strip().partition("|")
    return (int(streaming), int(in_step)) if in_step else None


def superuser(lab: Layout, node: str, text: str, database: str = "postgres", seconds: float = 30) -> str:
    """Runs SQL on one node as its superuser, past HAProxy and past any cut."""
    folder = str(lab.node_folder(node) / "socket")
    return run(*as_postgres("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", folder, "-d", database),
               text=text, seconds=seconds).stdout.strip()


def wait_healthy(lab: Layout, seconds: float) -> View:
    """Waits until all is well and stays so for one turn of Patroni's loop.

    One node's word is not enough: a node just healed may still hold an old view in which it leads.
    """
    settle = lab.profile.loop_wait + SETTLE_EXTRA_SECONDS
    well_since: list[float] = []

    def healthy() -> View | None:
        seen, standbys = agreed_view(lab), standbys_at_writer_port(lab)
        if seen is None or standbys is None or standbys[0] < len(NODES) - 1 or standbys[1] < int(lab.synchronous):
            well_since.clear()
            return None
        well_since.append(time.monotonic())
        return seen if well_since[-1] - well_since[0] >= settle else None

    try:
        return wait_until("all nodes agreed on a leader that all standbys follow", healthy, seconds, every=2.0)
    except LabError as failed:
        raise LabError("\n".join([str(failed), f"HAProxy sends to {primaries(lab)}",
                                  *(f"{node} says: {view(lab, (node,)).line()}" for node in NODES)])) from None


def agreed_view(lab: Layout) -> View | None:
    """The view, if every node has the same one, all is well in it, and HAProxy sends to that leader alone."""
    views = [view(lab, (node,)) for node in NODES]
    same = {(seen.leader, seen.sync_standby) for seen in views}
    if len(same) == 1 and all(seen.well(lab.synchronous) for seen in views) and primaries(lab) == [views[0].leader]:
        return views[0]
    return None


def differing_tables(lab: Layout) -> list[str]:
    """Tables of the service that are not the same on all nodes, once all have replayed what the leader has written.

    Only while nothing writes. Two nodes that both led for a while under one timeline number are found so: nothing in
    PostgreSQL's replication compares what they hold.
    """
    head = leader(lab)
    written = superuser(lab, head, "SELECT pg_current_wal_flush_lsn()")
    followers = [node for node in NODES if node != head]
    for node in followers:
        wait_until(f"{node} up to {written}", lambda: superuser(
            lab, node, f"SELECT pg_last_wal_replay_lsn() >= '{written}'") == "t", CATCH_UP_SECONDS_MAX)
    tables = superuser(lab, head, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT "
                       "IN ('pg_catalog', 'information_schema') ORDER BY 1", database="handoff").splitlines()

    def content(node: str, table: str) -> str:
        return superuser(lab, node, f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {table} t",
                         database="handoff")

    return [f"{table} on {node}" for table in tables for node in followers
            if content(node, table) != content(head, table)]


# ---- up and down -------------------------------------------------------------------------------

def demand_nothing_left(lab: Layout) -> None:
    if lab.folder.exists() or any(nodes.namespace_exists(node) for node in NODES):
        raise LabError(f"a lab, or what is left of one, is there already ({lab.folder}); `down` removes it")


def up(lab: Layout) -> str:
    """Makes everything and returns once the service could start; says on which kind of file system."""
    lab.folder.mkdir(parents=True, mode=0o755)
    lab.save()
    nodes.make_network(lab)
    kind = nodes.make_folders(lab)
    nodes.write_configuration(lab)
    nodes.start_missing(lab)
    first = wait_until("a first leader", lambda: view(lab).leader, UP_SECONDS_MAX, every=1.0)
    wait_until("a primary that takes writes", lambda: serves_as_primary(lab, first), UP_SECONDS_MAX, every=1.0)
    make_role_and_database(lab)
    wait_healthy(lab, UP_SECONDS_MAX)
    return kind


def make_role_and_database(lab: Layout) -> None:
    """Under strict synchronous mode these wait for the first standby, so the limit is that of coming up."""
    superuser(lab, leader(lab), "CREATE ROLE handoff LOGIN;\nGRANT pg_monitor TO handoff;\n"
              "CREATE DATABASE handoff OWNER handoff;\n", seconds=UP_SECONDS_MAX)


def down(folder) -> None:
    nodes.stop_everything(folder)
    if folder.exists():
        if not (folder / "lab.json").exists():
            raise LabError(f"{folder} was not made by this lab; left alone")
        nodes.remove_folders(folder)
    nodes.remove_network()


def print_last_words(lab: Layout) -> None:
    """The end of every log, for whoever has to find out why; `down` removes the logs."""
    for log in sorted(lab.folder.glob("**/*.log")):
        print(f"---- {log.relative_to(lab.folder)}", file=sys.stderr)
        print("\n".join(log.read_text(errors="replace").splitlines()[-LAST_WORDS_LINES:]), file=sys.stderr)


# ---- status ------------------------------------------------------------------------------------

def status(lab: Layout) -> dict:
    seen = view(lab)
    return {
        "url": lab.url,
        "profile": lab.profile.__dict__,
        "synchronous": lab.synchronous,
        "etcd_api": lab.etcd_api,
        "leader": seen.leader,
        "sync_standby": seen.sync_standby,
        "healthy": agreed_view(lab) is not None,
        "primaries_in_proxy": primaries(lab),
        "standbys_streaming_and_in_step": standbys_at_writer_port(lab),
        "members": list(seen.members),
        "processes": {
            node: {name: len(nodes.processes(node, name)) for name in ("etcd", "patroni", "postgres")}
            | {"stopped": sum(nodes.process_state(pid) == "T" for pid in nodes.processes(node))}
            for node in NODES
        },
        "haproxy": nodes.haproxy_process(lab.folder) is not None,
    }


def patronictl_list(lab: Layout) -> str:
    configuration = str(lab.node_folder(NODES[0]) / "patroni.yml")
    try:
        listed = subprocess.run(["patronictl", "-c", configuration, "list"], capture_output=True, text=True,
                                env=ENVIRONMENT, cwd="/", timeout=layout.PROGRAM_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return "patronictl gave no answer"
    return (listed.stdout or listed.stderr).strip()
