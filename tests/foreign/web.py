"""gRPC-Web by hand: plain HTTP/1.1 from Python's standard library, one call that is answered and one that is refused."""

import base64
import http.client
import os
import ssl
import struct
import sys
import urllib.parse

from handoff.v1 import case_pb2 as cases
from handoff.v1 import incident_moves_pb2 as incident_moves
from wire import Refusal, Tally, fresh

PATH = "/handoff.v1.IncidentService/GetIncident"
KIND = "application/grpc-web+proto"
TRAILERS = 0x80


def read(name):
    with open(os.path.join(os.environ["FOREIGN_FOLDER"], name), encoding="ascii") as file:
        return file.read().strip()


def post(body):
    """One call: HTTP status, headers, messages, trailers."""
    trust = ssl.create_default_context(cafile=os.path.join(os.environ["FOREIGN_FOLDER"], "ca.pem"))
    connection = http.client.HTTPSConnection(os.environ["FOREIGN_ADDRESS"], context=trust, timeout=30)
    headers = {"content-type": KIND, "authorization": f"Bearer {read('b-duty.token')}", "x-grpc-web": "1"}
    connection.request("POST", PATH, struct.pack(">BI", 0, len(body)) + body, headers)
    response = connection.getresponse()
    content = response.read()
    messages, trailers = frames(content)
    found = {name.lower(): value for name, value in response.getheaders()}
    connection.close()
    return response, found, messages, trailers


def frames(content):
    """The messages of an answer, and the trailers that stand in its last frame."""
    messages, trailers = [], {}
    while content:
        flags, length = struct.unpack(">BI", content[:5])
        piece, content = content[5 : 5 + length], content[5 + length :]
        if flags & TRAILERS:
            for line in piece.decode("ascii").split("\r\n"):
                name, _, value = line.partition(":")
                if name:
                    trailers[name.strip().lower()] = value.strip()
        else:
            messages.append(piece)
    return messages, trailers


def percent(text):
    return urllib.parse.unquote(text or "")


def binary(text):
    return base64.b64decode(text + "=" * (-len(text) % 4)) if text else None


def main():
    tally = Tally()
    incident = read("incident")
    response, headers, messages, trailers = post(incident_moves.GetIncidentRequest(incident=incident).SerializeToString())
    tally.equal("gRPC-Web is spoken over HTTP/1.1", (response.status, response.version), (200, 11))
    tally.equal("the answer says what it is", headers.get("content-type"), KIND)
    tally.equal("its trailers say that all is well", trailers.get("grpc-status"), "0")
    tally.equal("it holds one message", len(messages), 1)
    case = cases.Incident.FromString(messages[0]) if messages else cases.Incident()
    tally.equal("which is the incident", (case.id, case.state), (incident, "CLOSED"))

    response, headers, messages, trailers = post(incident_moves.GetIncidentRequest(incident=fresh()).SerializeToString())
    # A refusal without any message may carry its trailers as headers.
    told = {**headers, **trailers}
    tally.equal("a refusal is HTTP 200 too", response.status, 200)
    tally.equal("its grpc-status is NOT_FOUND", told.get("grpc-status"), "5")
    tally.equal("it holds no message", messages, [])
    tally.check("its text can be read", bool(percent(told.get("grpc-message"))), told)
    refusal = Refusal(told.get("grpc-status"), binary(told.get("grpc-status-details-bin")))
    tally.equal("its reason is the published one", refusal.reason, "INCIDENT_NOT_FOUND")

    response, headers, messages, trailers = post(b"\xff\xff\xff\xff")
    told = {**headers, **trailers}
    # INTERNAL would mean "perhaps recorded, ask again".
    tally.equal("bytes that are no message are a definite no", told.get("grpc-status"), "3")
    refusal = Refusal(told.get("grpc-status"), binary(told.get("grpc-status-details-bin")))
    tally.equal("with the published reason", refusal.reason, "INVALID_FIELD")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
