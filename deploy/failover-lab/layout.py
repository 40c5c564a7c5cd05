"""Names, addresses and limits of the lab, the packages it needs, and the few ways it calls other programs."""

import dataclasses
import ipaddress
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

NODES = ("node1", "node2", "node3")
NAMESPACE_PREFIX = "hlab-"  # namespaces hlab-node1 .., the only ones this lab ever touches
BRIDGE = "hlab0"
# A range set aside for testing networks (RFC 2544), which nobody routes. The lab adds no route and no
# default route, so nothing leaves the bridge.
NETWORK_DEFAULT = "198.18.83.0/24"
FOLDER_DEFAULT = "/var/lib/handoff-failover-lab"

WRITER_PORT = 5000  # HAProxy, on the host's side of the bridge
POSTGRES_PORT = 5432
PATRONI_PORT = 8008
ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380

# One data folder is one file system of its own, so that it can run full without harm to the rest.
DATA_BYTES = 768 * 1024 * 1024

# command or file -> Debian packages that bring it, the newest name first
NEEDS = (
    ("patroni", ("patroni",)),
    ("/usr/lib/python3/dist-packages/etcd/__init__.py", ("python3-etcd",)),
    ("etcd", ("etcd-server", "etcd")),
    ("haproxy", ("haproxy",)),
    ("/usr/lib/postgresql/*/bin/postgres", ("postgresql",)),
    ("psql", ("postgresql-client",)),
    ("nft", ("nftables",)),
    ("ip", ("iproute2",)),
    ("mkfs.ext4", ("e2fsprogs",)),
    ("nsenter", ("util-linux",)),
    ("setpriv", ("util-linux",)),
    ("mount", ("mount",)),
)


class LabError(Exception):
    """Something the person at the keyboard has to know; printed as one line."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """Patroni's times, in seconds, and what follows from them."""

    ttl: int
    loop_wait: int
    retry_timeout: int
    wal_sender_timeout: int
    # How long Patroni tries to restart a crashed server in place before it lets another node lead; its own default.
    primary_start_timeout: int = 300

    def check(self) -> None:
        if self.loop_wait + 2 * self.retry_timeout > self.ttl:
            raise LabError("Patroni asks for loop_wait + 2 * retry_timeout <= ttl")


PROFILES = {
    "default": Profile(ttl=30, loop_wait=10, retry_timeout=10, wal_sender_timeout=10),
    "fast": Profile(ttl=15, loop_wait=5, retry_timeout=5, wal_sender_timeout=5),
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """One lab: where its folder is, which network it makes, and under which times it runs."""

    folder: pathlib.Path
    network: str
    profile: Profile
    synchronous: bool
    patroni: str  # the program
    etcd_api: str  # v2 or v3, see `safe_etcd_api`

    @property
    def host_address(self) -> str:
        return str(ipaddress.ip_network(self.network)[1])

    def address(self, node: str) -> str:
        return str(ipaddress.ip_network(self.network)[11 + NODES.index(node)])

    def node_folder(self, node: str) -> pathlib.Path:
        return self.folder / node

    def data_folder(self, node: str) -> pathlib.Path:
        return self.folder / node / "data"

    @property
    def url(self) -> str:
        return f"postgres://handoff@{self.host_address}:{WRITER_PORT}/handoff"

    def save(self) -> None:
        fields = dataclasses.asdict(self) | {"folder": str(self.folder)}
        (self.folder / "lab.json").write_text(json.dumps(fields, indent=2) + "\n")


def load(folder: pathlib.Path) -> Layout | None:
    """The lab that is up in this folder, if one is."""
    try:
        fields = json.loads((folder / "lab.json").read_text())
    except FileNotFoundError:
        return None
    fields |= {"folder": pathlib.Path(fields["folder"]), "profile": Profile(**fields["profile"])}
    return Layout(**fields)


def claim() -> socket.socket:
    """Lets one command at a time make, remove or use up the lab: a name of the kernel's, gone with this process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind("\0handoff-failover-lab")
    except OSError:
        raise LabError("another `up`, `down` or `rounds` is at work on this machine") from None
    return name


def namespace(node: str) -> str:
    return NAMESPACE_PREFIX + node


# ---- other programs ----------------------------------------------------------------------------

PROGRAM_SECONDS_MAX = 60
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"}


def run(*command: str, text: str | None = None, check: bool = True,
        seconds: float = PROGRAM_SECONDS_MAX) -> subprocess.CompletedProcess:
    """Runs one program to its end, within a limit, and fails with what it said."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=ENVIRONMENT, cwd="/",
                              timeout=seconds, stdin=None if text is not None else subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(command)}: no end after {seconds:.0f} s") from None
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done


