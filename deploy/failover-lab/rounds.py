"""Rounds: faults in turn, each under a running workload.

One round: acknowledgements flow; the fault is put in place; it is held until the cluster has dealt with it and
acknowledgements flow again, or for its time; everything is healed and healthy; the workload checks that each row it
acknowledged is there exactly once. The outage of a round is the longest time without an acknowledgement, from the
last one before the fault to the end of the round, the healing included.
"""

import argparse
import bisect
import dataclasses
import json
import math
import os
import pathlib
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import cluster
import faults
import layout
from layout import LabError, Layout

FIRST_ACK_SECONDS_MAX = 60
FLOW_SECONDS = 3  # acknowledgements flow when for so long none was awaited longer than FLOW_GAP_SECONDS_MAX
FLOW_GAP_SECONDS_MAX = 1.0
FLOW_WAIT_SECONDS_MAX = 120
HOLD_TTLS_MAX = 3  # a fault the cluster does not deal with is taken away after so many ttl
HEAL_SECONDS_MAX = 240
CHECK_SECONDS_MAX = 120
STOP_SECONDS_MAX = 10
TOTALS = ("acked", "unknown", "lost", "doubled", "violations")  # of a workload's result; the last may be left out


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("count", type=int, metavar="N", help="how many rounds, the faults taking turns")
    parser.add_argument("--faults", default=",".join(faults.FAULTS),
                        help="which, in which order (default: %(default)s)")
    parser.add_argument("--hold", type=float, metavar="S", help="seconds oneway and sigstop last (default 10 and 30)")
    parser.add_argument("--workload", default=f"exec python3 {pathlib.Path(__file__).with_name('writer.py')}",
                        metavar="CMD", help="shell command that writes instead of the lab's writer; it finds the "
                        "database in HANDOFF_LAB_URL and speaks the workload protocol of README.md")
    parser.add_argument("--history", type=pathlib.Path, help="file for every acknowledgement and event, JSON lines "
                        "(default: rounds.jsonl in the lab's folder, which `down` removes)")
    parser.add_argument("--outage-limit", type=float, metavar="S", help="fail when the p99 of outages is above")


# ---- the workload, and what it said ------------------------------------------------------------

class History:
    """Everything that happened, one JSON line each, with seconds since the start."""

    def __init__(self, path: pathlib.Path) -> None:
        self.file = open(path, "w", buffering=1)
        self.lock = threading.Lock()
        self.start = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self.start

    def note(self, **what) -> float:
        with self.lock:
            at = self.now()
            if not self.file.closed:
                self.file.write(json.dumps({"at": round(at, 3)} | what) + "\n")
            return at

    def close(self) -> None:
        with self.lock:
            self.file.close()


