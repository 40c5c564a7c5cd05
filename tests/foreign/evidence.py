"""A case that is signed with officers' own keys, closed and proven, and what programs of other makers say of its proof.

Officers' keys are made by openssl, but for one passkey. Whoever checks gets the bundle of the case and nothing from the
service: openssl and Sigsum's tools by the commands that the bundle itself prints, openssl once more for the officers'
signatures, py_webauthn for the passkey's. Argument: an empty folder of mode 700. Runs after client.py, whose stations,
officers and agreement it finds.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile

import client
import grpc
from handoff.v1 import directory_orders_pb2 as orders
from handoff.v1 import evidence_pb2 as evidence
from handoff.v1 import handoff_moves_pb2 as handoff_moves
from handoff.v1 import handoffs_pb2 as handoffs
from handoff.v1 import values_pb2 as values
from passkey import MAY_BE_COPIED, USER_PRESENT, USER_VERIFIED
from passkey import Assertion, Authenticator, judged, registrar, sha256, update
from wire import fresh, refused

HANDOFF = os.environ["HANDOFF_BIN"]
PROOF_LIMIT_S = 60
STOP_LIMIT_S = 20
RP, ORIGIN = "b07.station-b.example", "https://b07.station-b.example"
ED25519 = ("-algorithm", "ed25519")
P256 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
GOOD = "Signature Verified Successfully"

WITNESS = """
name = "{side}.invalid/witness"
key_file = "{top}/{side}.witness"
mirror = "{side}.mirror.db"
mark = "{side}.mark"
policy = "{top}/handoff.policy"
server = "https://{address}"
ca = "{top}/ca.pem"
token_file = "{top}/{side}-witness.token"
"""


def run(*words, folder=None, given=None):
    """A program to its end: exit code, and everything it says."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "input": given}
    done = subprocess.run(words, cwd=folder, check=False, text=True, **pipes)
    return done.returncode, done.stdout


def data(*words):
    """The data a program prints; it has to end well."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout


def handoff(*words):
    return data(HANDOFF, *words).decode()


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def write(content, *path):
    with open(os.path.join(*path), "wb") as file:
        file.write(content)
    return os.path.join(*path)


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Proof(client.Play):
    """The case, the folder its keys and its bundle are in, and the built program as its people use it."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.top = folder, os.environ["FOREIGN_FOLDER"]
        self.policy = os.path.join(self.top, "handoff.policy")

    def path(self, name):
        return os.path.join(self.folder, name)

    def connect(self, name):
        server = f"https://{os.environ['FOREIGN_ADDRESS']}"
        token = os.path.join(self.top, f"{name}.token")
        return ["--server", server, "--ca", os.path.join(self.top, "ca.pem"), "--token-file", token]

    def ends(self, sentence, code, *words):
        """Checks how the built program ends; what it says."""
        found, said = run(HANDOFF, *words)
        self.tally.check(sentence, found == code, f"exit code {found}, expected {code}: {said}")
        return said


# ---- officers' keys ----------------------------------------------------------------------------


def make_key(proof, officer, kind):
    """A key by openssl; the file of its public half, which the built program has to see as openssl does."""
    secret, public = proof.path(f"{officer}.key"), proof.path(f"{officer}.pub")
    data("openssl", "genpkey", *kind, "-out", secret)
    data("openssl", "pkey", "-in", secret, "-pubout", "-out", public)
    der = data("openssl", "pkey", "-in", secret, "-pubout", "-outform", "DER")
    same = handoff("keys", "public", "--pem", secret) == read(public).decode()
    proof.tally.check(f"openssl's key of {officer} has the same public half to both programs", same)
    told = json.loads(handoff("--output", "json", "keys", "public", secret))
    proof.tally.equal("and its id is the SHA-256 of it", told["kid"], sha256(der).hex())
    return public


