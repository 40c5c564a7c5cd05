"""An organisation whose tokens come from an identity provider of another maker (oidc.mjs), over the network.

The service fetches its keys by address, with the provider's own certificate authority pinned. The provider comes late,
changes its key while somebody calls, and goes away. Argument: an empty folder of mode 700.
"""

import base64
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

from handoff.v1 import directory_objects_pb2 as objects
from handoff.v1 import directory_orders_pb2 as orders
from handoff.v1 import directory_pb2_grpc, feed_pb2_grpc
from handoff.v1 import feed_pb2 as feed
from wire import Account, Tally, fresh, refused

HERE = os.path.dirname(os.path.abspath(__file__))
HANDOFF = os.environ["HANDOFF_BIN"]
SERVICES = {"directory": directory_pb2_grpc.DirectoryServiceStub, "feed": feed_pb2_grpc.FeedServiceStub}
PARTY = '["adapter", "dispatcher", "responder", "duty_officer", "supervisor", "admin"]'
# The service asks again after 30 s; half as long again is time enough for it.
RETRY_LIMIT_S = 45
START_LIMIT_S = 60

CONFIG = """
profile = "development"

[server]
listen = "127.0.0.1:0"
metrics_listen = "127.0.0.1:0"
tls_cert_file = "server.pem"
tls_key_file = "server.key"
client_certificates = "off"
resume_key_file = "resume.key"
private_networks_allowed = ["127.0.0.0/8", "::1/128"]

[server.limits]
person_calls_per_s = 100000
person_calls_burst = 100000
denied_calls_per_s = 100000
denied_calls_burst = 100000

[database]
url = "sqlite:handoff.db"

[evidence]
log_key_file = "log.key"

[sealing]
key_file = "sealing.key"

[log]
level = "info"
format = "text"

[[organisation]]
id = "A"
kind = "party"
name = "A"
issuer = "https://localhost:{port}"
jwks_url = "https://localhost:{port}/jwks"
jwks_ca_file = "provider/ca.pem"
alg = "ES256"
audience = "handoff"
grantable_roles = {party}

[[organisation]]
id = "B"
kind = "party"
name = "B"
issuer = "https://issuer.dev.invalid/B"
jwks_file = "B.jwks.json"
alg = "EdDSA"
audience = "handoff"
grantable_roles = {party}
"""


def free_port():
    """A port nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Child:
    """A process whose lines are waited for."""

    def __init__(self, command, said):
        pipes = {"stdin": subprocess.PIPE, said: subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.lines = getattr(self.process, said)

    def until(self, pattern):
        """The first match of the pattern in a line."""
        timer = threading.Timer(START_LIMIT_S, self.process.kill)
        timer.start()
        try:
            for line in self.lines:
                if found := re.search(pattern, line):
                    return found
        finally:
            timer.cancel()
        raise TimeoutError(f"nothing like {pattern} was said")

    def ask(self, word):
        """Says one word and returns the answer."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.until(f"^{word}: (.*)").group(1)

    def end(self):
        self.process.kill()
        self.process.wait()


class World:
    """The provider's and the service's folder, processes and accounts."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.provider = None
        self.kids = {}
        provider = os.path.join(folder, "provider")
        for made, orgs in ((folder, ["A", "B"]), (provider, ["A"])):
            named = [part for org in orgs for part in ("--org", org)]
            self.run("dev-ca", "--folder", made, *named)
        self.config = os.path.join(folder, "handoff.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=self.port, party=PARTY))
        self.run("config", "check", "--config", self.config)
        self.run("db", "migrate", "--config", self.config)
        self.service = Child([HANDOFF, "serve", "--config", self.config], "stderr")
        address = self.service.until(r"serving on https://(\S+)").group(1)
        os.environ.update(FOREIGN_FOLDER=folder, FOREIGN_ADDRESS=address)
        threading.Thread(target=lambda: list(self.service.lines), daemon=True).start()

    @staticmethod
    def run(*words):
        return subprocess.run([HANDOFF, *words], check=True, text=True, stdout=subprocess.PIPE).stdout

    def start_provider(self):
        command = ["node", os.path.join(HERE, "oidc.mjs"), os.path.join(self.folder, "provider")]
        self.provider = Child([*command, os.environ["HANDOFF_FOREIGN_OIDC"], str(self.port)], "stdout")
        self.provider.until("^ready")

    def account(self, name, token):
        with open(os.path.join(self.folder, f"{name}.token"), "w", encoding="ascii") as file:
            file.write(token)
        return Account(name, SERVICES)

    def neighbour(self):
        """An officer of B, whose keys are in a file."""
        words = ["--org", "B", "--subject", "b-duty", "--role", "duty_officer", "--station", "B-07"]
        return self.account("b-duty", self.run("token", "--config", self.config, "--folder", self.folder, *words))

    def signed_on(self, client):
        """Somebody with a new token from the provider."""
        trust = ssl.create_default_context(cafile=os.path.join(self.folder, "provider", "ca.pem"))
        login = base64.b64encode(f"{client}:secret+of+{client}".encode()).decode()
        headers = {"authorization": f"Basic {login}", "content-type": "application/x-www-form-urlencoded"}
        url = f"https://localhost:{self.port}/token"
        request = urllib.request.Request(url, b"grant_type=client_credentials", headers)
        with urllib.request.urlopen(request, context=trust, timeout=10) as answer:
            token = json.load(answer)["access_token"]
        header = token.split(".")[0]
        account = self.account(client, token)
        account.kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
        return account

    def end(self):
        for child in (self.provider, self.service):
            if child:
                child.end()


def position(account):
    """A call that needs nothing but a token. The refusal's reason, or nothing."""
    refusal = refused(account.feed.GetPosition, feed.GetPositionRequest())
    return refusal and f"{refusal.code} {refusal.reason}"


