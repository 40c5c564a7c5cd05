"""The machine's side of a node: network, data folder, configuration and processes, and their removal."""

import errno
import ipaddress
import json
import os
import pathlib
import secrets
import shutil
import signal
import time

import layout
from layout import (BRIDGE, DATA_BYTES, ETCD_CLIENT_PORT, ETCD_PEER_PORT, NODES, PATRONI_PORT, POSTGRES_PORT,
                    WRITER_PORT, LabError, Layout, as_postgres, inside, namespace, run)

STOP_SECONDS_MAX = 10
# A busy machine answers late: etcd's own 100 ms and 1000 ms would change its leader under load.
ETCD_HEARTBEAT_MS = 250
ETCD_ELECTION_MS = 2500


# ---- network -----------------------------------------------------------------------------------

def make_network(lab: Layout) -> None:
    network = ipaddress.ip_network(lab.network)
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "all").stdout or "[]"):
        if route["dst"] != "default" and ipaddress.ip_network(route["dst"], strict=False).overlaps(network):
            raise LabError(f"{lab.network} is in use here ({route['dst']}); choose another with --network")
    width = network.prefixlen
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{lab.host_address}/{width}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    for node in NODES:
        outside, within = f"{BRIDGE}-{node}", "eth0"
        run("ip", "netns", "add", namespace(node))
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", within, "netns", namespace(node))
        run("ip", "link", "set", outside, "master", BRIDGE, "up")
        run("ip", "-n", namespace(node), "link", "set", "lo", "up")
        run("ip", "-n", namespace(node), "address", "add", f"{lab.address(node)}/{width}", "dev", within)
        run("ip", "-n", namespace(node), "link", "set", within, "up")


def remove_network() -> None:
    # Links first: those inside a deleted namespace would go some time later, and their names be taken until then.
    for link in (*(f"{BRIDGE}-{node}" for node in NODES), BRIDGE):
        if pathlib.Path(f"/sys/class/net/{link}").exists():
            run("ip", "link", "delete", link)
    for node in NODES:
        if namespace_exists(node):
            run("ip", "netns", "delete", namespace(node))


def namespace_exists(node: str) -> bool:
    return pathlib.Path(f"/run/netns/{namespace(node)}").exists()


# ---- folders -----------------------------------------------------------------------------------

def make_folders(lab: Layout) -> str:
    """One folder per node, its data on a file system of its own; says of which kind."""
    kind = "ext4 in a file"
    for node in NODES:
        folder, data = lab.node_folder(node), lab.data_folder(node)
        for part in (folder, data, folder / "socket", folder / "etcd"):
            part.mkdir()
            shutil.chown(part, "postgres", "postgres")
        folder.chmod(0o755)
        (folder / "etcd").chmod(0o700)
        image = folder / "data.img"
        with open(image, "wb") as file:
            file.truncate(DATA_BYTES)
        run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        if run("mount", "-o", "loop,nosuid,nodev", str(image), str(data), check=False).returncode != 0:
            image.unlink()
            kind = "tmpfs, for want of a loop device: a sync costs nothing there"
            run("mount", "-t", "tmpfs", "-o", f"size={DATA_BYTES},nosuid,nodev", "hlab", str(data))
        shutil.chown(data, "postgres", "postgres")
        (data / "pgdata").mkdir(mode=0o700)
        shutil.chown(data / "pgdata", "postgres", "postgres")
    return kind


def remove_folders(folder: pathlib.Path) -> None:
    for node in NODES:
        data = folder / node / "data"
        if data.is_mount():
            layout.wait_until(f"unmounting {data}", lambda: run("umount", str(data), check=False).returncode == 0,
                              STOP_SECONDS_MAX)
    shutil.rmtree(folder)


# ---- configuration -----------------------------------------------------------------------------

def write_configuration(lab: Layout) -> None:
    passwords = {role: secrets.token_hex(16) for role in ("postgres", "replicator", "rewinder")}
    for node in NODES:
        path = lab.node_folder(node) / "patroni.yml"
        path.touch(mode=0o600)
        path.write_text(json.dumps(patroni_configuration(lab, node, passwords), indent=2) + "\n")  # JSON is YAML
        shutil.chown(path, "postgres", "postgres")
    (lab.folder / "haproxy.cfg").write_text(haproxy_configuration(lab))


