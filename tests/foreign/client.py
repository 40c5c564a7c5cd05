"""A dispatch system of another maker, for both sides: one whole transfer, from the call to CLOSED.

Written against proto/handoff/v1 alone. Every command is sent twice: the repeat has to bring the first answer.
"""

import datetime
import hashlib
import os
import sys

import grpc
from google.protobuf import timestamp_pb2
from handoff.v1 import directory_objects_pb2 as objects
from handoff.v1 import directory_orders_pb2 as orders
from handoff.v1 import directory_pb2_grpc, feed_pb2_grpc, handoffs_pb2_grpc, incidents_pb2_grpc
from handoff.v1 import audit_pb2 as audit
from handoff.v1 import audit_pb2_grpc, evidence_pb2_grpc
from handoff.v1 import feed_pb2 as feed
from handoff.v1 import form_pb2 as form
from handoff.v1 import handoff_moves_pb2 as handoff_moves
from handoff.v1 import handoffs_pb2 as handoffs
from handoff.v1 import incident_moves_pb2 as incident_moves
from handoff.v1 import result_moves_pb2 as result_moves
from handoff.v1 import values_pb2 as values
from wire import Account, Follower, Tally, fresh, refused

SERVICES = {
    "directory": directory_pb2_grpc.DirectoryServiceStub,
    "incidents": incidents_pb2_grpc.IncidentServiceStub,
    "handoffs": handoffs_pb2_grpc.HandoffServiceStub,
    "feed": feed_pb2_grpc.FeedServiceStub,
    "audit": audit_pb2_grpc.AuditServiceStub,
    "evidence": evidence_pb2_grpc.EvidenceServiceStub,
}
SIDES = {
    "a": ("A", "A-01", "cad-a", ("a-disp", "a-duty", "a-resp")),
    "b": ("B", "B-07", "cad-b", ("b-disp", "b-duty", "b-resp")),
}


class Play:
    """One case between two stations, and everybody in it."""

    def __init__(self):
        self.tally = Tally()
        self.who = {}
        self.moves = 0
        self.wrong_repeats = []
        self.incident, self.handoff = fresh(), fresh()

    def __getitem__(self, name):
        if name not in self.who:
            self.who[name] = Account(name, SERVICES)
        return self.who[name]

    def move(self, call, request):
        """Sends a command, then the same once more."""
        request.request_id = fresh()
        first = call(request)
        again = call(request)
        self.moves += 1
        expected = type(first)()
        expected.CopyFrom(first)
        expected.replayed = True
        if first.replayed or again != expected:
            self.wrong_repeats.append((type(request).__name__, first, again))
        return first

    def about(self, request):
        """The same request, about this play's incident."""
        request.incident = self.incident
        return request

    # ---- what is looked at before a decision ---------------------------------------------------

    def case(self, name):
        return self[name].incidents.GetIncident(incident_moves.GetIncidentRequest(incident=self.incident))

    def table(self, name):
        asked = handoffs.GetHandoffRequest(incident=self.incident, handoff=self.handoff)
        return self[name].handoffs.GetHandoff(asked)

    def seen(self, name):
        case = self.case(name)
        return values.Expected(state=case.state, tenure=case.tenure)

    def seen_form(self, name):
        table = self.table(name)
        tenure = self.case(name).tenure
        return values.Expected(state=table.state, form_version=table.version, tenure=tenure)

    def seen_result(self, name):
        case = self.case(name)
        return values.Expected(state=case.result.state, tenure=case.tenure)

    def stands(self, step, state, custodian, handoff=None):
        """Checks where the case stands, as both of its sides see it."""
        case = self.case("a-duty")
        self.tally.equal(f"after {step} the incident is {state}", case.state, state)
        holder = (case.custodian.organisation, case.custodian.station)
        self.tally.equal(f"after {step} the custodian is {custodian}", "/".join(holder), custodian)
        if handoff:
            for name in ("a-duty", "b-duty"):
                self.tally.equal(f"after {step} {name} sees the handoff {handoff}", self.table(name).state, handoff)
        return case


