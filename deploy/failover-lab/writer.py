#!/usr/bin/env python3
"""The lab's own workload: commits numbered rows through HAProxy and says which it was told are safe.

It holds to the write path of the service: one row in a transaction that locks the head row, then the gate, a standby
in step that has flushed as far as the commit. A number whose outcome is unknown is tried again until it is
acknowledged, so the acknowledged numbers are 1 to N without a hole, and any row missing or there twice is a defect.

What it reads and prints is the workload protocol of README.md.
"""

import json
import os
import queue
import selectors
import subprocess
import sys
import threading
import time

URL = os.environ["HANDOFF_LAB_URL"]
GATE = os.environ.get("HANDOFF_LAB_GATE", "on") == "on"
ROWS_PER_SECOND = float(os.environ.get("HANDOFF_LAB_RATE", "20"))

CONNECT_SECONDS_MAX = 3
ANSWER_SECONDS_MAX = 5
GATE_SECONDS_MAX = 5
GATE_PAUSE_SECONDS = 0.02
RETRY_SECONDS = 0.2

TABLES = """
CREATE TABLE IF NOT EXISTS lab_head (id int PRIMARY KEY, last bigint NOT NULL);
CREATE TABLE IF NOT EXISTS lab_row (n bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS lab_row_n ON lab_row (n);
INSERT INTO lab_head VALUES (1, 0) ON CONFLICT DO NOTHING;
BEGIN; TRUNCATE lab_row; UPDATE lab_head SET last = 0; COMMIT;
"""
# No unique index guards the number: if a late transaction of a lost session could slip in, the count would show it.
ROW = """
BEGIN;
SELECT last FROM lab_head WHERE id = 1 FOR UPDATE;
INSERT INTO lab_row (n) SELECT {n} WHERE NOT EXISTS (SELECT 1 FROM lab_row WHERE n = {n});
UPDATE lab_head SET last = {n} WHERE id = 1;
COMMIT;
SELECT pg_current_wal_flush_lsn();
"""
ASSERTED = """
SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), current_setting('fsync'),
       current_setting('full_page_writes'), current_setting('synchronous_commit'),
       current_setting('synchronous_standby_names') <> '';
"""
IS_SAFE = """
SELECT count(*) FILTER (WHERE flush_lsn >= '{lsn}') >= 1 FROM pg_stat_replication
WHERE sync_state IN ('sync', 'quorum');
"""
FOUND = "SELECT count(*), count(DISTINCT n) FROM lab_row WHERE n <= {acked};"


class Unknown(Exception):
    """No answer, or one that proves nothing; the row may be there or not."""


class Session:
    """One psql, fed through pipes, each question with a limit of time."""

    def __init__(self) -> None:
        self.end = f"end-{os.getpid()}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", f"{URL}?connect_timeout={CONNECT_SECONDS_MAX}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        try:
            self.assert_settings()
        except Unknown:
            self.close()
            raise

    def assert_settings(self) -> None:
        expected = "f|off|on|on|on|" + ("t" if GATE else "")
        if not "".join(self.ask(ASSERTED)).startswith(expected):
            raise Unknown("not a primary with the settings asked for")

    def ask(self, text: str, seconds: float = ANSWER_SECONDS_MAX) -> list[str]:
        """Sends SQL and gives its lines; a broken session and a passed limit are both unknown outcomes."""
        deadline = time.monotonic() + seconds
        try:
            self.process.stdin.write(f"{text}\n\\echo {self.end}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Unknown("session lost") from None
        got = b""
        while not got.endswith(f"{self.end}\n".encode()):
            left = deadline - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                raise Unknown("no answer in time")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise Unknown("session lost")
            got += piece
        return got.decode().split("\n")[:-2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.selector.close()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class Writer:
    def __init__(self) -> None:
        self.session: Session | None = None
        self.acked = 0
        self.unknown = 0

    def ask(self, text: str, seconds: float = ANSWER_SECONDS_MAX) -> list[str]:
        if self.session is None:
            self.session = Session()
        return self.session.ask(text, seconds)

    def drop_session(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None

    def attempt(self, do) -> bool:
        """Does one thing; when it fails the session is dropped and the caller tries again."""
        try:
            do()
            return True
        except Unknown:
            self.drop_session()
            time.sleep(RETRY_SECONDS)
            return False

    def write_row(self) -> None:
        number = self.acked + 1
        lsn = self.ask(ROW.format(n=number))[-1]
        deadline = time.monotonic() + GATE_SECONDS_MAX
        while GATE and self.ask(IS_SAFE.format(lsn=lsn)) != ["t"]:
            if time.monotonic() > deadline:
                raise Unknown("gate shut")
            time.sleep(GATE_PAUSE_SECONDS)
        self.acked = number
        say(f"ack {number}")

    def check(self) -> None:
        rows, distinct = map(int, self.ask(FOUND.format(acked=self.acked), seconds=60)[-1].split("|"))
        say("result " + json.dumps({"acked": self.acked, "unknown": self.unknown,
                                    "lost": self.acked - distinct, "doubled": rows - distinct}))


def say(line: str) -> None:
    print(line, flush=True)


def listen(commands: queue.Queue) -> None:
    for line in sys.stdin:
        commands.put(line.split())
    commands.put(["end"])


def main() -> None:
    commands: queue.Queue = queue.Queue()
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    writer = Writer()
    while not writer.attempt(lambda: writer.ask(TABLES)):
        pass
    pause = 1 / ROWS_PER_SECOND
    try:
        while True:
            try:
                command = commands.get(timeout=pause)
            except queue.Empty:
                command = ["write"]
            if command[0] == "end":
                return
            if command[0] == "check":
                while not writer.attempt(writer.check):
                    pass
            elif command[0] == "write" and not writer.attempt(writer.write_row):
                writer.unknown += 1
    finally:
        writer.drop_session()


if __name__ == "__main__":
    main()
