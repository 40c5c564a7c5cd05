"""What the foreign clients share: the connection, refusals, and the tally of checks.

Nothing here comes from the service's own code: stubs are generated from proto/ by run.sh.
"""

import os
import threading
import uuid

import details_pb2
import grpc

LIMIT_S = 30


def fresh():
    """A new UUID: a request id, or the id of a thing."""
    return str(uuid.uuid4())


class Tally:
    """Prints one line per check; run.sh counts them."""

    def __init__(self):
        self.failed = 0

    def check(self, sentence, holds, shown=""):
        if holds:
            print(f"ok      {sentence}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {sentence}: {shown}", flush=True)

    def equal(self, sentence, found, expected):
        self.check(sentence, found == expected, f"found {found!r}, expected {expected!r}")


class Refusal:
    """A refused call: code, published reason, its values, and the message by language."""

    def __init__(self, code, details):
        self.code = code
        self.reason, self.domain, self.values, self.messages = "", "", {}, {}
        status = details_pb2.Status.FromString(details or b"")
        for detail in status.details:
            kind = detail.type_url.rsplit(".", 1)[-1]
            if kind == "ErrorInfo":
                info = details_pb2.ErrorInfo.FromString(detail.value)
                self.reason, self.domain, self.values = info.reason, info.domain, dict(info.metadata)
            elif kind == "LocalizedMessage":
                text = details_pb2.LocalizedMessage.FromString(detail.value)
                self.messages[text.locale] = text.message

    def __repr__(self):
        return f"{self.code} {self.reason} {self.values} {self.messages}"


def refused(call, request):
    """The refusal of a call, or None where it was answered."""
    try:
        call(request)
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return Refusal(error.code().name, trailers.get("grpc-status-details-bin"))
    return None


class Account:
    """Somebody with a token, and stubs of every service."""

    def __init__(self, name, services):
        folder = os.environ["FOREIGN_FOLDER"]
        with open(os.path.join(folder, "ca.pem"), "rb") as file:
            trust = grpc.ssl_channel_credentials(file.read())
        with open(os.path.join(folder, f"{name}.token"), encoding="ascii") as file:
            self.token = file.read().strip()
        login = grpc.access_token_call_credentials(self.token)
        both = grpc.composite_channel_credentials(trust, login)
        self.channel = grpc.secure_channel(os.environ["FOREIGN_ADDRESS"], both)
        for word, stub in services.items():
            setattr(self, word, stub(self.channel))


class Follower(threading.Thread):
    """Takes an organisation's feed in from its first entry and looks for gaps itself."""

    def __init__(self, account, request):
        super().__init__(daemon=True)
        self.stream = account.feed.Watch(request)
        self.changed = threading.Condition()
        self.entries, self.gaps, self.token, self.ended = [], [], "", None
        self.start()

    def run(self):
        try:
            for response in self.stream:
                with self.changed:
                    self.take(response)
                    self.changed.notify_all()
        except grpc.RpcError as error:
            with self.changed:
                self.ended = error
                self.changed.notify_all()

    def take(self, response):
        for entry in response.batch.entries:
            expected = self.entries[-1].number + 1 if self.entries else 1
            if entry.number != expected:
                self.gaps.append((expected, entry.number))
            self.entries.append(entry)
        if response.HasField("batch"):
            self.token = response.batch.resume_token

    def until(self, incident, kind):
        """The token after the incident's first entry of that type; waits for it, with a limit."""
        met = lambda: any(entry.incident == incident and entry.type == kind for entry in self.entries)
        with self.changed:
            if not self.changed.wait_for(lambda: met() or self.ended, LIMIT_S) or not met():
                seen = [(entry.number, entry.type) for entry in self.entries]
                raise TimeoutError(f"no {kind} came on the feed, only {seen}; {self.ended}")
            return self.token