def furnish(play):
    """Both admins enter their own station, units and officers; then they agree on terms."""
    for side, (_, station, client, officers) in SIDES.items():
        directory = play[f"{side}-admin"].directory
        entered = objects.Station(id=station, name=f"Station {station}", dispatch_client=client)
        play.move(directory.SetStation, orders.SetStationRequest(station=entered))
        for number in (1, 2):
            unit = objects.Unit(id=f"{station}-U{number}", station=station)
            play.move(directory.SetUnit, orders.SetUnitRequest(unit=unit))
        for officer in officers:
            named = objects.Officer(id=officer, station=station)
            play.move(directory.SetOfficer, orders.SetOfficerRequest(officer=named))
    terms = objects.Agreement(
        id=fresh(),
        version=1,
        a=values.StationRef(organisation="A", station="A-01"),
        b=values.StationRef(organisation="B", station="B-07"),
        superior="SUP",
        level="attested",
    )
    play.move(play["a-admin"].directory.ProposeAgreement, orders.ProposeAgreementRequest(agreement=terms))
    ratify = orders.RatifyAgreementRequest(agreement=terms.id, version=1)
    play.move(play["b-admin"].directory.RatifyAgreement, ratify)
    listed = play["b-duty"].directory.ListAgreements(orders.ListAgreementsRequest()).agreements
    play.tally.equal("both sides' agreement is in force", [(one.id, one.ratified) for one in listed], [(terms.id, True)])
    stations = play["a-duty"].directory.ListStations(orders.ListStationsRequest()).stations
    play.tally.equal("both stations are listed", sorted(one.id for one in stations), ["A-01", "B-07"])


def now():
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(datetime.datetime.now(datetime.timezone.utc))
    return stamp


def unit(play, name, deployment, code, status, officer):
    report = incident_moves.ReportUnitRequest(
        deployment=deployment, unit=code, status=status, crew=[officer], claimed_time=now()
    )
    play.move(play[name].incidents.ReportUnit, play.about(report))


def first_receiver(play):
    """The call, the first unit, the unit on scene: nothing of it waits for the other side."""
    intake = incident_moves.Intake(
        channel="PHONE",
        kind="emergency",
        severity="URGENT",
        number="A-4711",
        place=values.PlaceInput(datum="WGS84", latitude=44.1, longitude=86.35, precision_m=5, address="canal bridge"),
        caller=values.CallerInput(phone="+00 555 0100"),
        narrative="two cars collided, one person hurt",
    )
    received = play.move(play["a-system"].incidents.Receive, play.about(incident_moves.ReceiveRequest(intake=intake)))
    play.tally.equal("the receipt names the incident and its first entry", (received.incident, received.version), (play.incident, 1))
    case = play.stands("receive", "RECEIVED", "A/A-01")
    play.tally.check("a unit is owed at once", any(one.duty == "dispatch" for one in case.obligations), case.obligations)
    deployment = fresh()
    unit(play, "a-system", deployment, "A-01-U1", "ASSIGNED", "a-resp")
    play.stands("assigning a unit", "DISPATCHED", "A/A-01")
    unit(play, "a-system", deployment, "A-01-U1", "ON_SCENE", "a-resp")
    play.stands("the unit's arrival", "ON_SCENE", "A/A-01")
    other = refused(play["b-duty"].incidents.GetIncident, incident_moves.GetIncidentRequest(incident=play.incident))
    play.tally.equal("to the other side it does not exist yet", other and other.reason, "INCIDENT_NOT_FOUND")


def offer(play):
    offered = handoff_moves.OfferRequest(
        expected=play.seen("a-duty"),
        handoff=play.handoff,
        to="B-07",
        basis="UNIT_ASSIGNED",
        form=form.FormInput(
            kind="emergency",
            severity="URGENT",
            place_unknown=True,
            measures="scene secured, one lane closed",
            risks="fuel on the road",
            callback="+00 555 0100",
        ),
        signer=values.Signer(officer="a-resp"),
    )
    play.move(play["a-duty"].handoffs.Offer, play.about(offered))
    play.stands("the offer", "ON_SCENE", "A/A-01", "OFFERED")