def enrol(proof, org, station, officers):
    """The registrars of a side enrol officers' keys with the built program."""
    side = org.lower()
    draft, admin = proof.path(f"{side}.draft.json"), proof.connect(f"{side}-admin")
    for number, (officer, role, kind) in enumerate(officers):
        public = make_key(proof, officer, kind)
        what = ["--enrol", public, "--officer", officer, "--station", station, "--role", role]
        where = ["--add" if number else "--to", draft]
        proof.ends(f"{officer}'s key is drafted", 0, "registry", "draft", *what, *where, *admin)
    check = ["registry", "check", draft]
    with_policy = ["--policy", proof.policy]
    proof.ends(f"a registrar of {org} looks at the draft", 0, *check)
    for which in ("first", "second"):
        proof.ends(f"before the {which} registrar of {org} signs it is not complete", 1, *check, *with_policy)
        key = ["--key", os.path.join(proof.top, f"{side}-{which}.registrar")]
        proof.ends(f"the {which} registrar of {org} signs", 0, "registry", "sign", draft, *key, *with_policy)
    proof.ends("then it is complete", 0, *check, *with_policy)
    proof.ends(f"and the admin of {org} brings it in", 0, "registry", "submit", draft, *admin)


def enrol_passkey(proof):
    """The registrars of B enrol a passkey with a program of their own."""
    directory = proof["b-admin"].directory
    authenticator = Authenticator(RP, ORIGIN)
    entry = authenticator.entry("b-resp", "B-07", "responder")
    keys = [registrar(os.path.join(proof.top, f"b-{which}.registrar")) for which in ("first", "second")]
    registry = directory.GetRegistry(orders.GetRegistryRequest())
    alone = refused(directory.UpdateRegistry, update(registry, entry, keys[:1]))
    proof.tally.equal("one registrar alone enrols no passkey", alone and alone.reason, "REGISTRY_INVALID")
    order = update(registry, entry, keys)
    directory.UpdateRegistry(order)
    shown = json.loads(handoff("--output", "json", "registry", "show", *proof.connect("b-admin")))
    proof.tally.equal("both programs work out the same root", (shown["version"], shown["root"]), (2, order.root))
    return authenticator, entry


# ---- signatures --------------------------------------------------------------------------------


def sign(proof, name, officer, move, *more):
    """Signs with the built program and a key of openssl's."""
    words = ["handoff", move, proof.incident, *more, "--key", proof.path(f"{officer}.key"), *proof.connect(name)]
    proof.ends(f"`handoff {move}` signs with {officer}'s key", 0, *words)


def passkey_signs(proof, authenticator, entry):
    """B's responder signs the transfer with the passkey, after every wrong way to do it."""
    asked = handoffs.GetStatementRequest(incident=proof.incident, action="transfer", handoff=proof.handoff)
    statement = proof["b-responder"].handoffs.GetStatement(asked)
    challenge = sha256(statement.text.encode())
    proof.tally.equal("the digest is that of the statement", statement.digest, f"sha256:{challenge.hex()}")

    def order(assertion):
        signature = values.KeySignature(
            key=entry["kid"],
            algorithm="ES256",
            signature=assertion.signature,
            authenticator_data=assertion.auth_data,
            client_data=assertion.client_data,
        )
        return handoff_moves.SignRequest(
            request_id=fresh(),
            incident=proof.incident,
            expected=proof.seen_form("b-responder"),
            handoff=proof.handoff,
            version=1,
            level="passkey",
            statement=statement.digest,
            language="en",
            signature=signature,
        )

    made, both = authenticator.assertion, USER_PRESENT | USER_VERIFIED
    good = made(challenge)
    bare = Assertion(good.auth_data, good.client_data, authenticator.signed(challenge))
    wrong = {
        "under another statement": made(sha256(statement.text.replace("B-07", "B-08").encode())),
        "without the user verified": made(challenge, flags=USER_PRESENT),
        "without the user present": made(challenge, flags=USER_VERIFIED),
        "on another site's page": made(challenge, origin="https://b08.station-b.example"),
        "for another RP ID": made(challenge, rp="b08.station-b.example"),
        "of an enrolment": made(challenge, type="webauthn.create"),
        "with another key": made(challenge, secret=Authenticator(RP, ORIGIN)),
        "over the bare digest": bare,
    }
    # What py_webauthn leaves to its callers.
    stricter = {
        "in a frame of another site": made(challenge, crossOrigin=True),
        "under another site's page": made(challenge, topOrigin="https://b08.station-b.example"),
        "with a key that may be copied and was enrolled as another kind": made(challenge, flags=both | MAY_BE_COPIED),
    }
    call = proof["b-responder"].handoffs.Sign
    for words, assertion in [*wrong.items(), *stricter.items()]:
        told = refused(call, order(assertion))
        found = (bool(judged(entry, assertion, challenge)), told and told.reason)
        sentence = f"an assertion {words} is refused" + ("" if words in wrong else ", which py_webauthn does not ask")
        proof.tally.equal(sentence, found, (words in wrong, "SIGNATURE_INVALID"))
    proof.tally.equal("py_webauthn takes the right one", judged(entry, good, challenge), None)
    proof.tally.equal("and so does the service", refused(call, order(good)), None)