class Workload:
    """The program that writes. Its acknowledgements get the time at which their line arrived here."""

    def __init__(self, command: str, lab: Layout, history: History) -> None:
        self.history = history
        self.acks: list[float] = []
        self.results: queue.Queue = queue.Queue()
        gate = {"HANDOFF_LAB_GATE": "on" if lab.synchronous else "off"}
        environment = os.environ | {"HANDOFF_LAB_URL": lab.url} | gate
        self.process = subprocess.Popen(["sh", "-c", command], env=environment, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ack":
                self.acks.append(self.history.note(ack=rest))
            elif word == "result":
                self.results.put(json.loads(rest))
            else:
                self.history.note(workload=line.strip())

    def tell(self, line: str) -> None:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise LabError(f"the workload has ended, exit code {self.process.poll()}") from None

    def check(self) -> dict:
        self.tell("check")
        try:
            return self.results.get(timeout=CHECK_SECONDS_MAX)
        except queue.Empty:
            raise LabError(f"the workload gave no result within {CHECK_SECONDS_MAX} s") from None

    def flows(self, since: float) -> bool:
        """Whether acknowledgements have come without a pause for FLOW_SECONDS, all of it after `since`."""
        now = self.history.now()
        if now - since < FLOW_SECONDS:
            return False
        marks = [now - FLOW_SECONDS, *self.acks[bisect.bisect_right(self.acks, now - FLOW_SECONDS):], now]
        return all(after - before <= FLOW_GAP_SECONDS_MAX for before, after in zip(marks, marks[1:]))

    def wait_flow(self, seconds: float = FLOW_WAIT_SECONDS_MAX) -> None:
        since = self.history.now()
        layout.wait_until("acknowledgements that flow", lambda: self.flows(since) or self.ended(), seconds, every=0.2)

    def ended(self) -> None:
        if self.process.poll() is not None:
            raise LabError(f"the workload has ended, exit code {self.process.returncode}")

    def longest_gap(self, since: float) -> float:
        """From the last acknowledgement before `since` on; a gap still open counts up to now."""
        acks = list(self.acks)
        earlier = [at for at in acks if at <= since]
        marks = [earlier[-1] if earlier else since, *(at for at in acks if at > since), self.history.now()]
        return max(after - before for before, after in zip(marks, marks[1:]))

    def stop(self) -> None:
        """Closes its input, which asks it to end, and after a limit kills it with what it started."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # also what it may have left behind
        except ProcessLookupError:
            pass
        self.process.wait()
        self.reader.join(STOP_SECONDS_MAX)


# ---- one round ---------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Round:
    number: int
    fault: str
    victim: str
    leader_after: str
    outage_s: float
    held_s: float
    heal_s: float
    acked: int
    unknown: int
    lost: int
    doubled: int
    violations: int
    healthy: bool
    note: str


HEADING = (f"{'round':>5} {'fault':<15} {'victim':<7} {'leader after':<12} {'outage s':>8} {'held s':>7} {'heal s':>7} "
           f"{'acked':>6} {'unknown':>7} {'lost':>5} {'doubled':>7} {'violations':>10}  note")


def line_of(done: Round) -> str:
    return (f"{done.number:>5} {done.fault:<15} {done.victim:<7} {done.leader_after:<12} {done.outage_s:>8.1f} "
            f"{done.held_s:>7.1f} {done.heal_s:>7.1f} {done.acked:>6} {done.unknown:>7} {done.lost:>5} "
            f"{done.doubled:>7} {done.violations:>10}  {done.note}")


def one_round(lab: Layout, workload: Workload, number: int, name: str, hold: float | None, before: dict) -> Round:
    """`before` is the workload's last result, and its new one afterwards."""
    fault, history = faults.FAULTS[name], workload.history
    workload.tell(f"round {number} {name}")
    workload.wait_flow()
    victim = fault.on(cluster.view(lab))
    if victim is None:
        raise LabError(f"{name}: no node to do it to")
    began = history.note(round=number, fault=name, victim=victim, event="placing")
    fault.place(lab, victim)
    note = hold_fault(lab, workload, fault, victim, hold)
    healing = history.note(round=number, event="healing")
    faults.lift(lab)
    healthy = True
    try:
        after = cluster.wait_healthy(lab, HEAL_SECONDS_MAX)
        workload.wait_flow()
    except LabError as failed:  # what was lost by then is still worth knowing
        print(f"lab: {failed}", file=sys.stderr)
        healthy, after, note = False, cluster.view(lab), "does not heal"
    healed = history.note(round=number, event="healthy" if healthy else note, leader=after.leader,
                          sync_standby=after.sync_standby)
    outage = workload.longest_gap(began)
    result = workload.check()
    history.note(round=number, event="checked", result=result)
    more = {key: result.get(key, 0) - before.get(key, 0) for key in (*TOTALS, *result)}
    before.update(result)
    others = [f"{key} {count}" for key, count in more.items() if key not in TOTALS and count]
    return Round(number, name, victim, after.leader or "none", outage, healing - began, healed - healing,
                 *(more[key] for key in TOTALS), healthy, ", ".join(filter(None, [note, *others])))


def hold_fault(lab: Layout, workload: Workload, fault: faults.Fault, victim: str, hold: float | None) -> str:
    """Keeps the fault for its time, or until it has been dealt with and acknowledgements flow; says which."""
    history, placed = workload.history, workload.history.now()
    fixed = hold or fault.hold_seconds if fault.dealt_with is None else None
    limit = fixed or HOLD_TTLS_MAX * lab.profile.ttl
    others = tuple(node for node in layout.NODES if node != victim)
    seen_before, dealt_with_at = None, None
    while (passed := history.now() - placed) < limit:
        workload.ended()
        seen = cluster.view(lab, others)
        now = {"leader": seen.leader, "sync_standby": seen.sync_standby, "primaries": cluster.primaries(lab)}
        if now != seen_before:
            seen_before = now
            history.note(event="seen", **now)
        if dealt_with_at is None and fault.dealt_with and fault.dealt_with(lab, victim, seen):
            dealt_with_at = history.note(event="dealt with")
        if dealt_with_at is not None and workload.flows(dealt_with_at):
            return ""
        time.sleep(min(0.5, limit - passed))
    return "" if fixed else "not dealt with until healed"


# ---- all of them -------------------------------------------------------------------------------

def percentile(values: list[float], part: float) -> float:
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def summary_of(done: list[Round]) -> dict:
    outages = [each.outage_s for each in done]
    by_fault = {}
    for name in dict.fromkeys(each.fault for each in done):
        own = [each.outage_s for each in done if each.fault == name]
        by_fault[name] = {"rounds": len(own), "outage_median_s": round(statistics.median(own), 1),
                          "outage_max_s": round(max(own), 1)}
    return {
        "rounds": len(done),
        "acked": sum(each.acked for each in done),
        "unknown": sum(each.unknown for each in done),
        "lost": sum(each.lost for each in done),
        "doubled": sum(each.doubled for each in done),
        "violations": sum(each.violations for each in done),
        "healed": all(each.healthy for each in done),
        "outage_p99_s": round(percentile(outages, 0.99), 1),
        "outage_max_s": round(max(outages), 1),
        "by_fault": by_fault,
    }


def run_all(lab: Layout, arguments: argparse.Namespace) -> dict:
    """Runs the rounds, printing each; whatever ends them, the workload is ended too."""
    names = arguments.faults.split(",")
    for name in names:
        if name not in faults.FAULTS:
            raise LabError(f"no fault {name}; there are {', '.join(faults.FAULTS)}")
    history = History(arguments.history or lab.folder / "rounds.jsonl")
    workload = Workload(arguments.workload, lab, history)
    done: list[Round] = []
    try:
        layout.wait_until("a first acknowledgement", lambda: workload.acks or workload.ended(), FIRST_ACK_SECONDS_MAX)
        print(HEADING, flush=True)
        totals: dict = {}
        for number in range(1, arguments.count + 1):
            done.append(one_round(lab, workload, number, names[(number - 1) % len(names)], arguments.hold, totals))
            print(line_of(done[-1]), flush=True)
            if not done[-1].healthy:
                return summary_of(done) | {"nodes_differ": ["no comparison, the cluster did not heal"]}
        workload.stop()
        return summary_of(done) | {"nodes_differ": cluster.differing_tables(lab)}
    finally:
        workload.stop()
        history.close()


def verdict(summary: dict, outage_limit: float | None) -> int:
    print(json.dumps(summary))
    bad = [f"{summary[key]} {key}" for key in ("lost", "doubled", "violations") if summary[key]]
    if not summary["healed"]:
        bad.append("the cluster did not heal")
    elif summary["nodes_differ"]:
        bad.append(f"not the same on all nodes: {', '.join(summary['nodes_differ'])}")
    if outage_limit is not None and summary["outage_p99_s"] > outage_limit:
        bad.append(f"p99 of outages {summary['outage_p99_s']} s, above {outage_limit} s")
    print(f"p99 of outages {summary['outage_p99_s']} s, longest {summary['outage_max_s']} s; "
          + (", ".join(bad) if bad else "nothing lost, nothing doubled, all nodes the same"), file=sys.stderr)
    return 1 if bad else 0


def without_interrupts(do: Callable[[], object]) -> None:
    """Cleaning up is not interrupted half-way; every step of it has its own limit."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        do()
    finally:
        signal.signal(signal.SIGINT, before)