def deliver_and_see(play, ours, theirs):
    """B's system takes its feed in and commits: that, and nothing else here, is *delivered*."""
    token = theirs.until(play.incident, "offered")
    play.tally.check("nothing is delivered before the commit", not play.table("a-duty").HasField("delivered_time"))
    play["b-duty"].feed.Commit(feed.CommitRequest(resume_token=token))
    play.tally.check("a person's commit delivers nothing", not play.table("a-duty").HasField("delivered_time"))
    position = play["b-system"].feed.Commit(feed.CommitRequest(resume_token=token))
    play.tally.check("the commit stands", position.committed_number > 0, position)
    ours.until(play.incident, "delivered")
    table = play.table("a-duty")
    play.tally.check("the dispatch system's commit delivers", table.HasField("delivered_time"), table)
    play.tally.check("delivered is not seen", not table.HasField("seen_time"), table)
    play.move(play["b-duty"].handoffs.See, play.about(handoff_moves.SeeRequest(handoff=play.handoff, version=1)))
    table = play.table("a-duty")
    play.tally.check("the duty officer has seen it", table.HasField("seen_time"), table)
    play.tally.equal("seen is not agreed", table.state, "OFFERED")


def stale(play):
    """A decision on what is no longer so."""
    seen = play.seen_form("b-duty")
    seen.tenure = 7
    late = handoff_moves.AgreeRequest(request_id=fresh(), expected=seen, handoff=play.handoff, version=1)
    found = refused(play["b-duty"].handoffs.Agree, play.about(late))
    play.tally.equal("a stale decision is ABORTED", found and (found.code, found.reason), ("ABORTED", "STALE_VERSION"))
    legal = found.values.get("legal_moves", "") if found else ""
    play.tally.check("and names the moves that are legal now", "agree" in legal and "decline" in legal, found)
    play.tally.check("in both languages", bool(found) and set(found.messages) == {"en", "zh-CN"}, found)
    play.tally.equal("under the published domain", found and found.domain, "handoff.v1")
    play.stands("a stale decision", "ON_SCENE", "A/A-01", "OFFERED")


def sign(play, name):
    asked = handoffs.GetStatementRequest(incident=play.incident, action="transfer", handoff=play.handoff)
    statement = play[name].handoffs.GetStatement(asked)
    digest = hashlib.sha256(statement.text.encode()).hexdigest()
    play.tally.check(f"{name} can check the statement's digest", statement.digest.endswith(digest), statement)
    signed = handoff_moves.SignRequest(
        expected=play.seen_form(name),
        handoff=play.handoff,
        version=1,
        level="attested",
        statement=statement.digest,
        language="en",
    )
    play.move(play[name].handoffs.Sign, play.about(signed))
    return statement.digest


def agree(play):
    unit(play, "b-system", fresh(), "B-07-U1", "ON_SCENE", "b-resp")
    agreed = handoff_moves.AgreeRequest(
        expected=play.seen_form("b-duty"),
        handoff=play.handoff,
        version=1,
        number="B-2031",
        signer=values.Signer(officer="b-resp"),
    )
    play.move(play["b-duty"].handoffs.Agree, play.about(agreed))
    play.stands("the agreement", "ON_SCENE", "A/A-01", "AGREED")


def take_over(play):
    play.stands("both signatures", "ON_SCENE", "A/A-01", "AGREED")
    taken = result_moves.TakeOverRequest(expected=play.seen_form("b-duty"), handoff=play.handoff, version=1)
    play.move(play["b-duty"].handoffs.TakeOver, play.about(taken))
    case = play.stands("the takeover", "ON_SCENE", "B/B-07", "TAKEN_OVER")
    play.tally.equal("the tenure counts up", case.tenure, 2)


def transfer(play):
    agree(play)
    digests = {sign(play, "a-responder"), sign(play, "b-responder")}
    play.tally.equal("both sides sign the same digest", len(digests), 1)
    take_over(play)


def handle(play):
    handled = incident_moves.DeclareHandledRequest(expected=play.seen("b-duty"), result="road cleared")
    play.move(play["b-duty"].incidents.DeclareHandled, play.about(handled))
    play.stands("handled", "HANDLED", "B/B-07", "TAKEN_OVER")


