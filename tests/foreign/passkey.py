"""A passkey in software, its enrolment by registrars without a program of ours, and py_webauthn's judgement of it."""

import base64
import hashlib
import json
import os

import webauthn
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from handoff.v1 import directory_objects_pb2 as objects
from handoff.v1 import directory_orders_pb2 as orders
from webauthn.helpers import bytes_to_base64url, encode_cbor
from webauthn.helpers.exceptions import InvalidAuthenticationResponse
from wire import fresh

USER_PRESENT, USER_VERIFIED, MAY_BE_COPIED = 0x01, 0x04, 0x08


def canonical(value):
    """JSON as RFC 8785 has it; of texts and whole numbers only, with names in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Assertion:
    """What a browser hands to the page after `navigator.credentials.get()`."""

    def __init__(self, auth_data, client_data, signature):
        self.auth_data, self.client_data, self.signature = auth_data, client_data, signature


class Authenticator:
    """The key, and the browser around it. It signs whatever it is told to."""

    def __init__(self, rp, origin):
        self.rp, self.origin = rp, origin
        self.secret = ec.generate_private_key(ec.SECP256R1())
        public = self.secret.public_key()
        self.der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.kid = sha256(self.der).hex()

    def signed(self, message):
        return self.secret.sign(message, ec.ECDSA(hashes.SHA256()))

    def assertion(self, challenge, *, flags=USER_PRESENT | USER_VERIFIED, rp=None, secret=None, **members):
        """An assertion under a challenge, every part of which can be made another."""
        client_data = {
            "type": "webauthn.get",
            "challenge": bytes_to_base64url(challenge),
            "origin": self.origin,
            "crossOrigin": False,
            **members,
        }
        # In the order of a browser, not in ours.
        client_data = json.dumps(client_data, separators=(",", ":")).encode()
        auth_data = sha256((rp or self.rp).encode()) + bytes([flags]) + (0).to_bytes(4, "big")
        signer = secret or self
        return Assertion(auth_data, client_data, signer.signed(auth_data + sha256(client_data)))

    def entry(self, officer, station, role):
        """What the registrars sign of it: an entry of their registry."""
        return {
            "alg": "ES256",
            "key": bytes_to_base64url(self.der),
            "kid": self.kid,
            "kind": "signoff",
            "level": "passkey",
            "officer": officer,
            "origins": [self.origin],
            "roles": [role],
            "rp": self.rp,
            "salt": bytes_to_base64url(os.urandom(16)),
            "station": station,
            "status": "active",
        }


# ---- the registry ------------------------------------------------------------------------------


def root(leaves):
    """Root over leaf hashes (RFC 6962, 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01", root(leaves[:left]), root(leaves[left:]))


def registrar(file):
    """A registrar's key from its file of 32 bytes."""
    with open(file, "rb") as opened:
        return ed25519.Ed25519PrivateKey.from_private_bytes(opened.read())


def update(registry, entry, registrars):
    """The next state of a registry, with one entry more, signed by these registrars."""
    added = canonical(entry)
    entries = sorted([*registry.entries, added], key=lambda one: json.loads(one)["kid"])
    digest = "sha256:" + root([sha256(b"\x00", one) for one in entries]).hex()
    order = orders.UpdateRegistryRequest(
        request_id=fresh(),
        organisation=registry.organisation,
        version=registry.version + 1,
        count=len(entries),
        root=digest,
        log=registry.log,
        entries=[added],
    )
    signed = {
        "count": order.count,
        "log": order.log,
        "org": order.organisation,
        "root": digest,
        "version": order.version,
    }
    message = sha256(canonical(signed))
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for key in sorted(registrars, key=lambda one: one.public_key().public_bytes(*raw)):
        public = key.public_key().public_bytes(*raw).hex()
        order.signatures.append(objects.RegistrarSignature(key=public, signature=key.sign(message)))
    return order


# ---- the judge ---------------------------------------------------------------------------------


def judged(entry, assertion, challenge):
    """Nothing where py_webauthn takes the assertion, with the user verified; otherwise what it says against it."""
    der = base64.urlsafe_b64decode(entry["key"] + "==")
    numbers = serialization.load_der_public_key(der).public_numbers()
    coordinates = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    name = bytes_to_base64url(bytes.fromhex(entry["kid"]))
    credential = {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "response": {
            "authenticatorData": bytes_to_base64url(assertion.auth_data),
            "clientDataJSON": bytes_to_base64url(assertion.client_data),
            "signature": bytes_to_base64url(assertion.signature),
        },
    }
    try:
        webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=entry["rp"],
            expected_origin=entry["origins"],
            # COSE: an elliptic curve key, for ES256, on P-256.
            credential_public_key=encode_cbor({1: 2, 3: -7, -1: 1, **coordinates}),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except InvalidAuthenticationResponse as error:
        return str(error)
    return None