class Caller(threading.Thread):
    """Calls again and again until it is told to stop."""

    def __init__(self, account):
        super().__init__(daemon=True)
        self.account, self.calls, self.refusals = account, 0, []
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.01):
            self.calls += 1
            if refusal := position(self.account):
                self.refusals.append(refusal)

    def stop(self):
        self.stopped.set()
        self.join()


def until_taken(account):
    """Calls until the token is taken; the refusals on the way, or the last one after a limit."""
    limit = time.monotonic() + RETRY_LIMIT_S
    refusals = []
    while refusal := position(account):
        refusals.append(refusal)
        if time.monotonic() > limit:
            raise TimeoutError(f"not taken within {RETRY_LIMIT_S} s: {refusal}")
        time.sleep(0.05)
    return refusals


def late(world, tally):
    """The provider comes after the service."""
    neighbour = world.neighbour()
    tally.equal("the service serves though one organisation's keys cannot be fetched", position(neighbour), None)
    world.start_provider()
    early = world.signed_on("a-duty")
    tally.equal("the token says which key signed it", early.kid, "first")
    tally.equal("the first call with a token fetches the keys", position(early), None)
    tally.equal("they were asked for once", world.provider.ask("asked"), "1")
    tally.equal("the other organisation never notices", position(neighbour), None)
    return early


def roles(world, tally):
    """What the provider says about people and machines is what they may do."""
    station = objects.Station(id="A-01", name="Station A-01", dispatch_client="cad-a")

    def enter(client):
        request = orders.SetStationRequest(request_id=fresh(), station=station)
        return refused(world.signed_on(client).directory.SetStation, request)

    denied = enter("a-duty")
    tally.equal("a duty officer's token changes no directory", denied and denied.code, "PERMISSION_DENIED")
    tally.equal("an admin's does", enter("a-admin"), None)
    tally.equal("a machine's token is taken", position(world.signed_on("cad-a")), None)


def rotation(world, tally, early):
    """The provider's key changes while somebody calls, right after the keys were asked for."""
    caller = Caller(early)
    tally.equal("the provider signs with its second key", world.provider.ask("overlap"), "done")
    later = [world.signed_on("a-duty") for _ in range(5)]
    tally.equal("its tokens name it", {account.kid for account in later}, {"second"})
    refusals = until_taken(later[0])
    tally.check("they are taken once the service may ask again", len(refusals) > 10, len(refusals))
    tally.equal("until then they are refused", set(refusals), {"UNAUTHENTICATED TOKEN_INVALID"})
    tally.equal("then all of them are taken", {position(account) for account in later}, {None})
    tally.equal("for all those calls the service asked once", world.provider.ask("asked"), "2")
    world.provider.ask("second")
    tally.equal("they go on when the first key is gone", {position(account) for account in later}, {None})
    caller.stop()
    tally.equal(f"none of {caller.calls} calls with the first key's token failed", caller.refusals, [])
    tally.check("there were such calls", caller.calls > 100, caller.calls)


def away(world, tally):
    """The provider goes away."""
    kept = world.signed_on("a-duty")
    world.provider.end()
    tally.equal("keys go on while the provider is away", position(kept), None)
    forged = kept.token.rsplit(".", 1)[0] + "." + base64.urlsafe_b64encode(bytes(64)).decode().rstrip("=")
    refusal = position(world.account("forged", forged))
    tally.equal("a token nobody signed is refused", refusal, "UNAUTHENTICATED TOKEN_INVALID")


def main(folder):
    tally = Tally()
    world = World(folder)
    try:
        early = late(world, tally)
        roles(world, tally)
        rotation(world, tally, early)
        away(world, tally)
    finally:
        world.end()
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