# ---- the bundle --------------------------------------------------------------------------------


class Witnesses:
    """One of each side, for as long as it is needed."""

    def __init__(self, proof):
        self.proof, self.running = proof, {}
        for side in ("a", "b"):
            text = WITNESS.format(side=side, top=proof.top, address=os.environ["FOREIGN_ADDRESS"])
            config = write(text.encode(), proof.folder, f"{side}-witness.toml")
            with open(proof.path(f"{side}-witness.log"), "wb") as log:
                words = [HANDOFF, "witness", "run", "--config", config]
                self.running[side] = subprocess.Popen(words, stdout=log, stderr=log)

    def end(self):
        """Tells them to stop; checks how they end."""
        for side, process in self.running.items():
            process.terminate()
            try:
                code = process.wait(timeout=STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            shown = f"exit code {code}: {read(self.proof.path(f'{side}-witness.log')).decode()}"
            self.proof.tally.check(f"{side.upper()}'s witness ends well when it is told to stop", code == 0, shown)


def until_proven(proof, position):
    """Waits until both witnesses have signed a checkpoint that holds this entry."""
    limit = time.monotonic() + PROOF_LIMIT_S
    get = proof["auditor"].evidence.GetCheckpoint
    asked = evidence.GetCheckpointRequest(size=position + 1, proven=True)
    while refusal := refused(get, asked):
        if refusal.reason != "EVIDENCE_NOT_READY" or time.monotonic() > limit:
            standing = get(evidence.GetCheckpointRequest())
            raise TimeoutError(f"the case is not proven: {refusal} {standing.witnesses}")
        time.sleep(0.05)


def export(proof):
    """The bundle, taken apart by Python; the folder it is in."""
    bundle = proof.path("case.evidence.zip")
    to = ["--to", bundle, *proof.connect("auditor")]
    proof.ends("the auditor gets the bundle", 0, "audit", "export", proof.incident, *to)
    verify = ["verify", bundle, "--policy", proof.policy, "--require-signed"]
    proof.ends("it verifies, and every sign-off rests on a key", 0, *verify)
    with zipfile.ZipFile(bundle) as archive:
        proof.tally.equal("Python's zipfile finds it whole", archive.testzip(), None)
        archive.extractall(proof.path("bundle"))
    return proof.path("bundle")


def commands(bundle):
    """The commands of VERIFY.txt by their section: lines that stand two blanks in, or four inside a function."""
    sections = {}
    number = None
    for line in read(bundle, "VERIFY.txt").decode().splitlines():
        if found := re.match(r"(\d)\. ", line):
            number = int(found[1])
        elif number and re.match(r"(  |    )\S", line):
            sections.setdefault(number, []).append(line[2:])
    return sections


def shell(lines, folder):
    return run("sh", given="\n".join(lines) + "\n", folder=folder)


def copied(proof, bundle, name):
    """A copy of the bundle to change something in."""
    return shutil.copytree(bundle, proof.path(name))


def policy_and_keys(proof, bundle, printed):
    _, told = shell(printed[1], bundle)
    shown = handoff("policy", "show", proof.policy).splitlines()[0]
    found = f"fingerprint sha256:{told.split()[0]}"
    proof.tally.equal("VERIFY.txt 1: the policy has its fingerprint", found, shown)
    prepare, *asked = printed[2]
    (_, of_policy), (_, of_sigsum), (_, of_keys), (_, recorders), (_, used) = [
        shell([prepare, line], bundle) for line in asked
    ]
    found = [sorted(said.split()) for said in (of_policy, of_sigsum, of_keys)]
    same = len(found[0]) == 3 and found[0] == found[1] == found[2]
    proof.tally.check("VERIFY.txt 2: log and witnesses have the same keys everywhere", same, found)
    known, used = {line.split()[4] for line in recorders.splitlines()}, set(used.split())
    proof.tally.check("VERIFY.txt 2: recorders' keys stand in the policy", used and used <= known, (used, known))
    same = handoff("policy", "sigsum", proof.policy).encode() == read(bundle, "policy", "sigsum.policy")
    proof.tally.check("the policy for Sigsum's tools is the one of the bundle", same)


def sigsum(proof, bundle, printed):
    if not shutil.which("sigsum-verify"):
        print("SKIP    VERIFY.txt 3: sigsum-verify IS NOT INSTALLED, no event was checked with it", flush=True)
        return
    changed = copied(proof, bundle, "changed-events")
    for number, line in enumerate(printed[3], 1):
        code, said = shell([line], bundle)
        proof.tally.check(f"VERIFY.txt 3: sigsum-verify takes event {number}", code == 0, said)
        file = os.path.join(changed, "events", f"{number:04}.json")
        write(read(file).replace(b'"seq":', b'"seq" :'), file)
        code, said = shell([line], changed)
        proof.tally.check(f"VERIFY.txt 3: sigsum-verify refuses event {number} changed", code != 0, said)


def log_lines(proof, bundle, printed):
    """The log's and both witnesses' lines under the checkpoint."""
    changed = copied(proof, bundle, "changed-checkpoint")
    origin, size, *rest = read(changed, "checkpoint.note").decode().split("\n")
    write("\n".join([origin, str(int(size) + 1), *rest]).encode(), changed, "checkpoint.note")
    for words, folder, lines, good in [
        ("openssl takes all three lines", bundle, printed[4], 3),
        ("openssl takes none under another size", changed, printed[4], 0),
        ("openssl takes the log's alone with the witnesses' times changed", bundle, later(printed[4]), 1),
    ]:
        _, said = shell(lines, folder)
        found = (said.count(GOOD), len([line for line in lines if line.startswith("check keys/")]))
        proof.tally.check(f"VERIFY.txt 4: {words}", found == (good, 3), said)


def later(lines):
    """The commands with each witness's time a second later."""
    return [re.sub(r"time (\d+)", lambda found: f"time {int(found[1]) + 1}", line) for line in lines]


def openssl_takes(proof, entry, message, signature):
    files = {"key": b64url(entry["key"]), "message": message, "signature": signature}
    key, text, sig = (write(content, proof.folder, f"openssl.{name}") for name, content in files.items())
    words = ["-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin", "-in", text, "-sigfile", sig]
    digest = ["-digest", "sha256"] if entry["alg"] == "ES256" else []
    code, said = run("openssl", "pkeyutl", *words, *digest)
    return code == 0 and GOOD in said


def sign_offs(bundle):
    """Every sign-off of the case, with the entry of its key and the statement."""
    entries = {}
    for folder, _, files in os.walk(os.path.join(bundle, "registry")):
        for name in files:
            if name.endswith(".entry.json"):
                entry = json.loads(read(folder, name))
                entries[entry["kid"]] = entry
    for name in sorted(os.listdir(os.path.join(bundle, "events"))):
        event = json.loads(read(bundle, "events", name))
        if event["type"] in ("signed", "reported", "confirmed"):
            body = event["body"].get("sign_off", event["body"])
            statement = read(bundle, "signoff", name.replace(".json", ".statement.json"))
            yield event, body, entries[body["key"]], statement


def officers_signatures(proof, bundle):
    """The officers' signatures, from the bundle's files alone."""
    found = []
    for event, body, entry, statement in sign_offs(bundle):
        who = f"{event['actor']['officer']}'s {entry['level']} signature ({entry['alg']}) of {event['type']}"
        found.append((event["type"], entry["officer"], entry["level"], entry["alg"]))
        same = (event["actor"]["officer"], body["alg"], body["level"], body["statement"])
        digest = sha256(statement)
        expected = (entry["officer"], entry["alg"], entry["level"], f"sha256:{digest.hex()}")
        proof.tally.equal(f"{who} names its key's officer and its statement", same, expected)
        proof.tally.equal("its key's id is the SHA-256 of the key", sha256(b64url(entry["key"])).hex(), entry["kid"])
        signature = b64url(body["sig"])
        other = sha256(statement.replace(b'"action":"', b'"action":"re', 1))
        if entry["level"] == "device":
            proof.tally.check(f"openssl takes {who}", openssl_takes(proof, entry, digest, signature))
            refuses = not openssl_takes(proof, entry, other, signature)
            proof.tally.check(f"openssl refuses {who} under another statement", refuses)
            continue
        assertion = Assertion(b64url(body["auth_data"]), b64url(body["client_data"]), signature)
        message = assertion.auth_data + sha256(assertion.client_data)
        proof.tally.check(f"openssl takes {who}", openssl_takes(proof, entry, message, signature))
        proof.tally.equal(f"py_webauthn takes {who}", judged(entry, assertion, digest), None)
        against = judged(entry, assertion, other)
        refuses = against and "challenge" in against
        proof.tally.check(f"py_webauthn refuses {who} under another statement", refuses, against)
    expected = [
        ("confirmed", "a-duty", "device", "Ed25519"),
        ("reported", "b-duty", "device", "ES256"),
        ("signed", "a-resp", "device", "Ed25519"),
        ("signed", "b-resp", "passkey", "ES256"),
    ]
    proof.tally.equal("both sides signed, reported and confirmed with keys", sorted(found), expected)


def play(proof):
    """Keys, the case, and its witnesses' signatures."""
    enrol(proof, "A", "A-01", [("a-resp", "responder", ED25519), ("a-duty", "duty_officer", ED25519)])
    enrol(proof, "B", "B-07", [("b-duty", "duty_officer", P256)])
    passkey = enrol_passkey(proof)
    client.first_receiver(proof)
    client.offer(proof)
    client.agree(proof)
    sign(proof, "a-responder", "a-resp", "sign")
    passkey_signs(proof, *passkey)
    client.take_over(proof)
    client.handle(proof)
    sign(proof, "b-duty", "b-duty", "report", "--code", "DONE", "--result", "road cleared")
    sign(proof, "a-duty", "a-duty", "confirm")
    until_proven(proof, client.close(proof).position)
    proof.tally.check("both witnesses judged the whole log and signed", True)


def main(folder):
    proof = Proof(folder)
    try:
        witnesses = Witnesses(proof)
        try:
            play(proof)
        finally:
            witnesses.end()
        bundle = export(proof)
        printed = commands(bundle)
        policy_and_keys(proof, bundle, printed)
        sigsum(proof, bundle, printed)
        log_lines(proof, bundle, printed)
        officers_signatures(proof, bundle)
    except (grpc.RpcError, TimeoutError, subprocess.CalledProcessError) as error:
        trailers = dict(error.trailing_metadata() or ()) if isinstance(error, grpc.RpcError) else {}
        proof.tally.check("the case is proven to its end", False, f"{error} {trailers}")
    repeated = f"each of {proof.moves} repeated commands got its first answer"
    proof.tally.check(repeated, not proof.wrong_repeats, proof.wrong_repeats[:2])
    return 1 if proof.tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