def close(play):
    """Closes the case that is confirmed; the receipt of it."""
    closing = incident_moves.CloseRequest(expected=play.seen("b-duty"), code="DONE")
    receipt = play.move(play["b-duty"].incidents.Close, play.about(closing))
    case = play.stands("closing", "CLOSED", "B/B-07", "CONFIRMED")
    play.tally.equal("a closed case owes nothing", len(case.obligations), 0)
    marks = case.milestones
    done = [marks.received, marks.dispatched, marks.handled, marks.transferred, marks.signed_off, marks.closed]
    play.tally.equal("every milestone is done", [one.mark for one in done], ["DONE"] * 6)
    play.tally.check("each with its time", all(one.HasField("reach_time") for one in done), done)
    return receipt


def result(play):
    handle(play)
    report = result_moves.ReportRequest(
        expected=play.seen_result("b-duty"), code="DONE", result="no further measures", level="attested"
    )
    play.move(play["b-duty"].handoffs.Report, play.about(report))
    play.stands("the report", "HANDLED", "B/B-07", "REPORTED")
    confirm = result_moves.ConfirmRequest(expected=play.seen_result("a-duty"), report=1, level="attested")
    play.move(play["a-duty"].handoffs.Confirm, play.about(confirm))
    play.stands("the confirmation", "HANDLED", "B/B-07", "CONFIRMED")
    close(play)


def trace(play):
    entries = []
    for response in play["auditor"].audit.Trace(audit.TraceRequest(incident=play.incident)):
        entries.extend(traced.entry for traced in response.entries)
    numbers = [entry.seq for entry in entries]
    play.tally.equal("the auditor's trace is whole", numbers, list(range(1, len(numbers) + 1)))
    kinds = [entry.type for entry in entries]
    order = ["received", "offered", "delivered", "seen", "agreed", "taken_over", "reported", "confirmed", "closed"]
    places = [kinds.index(kind) for kind in order if kind in kinds]
    play.tally.check("it holds the transfer in its order", len(places) == len(order) and places == sorted(places), kinds)
    play.tally.equal("two signatures stand in it", kinds.count("signed"), 2)


def feeds(play, ours, theirs):
    ours.until(play.incident, "closed")
    theirs.until(play.incident, "closed")
    for side, follower in (("A", ours), ("B", theirs)):
        play.tally.check(f"{side}'s feed has no gap", not follower.gaps, follower.gaps)
        own = [entry.seq for entry in follower.entries if entry.incident == play.incident]
        play.tally.check(f"{side}'s feed holds no entry twice", len(own) == len(set(own)), own)
    first = next(entry for entry in theirs.entries if entry.incident == play.incident)
    play.tally.equal("B enters the case with the offer", first.type, "offered")
    begin, token = len(ours.entries), ours.token
    again = Follower(play["a-system"], feed.WatchRequest())
    again.until(play.incident, "closed")
    same = [(entry.number, entry.position) for entry in again.entries[:begin]]
    play.tally.equal("a second watch reads the same", same, [(entry.number, entry.position) for entry in ours.entries])
    play.tally.check("and ends with the same place", bool(token), token)


def main():
    play = Play()
    with open(os.path.join(os.environ["FOREIGN_FOLDER"], "incident"), "w", encoding="ascii") as file:
        file.write(play.incident)
    try:
        furnish(play)
        ours = Follower(play["a-system"], feed.WatchRequest())
        theirs = Follower(play["b-system"], feed.WatchRequest())
        first_receiver(play)
        offer(play)
        deliver_and_see(play, ours, theirs)
        stale(play)
        transfer(play)
        result(play)
        trace(play)
        feeds(play, ours, theirs)
    except (grpc.RpcError, TimeoutError, StopIteration) as error:
        trailers = dict(error.trailing_metadata() or ()) if isinstance(error, grpc.RpcError) else {}
        play.tally.check("the transfer reaches its end", False, f"{error} {trailers}")
    else:
        play.tally.check("the transfer reaches its end", True)
    finally:
        wrong = f"{play.wrong_repeats[:2]}"
        play.tally.check(f"each of {play.moves} repeated commands got its first answer", not play.wrong_repeats, wrong)
    return 1 if play.tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