def patroni_configuration(lab: Layout, node: str, passwords: dict[str, str]) -> dict:
    address, profile = lab.address(node), lab.profile
    return {
        "scope": "handoff-lab",
        "name": node,
        "restapi": {"listen": f"{address}:{PATRONI_PORT}", "connect_address": f"{address}:{PATRONI_PORT}"},
        {"v2": "etcd", "v3": "etcd3"}[lab.etcd_api]: {
            "hosts": [f"{lab.address(other)}:{ETCD_CLIENT_PORT}" for other in NODES]},
        "bootstrap": {
            "dcs": {
                "ttl": profile.ttl,
                "loop_wait": profile.loop_wait,
                "retry_timeout": profile.retry_timeout,
                "primary_start_timeout": profile.primary_start_timeout,
                "synchronous_mode": lab.synchronous,
                "synchronous_mode_strict": lab.synchronous,
                "postgresql": {
                    "use_pg_rewind": True,
                    "use_slots": True,
                    "parameters": shared_parameters(lab),
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, {"auth-local": "peer"},
                       {"auth-host": "scram-sha-256"}, "data-checksums"],
        },
        "postgresql": {
            "listen": f"{address}:{POSTGRES_PORT}",
            "connect_address": f"{address}:{POSTGRES_PORT}",
            "data_dir": str(lab.data_folder(node) / "pgdata"),
            "bin_dir": str(layout.postgres_programs()),
            "use_unix_socket": True,
            "pgpass": str(lab.node_folder(node) / "pgpass"),  # by default one file in the home all nodes share here
            "authentication": {
                "superuser": {"username": "postgres", "password": passwords["postgres"]},
                "replication": {"username": "replicator", "password": passwords["replicator"]},
                "rewind": {"username": "rewinder", "password": passwords["rewinder"]},
            },
            # The service's role is let in without a password, from the host's side of the bridge alone.
            "pg_hba": [
                "local all postgres peer",
                f"host handoff handoff {lab.host_address}/32 trust",
                f"host replication replicator {lab.network} scram-sha-256",
                f"host all rewinder,postgres {lab.network} scram-sha-256",
            ],
            "parameters": {"unix_socket_directories": str(lab.node_folder(node) / "socket")},
            # A former leader whose log cannot be rewound is copied anew, so that healing needs no person.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
        # Never a watchdog: all nodes share this machine, and a real device would restart it.
        "watchdog": {"mode": "off"},
    }


def shared_parameters(lab: Layout) -> dict:
    silence = f"{lab.profile.wal_sender_timeout}s"
    return {
        "synchronous_commit": "on",
        # A standby that fell silent is dropped after this, which lets the next one take its place.
        "wal_sender_timeout": silence,
        "wal_receiver_timeout": silence,
        # A standby that a new leader turns away, for want of its slot, asks again after this and not after 5 s: until
        # one standby is back nothing can be acknowledged.
        "wal_retrieve_retry_interval": "1s",
        "wal_level": "replica",
        "max_connections": 60,
        "max_wal_size": "160MB",
        "min_wal_size": "80MB",
        "wal_keep_size": "64MB",
        "max_slot_wal_keep_size": "256MB",
        "shared_buffers": "32MB",
        # Files in the data folder, so that a killed server leaves nothing in /dev/shm.
        "dynamic_shared_memory_type": "mmap",
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] %u ",
    }


def haproxy_configuration(lab: Layout) -> str:
    servers = "\n".join(
        f"    server {node} {lab.address(node)}:{POSTGRES_PORT} check port {PATRONI_PORT}" for node in NODES)
    return f"""\
# One port for the writer. A node gets traffic while its Patroni answers 200 to GET /primary, and the sessions of a
# node that stops answering so are cut, which is what tells a client to connect again.
global
    maxconn 300
    user haproxy
    group haproxy
    log stdout format raw local0 notice
    stats socket {lab.folder}/haproxy.sock mode 600 level user

defaults
    mode tcp
    log global
    timeout connect 2s
    timeout check 2s
    timeout client 1h
    timeout server 1h
    option clitcpka
    option srvtcpka

listen writer
    bind {lab.host_address}:{WRITER_PORT}
    option httpchk
    http-check send meth GET uri /primary
    http-check expect status 200
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


# ---- processes ---------------------------------------------------------------------------------

def etcd_command(lab: Layout, node: str) -> list[str]:
    def url(name: str, port: int) -> str:
        return f"http://{lab.address(name)}:{port}"

    v2 = ["--enable-v2"] if lab.etcd_api == "v2" else []
    return inside(node, *as_postgres(
        "etcd", *v2, "--name", node, "--data-dir", str(lab.node_folder(node) / "etcd"),
        "--listen-client-urls", url(node, ETCD_CLIENT_PORT), "--advertise-client-urls", url(node, ETCD_CLIENT_PORT),
        "--listen-peer-urls", url(node, ETCD_PEER_PORT), "--initial-advertise-peer-urls", url(node, ETCD_PEER_PORT),
        "--initial-cluster", ",".join(f"{name}={url(name, ETCD_PEER_PORT)}" for name in NODES),
        "--initial-cluster-state", "new", "--initial-cluster-token", "handoff-lab",
        "--heartbeat-interval", str(ETCD_HEARTBEAT_MS), "--election-timeout", str(ETCD_ELECTION_MS),
        "--log-level", "warn"))


def start_missing(lab: Layout) -> None:
    """Starts whatever of etcd, Patroni and HAProxy is not running."""
    for node in NODES:
        folder = lab.node_folder(node)
        if not processes(node, "etcd"):
            layout.start(etcd_command(lab, node), folder / "etcd.log")
    for node in NODES:
        folder = lab.node_folder(node)
        if not processes(node, "patroni"):
            layout.start(inside(node, *as_postgres(lab.patroni, str(folder / "patroni.yml"))), folder / "patroni.log")
    if haproxy_process(lab.folder) is None:
        pid = layout.start(["haproxy", "-db", "-f", str(lab.folder / "haproxy.cfg")], lab.folder / "haproxy.log")
        (lab.folder / "haproxy.pid").write_text(f"{pid}\n")


def processes(node: str, *names: str) -> list[int]:
    """Living processes in a node's network; with names, those whose command is one of them."""
    if not namespace_exists(node):
        return []
    found = [int(pid) for pid in run("ip", "netns", "pids", namespace(node)).stdout.split()]
    return [pid for pid in found if process_state(pid) not in (None, "Z")
            and (not names or process_name(pid) in names)]


def process_name(pid: int) -> str | None:
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def process_state(pid: int) -> str | None:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def haproxy_process(folder: pathlib.Path) -> int | None:
    """HAProxy's process, if the one noted is still the one started with the lab's own configuration."""
    try:
        pid = int((folder / "haproxy.pid").read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if str(folder / "haproxy.cfg").encode() in command and process_state(pid) != "Z" else None


def postmaster(lab: Layout, node: str) -> int | None:
    """The server process itself, first line of its pid file, if it lives in that node."""
    try:
        pid = int((lab.data_folder(node) / "pgdata" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if pid in processes(node, "postgres") else None


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError as failed:
            if failed.errno != errno.ESRCH:
                raise


def stop_everything(folder: pathlib.Path) -> None:
    """Ends every process inside the lab's namespaces, and its HAProxy; none outside."""
    def left() -> list[int]:
        proxy = haproxy_process(folder)
        return [pid for node in NODES for pid in processes(node)] + ([proxy] if proxy else [])

    deadline = time.monotonic() + STOP_SECONDS_MAX
    while pids := left():
        if time.monotonic() > deadline:
            raise LabError(f"processes that do not end: {pids}")
        send(pids, signal.SIGKILL)
        time.sleep(0.1)
    for node in NODES:
        remove_shared_memory(folder / node / "data" / "pgdata" / "postmaster.pid")


def remove_shared_memory(pid_file: pathlib.Path) -> None:
    """Removes the System V segment a killed server leaves: its id is in line 7, its maker's process id in line 1."""
    try:
        lines = pid_file.read_text().splitlines()
        maker, segment = lines[0].strip(), lines[6].split()[1]
        table = pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()
    except (OSError, IndexError):
        return
    column = {name: place for place, name in enumerate(table[0].split())}
    for row in (line.split() for line in table[1:]):
        if row[column["shmid"]] == segment and row[column["cpid"]] == maker and row[column["nattch"]] == "0":
            run("ipcrm", "-m", segment)