def inside(node: str, *command: str) -> list[str]:
    """The command line that runs a program in the network of one node."""
    return ["nsenter", f"--net=/run/netns/{namespace(node)}", *command]


def as_postgres(*command: str) -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]


def start(command: list[str], log: pathlib.Path) -> int:
    """Starts a program that outlives this one, in a session of its own, and returns its process id."""
    with open(log, "ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                                 env=ENVIRONMENT | {"HOME": "/var/lib/postgresql"}, start_new_session=True)
    return child.pid


def wait_until(what: str, condition, seconds: float, every: float = 0.5):
    """Asks until the condition gives something true, and returns that; past the limit it is an error."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


# ---- packages ----------------------------------------------------------------------------------

def missing_packages() -> list[str]:
    """Debian packages this machine lacks, by the names its release gives them."""
    missing = []
    for need, names in NEEDS:
        if need.startswith("/"):
            present = any(pathlib.Path("/").glob(need[1:]))
        else:
            present = shutil.which(need, path=ENVIRONMENT["PATH"]) is not None
        if not present:
            package = next((name for name in names if has_candidate(name)), names[0])
            if package not in missing:
                missing.append(package)
    return missing


def has_candidate(package: str) -> bool:
    if not shutil.which("apt-cache"):
        return False
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, env=ENVIRONMENT)
    return "Candidate:" in shown.stdout and "Candidate: (none)" not in shown.stdout


def apt_line(packages: list[str]) -> str:
    return "apt-get install -y --no-install-recommends " + " ".join(packages)


def install(packages: list[str]) -> None:
    """Installs packages, with Debian's own switch against starting their services (policy-rc.d)."""
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    before = (policy.read_bytes(), policy.stat().st_mode) if policy.exists() else None
    environment = ENVIRONMENT | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
        subprocess.run(apt_line(packages).split(), check=True, env=environment)
    except subprocess.CalledProcessError as failed:
        raise LabError(f"{' '.join(failed.cmd)}: exit code {failed.returncode}") from None
    finally:
        if before:
            policy.write_bytes(before[0])
            policy.chmod(before[1] & 0o7777)
        else:
            policy.unlink(missing_ok=True)


def safe_etcd_api(patroni: str) -> str:
    """The etcd API under which this Patroni never takes the leader's key from another node.

    Before 3.0.3 (its changes 2689 and 2693), through the v3 API, a former leader that comes back from a cut and reads
    an old state overwrites that key without comparing, and acknowledged commits of the new leader are lost. README.md
    has the measurement. Through the v2 API it has always compared.
    """
    said = run(patroni, "--version").stdout.split()[-1]
    version = tuple(int(part) for part in said.split(".")[:3] if part.isdigit())
    return "v3" if version >= (3, 0, 3) else "v2"


def postgres_programs() -> pathlib.Path:
    """Folder of the newest server's programs."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    return found[-1].parent


def demand_root_and_packages(may_install: bool) -> None:
    if os.geteuid() != 0:
        raise LabError("network namespaces, mounts and nftables need root: run it as root")
    missing = missing_packages()
    if missing and may_install:
        install(missing)
        missing = missing_packages()
    if missing:
        raise LabError(f"missing on this machine; `up --install` does it, or:  {apt_line(missing)}")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise LabError("the user postgres is missing, which the package postgresql-common makes") from None
