"""Hostile messages as data: what a stranger, a peer or a careless client sends, and the answer that each must get.

A case is a row: name, who sends, method, path, body, and the answer (status, code, where). Paths and bodies hold placeholders that the scenario
(f030_hostile.py) fills in: OWN is our pid of the process at hand, PEER the other party's, OFFER_ID, ASSET and AGREEMENT_ID what the process is about,
CALLBACK the sender's good address, FRESH a new id. `where` is the JSON pointer that the error names, "" if there is none to name, None where any will do.

No case may change a row or send a message; the few that end a process by design are elsewhere (n100_negotiation.py: an agreement that differs).
"""

import copy
import itertools
from collections import namedtuple

OWN, PEER, OFFER_ID, ASSET, AGREEMENT_ID, CALLBACK, FRESH = "<own>", "<peer>", "<offer>", "<asset>", "<agreement>", "<callback>", "<fresh>"
CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
EDC = "https://w3id.org/edc/v0.0.1/ns/"
LONG = "x" * 2049  # LIMIT_ID and one more
PARTY, STRANGER, NOBODY = "peer", "stranger", None

Case = namedtuple("Case", "name who method path body want raw", defaults=(None,))
Want = namedtuple("Want", "status code at")
STATE = Want(400, "peer-state", "")


def invalid(at):
    return Want(400, "invalid", at)


def syntax(at):
    return Want(400, "peer-syntax", at)


# -- good messages, from which the bad ones are made ----------------------------------------------------------------------------
OFFER = {"@id": OFFER_ID, "@type": "Offer", "target": ASSET, "permission": [{"action": "use"}]}
AGREEMENT = {"@id": FRESH, "@type": "Agreement", "target": ASSET, "timestamp": "2026-01-01T00:00:00Z", "permission": [{"action": "use"}]}
ADDRESS = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": "https://data.example/x",
           "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "t"}]}


def message(kind, **members):
    return {"@context": CONTEXT, "@type": kind, "@id": FRESH, **members}


# sender's own pid and ours by the role that we have; `ours` is the role of the connector
def pids(ours):
    return {"providerPid": OWN, "consumerPid": PEER} if ours == "provider" else {"providerPid": PEER, "consumerPid": OWN}


def negotiation_messages(ours):
    """name -> (tail of the path, message), of both parties: half of them come from the wrong one."""
    both = pids(ours)
    parties = {"assigner": "connector", "assignee": "peer"} if ours == "provider" else {"assigner": "peer", "assignee": "connector"}
    return {
        "request": ("request", message("ContractRequestMessage", offer=OFFER, **both)),
        "offer": ("offers", message("ContractOfferMessage", offer=OFFER, **both)),
        "accepted": ("events", message("ContractNegotiationEventMessage", eventType="ACCEPTED", **both)),
        "agreement": ("agreement", message("ContractAgreementMessage", agreement={**AGREEMENT, **parties}, **both)),
        "verification": ("agreement/verification", message("ContractAgreementVerificationMessage", **both)),
        "finalized": ("events", message("ContractNegotiationEventMessage", eventType="FINALIZED", **both)),
        "termination": ("termination", message("ContractNegotiationTerminationMessage", code="1", reason=["r"], **both)),
    }


def transfer_messages(ours):
    both = pids(ours)
    return {
        "start": ("start", message("TransferStartMessage", dataAddress=ADDRESS, **both)),
        "suspension": ("suspension", message("TransferSuspensionMessage", code="1", reason=["r"], **both)),
        "completion": ("completion", message("TransferCompletionMessage", **both)),
        "termination": ("termination", message("TransferTerminationMessage", code="1", reason=["r"], **both)),
    }


MESSAGES = {"negotiations": negotiation_messages, "transfers": transfer_messages}
FIRST = {
    "request": ("/negotiations/request", message("ContractRequestMessage", consumerPid=FRESH, offer=OFFER, callbackAddress=CALLBACK)),
    "offer": ("/negotiations/offers", message("ContractOfferMessage", providerPid=FRESH, offer=OFFER, callbackAddress=CALLBACK)),
    "transfer": ("/transfers/request", message("TransferRequestMessage", consumerPid=FRESH, agreementId=AGREEMENT_ID,
                                               format="HttpData-PULL", callbackAddress=CALLBACK)),
}

# -- 1. states: what is allowed (DSP 2025-1, both protocols' state machines) or a step taken again (docs/protocol.md §1); all else is refused ---------------------------
ALLOWED = {
    ("negotiations", "provider", "REQUESTED"): {"termination"},
    ("negotiations", "provider", "OFFERED"): {"request", "accepted", "termination"},
    ("negotiations", "provider", "ACCEPTED"): {"termination"},
    ("negotiations", "provider", "AGREED"): {"verification", "termination"},
    ("negotiations", "provider", "VERIFIED"): {"termination"},
    ("negotiations", "provider", "FINALIZED"): {"verification"},
    ("negotiations", "provider", "TERMINATED"): set(),
    ("negotiations", "consumer", "REQUESTED"): {"offer", "agreement", "termination"},
    ("negotiations", "consumer", "OFFERED"): {"termination"},
    ("negotiations", "consumer", "ACCEPTED"): {"agreement", "termination"},
    ("negotiations", "consumer", "AGREED"): {"termination"},
    ("negotiations", "consumer", "VERIFIED"): {"agreement", "finalized", "termination"},
    ("negotiations", "consumer", "FINALIZED"): {"finalized"},
    ("negotiations", "consumer", "TERMINATED"): set(),
    ("transfers", "provider", "REQUESTED"): {"termination"},
    ("transfers", "provider", "STARTED"): {"suspension", "completion", "termination"},
    ("transfers", "provider", "SUSPENDED"): {"start", "termination"},
    ("transfers", "provider", "COMPLETED"): set(),
    ("transfers", "provider", "TERMINATED"): set(),
    ("transfers", "consumer", "REQUESTED"): {"start", "termination"},
    ("transfers", "consumer", "STARTED"): {"start", "suspension", "completion", "termination"},
    ("transfers", "consumer", "SUSPENDED"): {"start", "termination"},
    ("transfers", "consumer", "COMPLETED"): set(),
    ("transfers", "consumer", "TERMINATED"): set(),
}
# one state in which a message of each kind would be taken, so that only what the case changes can be what is refused
OPEN = {
    ("negotiations", "provider"): {"request": "OFFERED", "accepted": "OFFERED", "verification": "AGREED", "termination": "REQUESTED"},
    ("negotiations", "consumer"): {"offer": "REQUESTED", "agreement": "REQUESTED", "finalized": "VERIFIED", "termination": "REQUESTED"},
    ("transfers", "provider"): {"start": "SUSPENDED", "suspension": "STARTED", "completion": "STARTED", "termination": "REQUESTED"},
    ("transfers", "consumer"): {"start": "REQUESTED", "suspension": "STARTED", "completion": "STARTED", "termination": "REQUESTED"},
}


def post(name, kind, tail, body, want, who=PARTY, pid=OWN, **more):
    return Case(name, who, "POST", f"/{kind}/{pid}/{tail}", body, want, **more)


def state_cases(kind, role, state):
    """Every message that the state does not allow, from either party."""
    for name, (tail, body) in MESSAGES[kind](role).items():
        if name not in ALLOWED[kind, role, state]:
            yield post(name, kind, tail, body, STATE)


# -- 2. whose process is it? --------------------------------------------------------------------------------------------------------
def pid_cases(kind, role, name):
    tail, body = MESSAGES[kind](role)[name]
    own, other = ("providerPid", "consumerPid") if role == "provider" else ("consumerPid", "providerPid")
    missing = Want(404, "not-found", "")

    def with_pids(**members):
        return {**body, **members}

    yield post("body with another pid of ours", kind, tail, with_pids(**{own: FRESH}), invalid(f"/{own}"))
    yield post("body with another pid of theirs", kind, tail, with_pids(**{other: FRESH}), invalid(f"/{other}"))
    yield post("pids exchanged", kind, tail, with_pids(**{own: PEER, other: OWN}), invalid(f"/{own}"))
    yield post("our pid twice", kind, tail, with_pids(**{other: OWN}), invalid(f"/{other}"))
    yield post("path with their pid", kind, tail, body, missing, pid=PEER)
    yield post("path with no pid of anybody", kind, tail, body, missing, pid=FRESH)
    yield post("pid in upper case", kind, tail, body, missing, pid="<OWN>")
    yield post("pid with a blank behind", kind, tail, body, missing, pid=OWN + "%20")
    yield post("a stranger with the right pids", kind, tail, body, missing, who=STRANGER)
    yield post("a stranger with one pid", kind, tail, with_pids(**{other: FRESH}), missing, who=STRANGER)
    yield post("nobody", kind, tail, body, Want(401, None, None), who=NOBODY)
    yield post("a token that is none", kind, tail, body, Want(401, None, None), who="nonsense")


def show_cases(kind):
    """GET of a process: for its parties."""
    path = f"/{kind}/{OWN}"
    missing = Want(404, "not-found", "")
    yield Case("shown to a stranger", STRANGER, "GET", path, None, missing)
    yield Case("shown to nobody", NOBODY, "GET", path, None, Want(401, None, None))
    yield Case("shown by their pid", PARTY, "GET", f"/{kind}/{PEER}", None, missing)
    yield Case("shown with a NUL behind the pid", PARTY, "GET", f"{path}%00", None, Want(400, "syntax", None))
    yield Case("shown with half an escape", PARTY, "GET", f"{path}%4", None, Want(400, "syntax", None))
    for bad in ("%ff", "%c0%af", "%ed%a0%80", "%f5%80%80%80"):
        yield Case(f"shown with {bad}, which is no UTF-8", PARTY, "GET", f"{path}{bad}", None, Want(400, "syntax", ""))
        yield post(f"ended with {bad}, which is no UTF-8", kind, "termination", MESSAGES[kind]("provider")["termination"][1], Want(400, "syntax", ""), pid=OWN + bad)
    yield Case("shown as SQL", PARTY, "GET", f"/{kind}/%27%20OR%201=1--", None, missing)
    yield Case("deleted", PARTY, "DELETE", path, None, Want(405, "method", ""))
    yield Case("replaced", PARTY, "PUT", path, {}, Want(405, "method", ""))


# -- 3. fields that the schemas forbid -----------------------------------------------------------------------------------------------
DROP = object()
OTHER_CONTEXT = "https://w3id.org/dspace/2024/1/context.json"
COMMON_FIELDS = [
    # member, value, code, where
    ("@context", DROP, "invalid", "/@context"), ("@context", None, "peer-syntax", "/@context"),
    ("@context", CONTEXT[0], "peer-syntax", "/@context"), ("@context", [], "peer-syntax", "/@context"),
    ("@context", {"@vocab": CONTEXT[0]}, "peer-syntax", "/@context"), ("@context", [OTHER_CONTEXT], "peer-syntax", "/@context"),
    ("@context", [*CONTEXT, {"providerPid": "dspace:consumerPid"}], "peer-syntax", "/@context"), ("@context", [*CONTEXT, 1], "peer-syntax", "/@context"),
    ("@context", [*CONTEXT, None], "peer-syntax", "/@context"), ("@context", CONTEXT * 17, "peer-syntax", "/@context"),
    ("@type", DROP, "invalid", "/@type"), ("@type", None, "invalid", "/@type"), ("@type", "", "peer-syntax", "/@type"),
    ("@type", 1, "invalid", "/@type"), ("@type", "Message", "peer-syntax", "/@type"), ("@type", {}, "invalid", "/@type"),
    ("@id", "", "invalid", "/@id"), ("@id", 1, "invalid", "/@id"), ("@id", {}, "invalid", "/@id"), ("@id", LONG, "invalid", "/@id"),
]
PID_VALUES = [DROP, None, "", 1, True, [], ["x"], {"@id": "x"}, LONG]


def replaced(body, pointer, value):
    body = copy.deepcopy(body)
    *inner, last = [int(p) if p.isdigit() else p for p in pointer.split("/")]
    at = body
    for part in inner:
        at = at[part]
    if value is DROP:
        del at[last]
    else:
        at[last] = value
    return body


def shown(value):
    text = "missing" if value is DROP else repr(value)
    return text if len(text) < 40 else f"{text[:30]}… ({len(text)})"


def field_rows(members, rows):
    for member, value, code, at in COMMON_FIELDS:
        yield member, value, Want(400, code, at)
    for member, value in itertools.product(members, PID_VALUES):
        yield member, value, invalid(f"/{member}")
    yield from rows


OFFER_FIELDS = [
    ("offer", DROP, invalid("/offer")), ("offer", None, syntax("/offer")), ("offer", "x", syntax("/offer")), ("offer", [], syntax("/offer")),
    ("offer", [OFFER], syntax("/offer")), ("offer", 7, syntax("/offer")), ("offer", {}, syntax("/offer/@type")),
    ("offer/@type", DROP, syntax("/offer/@type")), ("offer/@type", "Agreement", syntax("/offer/@type")), ("offer/@type", ["Offer"], syntax("/offer/@type")),
    ("offer/@type", "odrl:Offer", syntax("/offer/@type")), ("offer/@id", DROP, syntax("/offer/@id")), ("offer/@id", "", syntax("/offer/@id")),
    ("offer/@id", 1, syntax("/offer/@id")), ("offer/@id", None, syntax("/offer/@id")), ("offer/@id", LONG, syntax("/offer/@id")),
    ("offer/target", DROP, syntax("/offer/target")), ("offer/target", "", syntax("/offer/target")), ("offer/target", 1, syntax("/offer/target")),
    ("offer/target", {"@id": ASSET}, syntax("/offer/target")), ("offer/target", LONG, syntax("/offer/target")),
]
NO_CONSTRAINT = {"leftOperand": "dateTime", "operator": "lt"}
# where, what, code: rules that no policy may have; the pointers are policy/'s
RULES = [
    ("permission", "use", "invalid", "permission"), ("permission", [1], "invalid", "permission/0"), ("permission", [{}], "invalid", "permission/0/action"),
    ("permission", [{"action": 5}], "invalid", "permission/0/action"), ("permission", [{"action": "dance"}], "policy-unsupported", "permission/0/action"),
    ("permission/0/constraint", "x", "invalid", "permission/0/constraint"), ("permission/0/constraint", [1], "invalid", "permission/0/constraint/0"),
    ("permission/0/constraint", [{}], "invalid", "permission/0/constraint/0/leftOperand"),
    ("permission/0/constraint", [NO_CONSTRAINT], "invalid", "permission/0/constraint/0/rightOperand"),
    ("permission/0/constraint", [{**NO_CONSTRAINT, "rightOperand": "yesterday"}], "invalid", "permission/0/constraint/0/rightOperand"),
    ("permission/0/constraint", [{"leftOperand": "mood", "operator": "eq", "rightOperand": "x"}], "policy-unsupported", "permission/0/constraint/0/leftOperand"),
    ("permission/0/constraint", [{"leftOperand": "dateTime", "operator": "near", "rightOperand": "2026-01-01T00:00:00Z"}], "policy-unsupported",
     "permission/0/constraint/0/operator"),
    ("permission/0/permision", [], None, None), ("prohibition", 1, "invalid", "prohibition"), ("obligation", ["x"], "invalid", "obligation/0"),
    ("profile", "urn:profile:of-nobody", "policy-unsupported", "profile"), ("profile", 5, "invalid", "profile"), ("inheritFrom", "urn:x", None, None),
]


def rule_rows(place):
    """An unknown offer is refused before its rules are read, so these stand only where the offer is known."""
    for member, value, code, at in RULES:
        yield f"{place}/{member}", value, Want(400, code, at if at is None else f"/{place}/{at}")


PARTY_FIELDS = [(f"agreement/{name}", value, syntax(f"/agreement/{name}"))
                for name in ("@id", "target", "assigner", "assignee") for value in (DROP, "", 1, LONG, {"@id": "x"})]
AGREEMENT_FIELDS = [
    ("agreement", DROP, invalid("/agreement")), ("agreement", None, syntax("/agreement")), ("agreement", "x", syntax("/agreement")),
    ("agreement", [], syntax("/agreement")), ("agreement", {}, syntax("/agreement/@type")), ("agreement/@type", DROP, syntax("/agreement/@type")),
    ("agreement/@type", "Offer", syntax("/agreement/@type")), *PARTY_FIELDS,
    ("agreement/timestamp", "yesterday", invalid("/agreement/timestamp")), ("agreement/timestamp", 5, invalid("/agreement/timestamp")),
    ("agreement/timestamp", "2026-02-30T00:00:00Z", invalid("/agreement/timestamp")),
]
REASON_FIELDS = [("code", 1, invalid("/code")), ("code", {}, invalid("/code")), ("code", LONG, invalid("/code")), ("reason", "x", syntax("/reason")),
                 ("reason", [], syntax("/reason")), ("reason", {}, syntax("/reason")), ("reason", 1, syntax("/reason"))]
EVENT_FIELDS = [("eventType", value, invalid("/eventType")) for value in (DROP, None, "", 1, [], "VERIFIED", "accepted", "dspace:ACCEPTED ")]
ADDRESS_FIELDS = [
    ("dataAddress", "x", syntax("/dataAddress")), ("dataAddress", [], syntax("/dataAddress")), ("dataAddress", 1, syntax("/dataAddress")),
    ("dataAddress", {}, syntax("/dataAddress/@type")), ("dataAddress/@type", "Address", syntax("/dataAddress/@type")),
    ("dataAddress/endpointType", DROP, syntax("/dataAddress/endpointType")), ("dataAddress/endpointType", 1, syntax("/dataAddress/endpointType")),
    ("dataAddress/endpointType", "", syntax("/dataAddress/endpointType")), ("dataAddress/endpoint", 1, syntax("/dataAddress/endpoint")),
    ("dataAddress/endpointProperties", [], syntax("/dataAddress/endpointProperties")),
    ("dataAddress/endpointProperties", {}, syntax("/dataAddress/endpointProperties")),
    ("dataAddress/endpointProperties", ["x"], syntax("/dataAddress/endpointProperties/0")),
    ("dataAddress/endpointProperties/0/name", DROP, syntax("/dataAddress/endpointProperties/0")),
    ("dataAddress/endpointProperties/0/value", 1, syntax("/dataAddress/endpointProperties/0")),
]
EITHER = syntax("")
CALLBACK_FIELDS = [("callbackAddress", value, invalid("/callbackAddress")) for value in ("", 1, [], {}, ["https://x.example"], "https://x.example/" + "y" * 4096)]
OPTIONAL = {("request", "providerPid"), ("offer", "consumerPid")}
LATER = {
    ("negotiations", "request"): [*OFFER_FIELDS, ("callbackAddress", CALLBACK, EITHER), ("offer/target", "other", invalid("/offer/target"))],
    ("negotiations", "offer"): [*OFFER_FIELDS, *rule_rows("offer"), ("callbackAddress", CALLBACK, EITHER), ("offer/target", "other", invalid("/offer/target"))],
    ("negotiations", "accepted"): EVENT_FIELDS, ("negotiations", "finalized"): EVENT_FIELDS,
    ("negotiations", "agreement"): AGREEMENT_FIELDS + [row for row in rule_rows("agreement") if row[2].code == "invalid"],
    ("negotiations", "verification"): [],
    ("negotiations", "termination"): REASON_FIELDS, ("transfers", "start"): ADDRESS_FIELDS,
    ("transfers", "suspension"): REASON_FIELDS, ("transfers", "completion"): [], ("transfers", "termination"): REASON_FIELDS,
}


def field_cases(kind, role, name):
    """A message that would be taken, with one member changed."""
    tail, body = MESSAGES[kind](role)[name]
    for member, value, want in field_rows(("providerPid", "consumerPid"), LATER[kind, name]):
        if (name, member) in OPTIONAL and value in (DROP, None):
            want = EITHER  # without callbackAddress: neither a first message nor a later one
        yield post(f"{member} {shown(value)}", kind, tail, replaced(body, member, value), want)


FIRST_FIELDS = {
    "request": (("consumerPid",), [*OFFER_FIELDS, *CALLBACK_FIELDS, *rule_rows("offer"), ("callbackAddress", DROP, EITHER), ("providerPid", "x", EITHER),
                                   ("offer/@id", "unknown", invalid("/offer/@id")), ("offer/@id", "a:b:c", invalid("/offer/@id")),
                                   ("offer/target", "other", invalid("/offer/target")), ("offer/assigner", "somebody", invalid("/offer/assigner")),
                                   ("offer/assignee", "somebody", invalid("/offer/assignee"))]),
    "offer": (("providerPid",), [*OFFER_FIELDS, *CALLBACK_FIELDS, *rule_rows("offer"), ("callbackAddress", DROP, EITHER), ("consumerPid", "x", EITHER)]),
    "transfer": (("consumerPid", "agreementId", "format"), [
        *[("callbackAddress", value, invalid("/callbackAddress")) for value in (DROP, None)], *CALLBACK_FIELDS,
        ("agreementId", "unknown", invalid("/agreementId")), ("format", "Carrier-PIGEON", invalid("/format")),
        ("format", "x" * 257, invalid("/format")),
        *[(member, value, want) for member, value, want in ADDRESS_FIELDS if "/" not in member]]),
}


def first_cases(name):
    path, body = FIRST[name]
    members, rows = FIRST_FIELDS[name]
    for member, value, want in field_rows(members, rows):
        yield Case(f"{member} {shown(value)}", PARTY, "POST", path, replaced(body, member, value), want)
    yield Case("nobody", NOBODY, "POST", path, body, Want(401, None, None))
    yield Case("a token that is none", "nonsense", "POST", path, body, Want(401, None, None))


# -- 4. addresses that we are asked to call ---------------------------------------------------------------------------------------------
FORM, HOST = invalid("/callbackAddress"), Want(400, "peer-address", "/callbackAddress")
ADDRESSES = [
    *[(url, FORM) for url in (
        "x", "/dsp", "//peer.example/dsp", "ftp://peer.example/dsp", "file:///etc/passwd", "gopher://peer.example/", "dict://peer.example:11211/",
        "javascript:alert(1)", "http://peer.example/dsp", "HTTPS://peer.example/dsp", "https://", "https:///dsp", "https:peer.example/dsp",
        "https://peer.example/dsp?x=1", "https://peer.example/dsp#x", "https://user@peer.example/dsp", "https://user:secret@peer.example/dsp",
        "https://peer.example\\@127.0.0.1/dsp", "https://peer.example/d sp", "https://peer.example/dsp\n", "https://peer.example/\tdsp",
        "https://peer.example/\r\nX-Api-Key: 1", "https://пример.example/dsp", "https://①②⑦.⓪.⓪.①/dsp", "https://127。0。0。1/dsp")],
    *[(url, HOST) for url in (
        "https://peer.example:99999/dsp", "https://peer.example:-1/dsp", "https://peer.example:port/dsp", "https://[::1/dsp",
        "https://127.0.0.1/dsp", "https://127.0.0.1:5432/dsp", "https://127.1/dsp", "https://127.0.1/dsp", "https://0x7f.1/dsp", "https://0x7f000001/dsp",
        "https://2130706433/dsp", "https://017700000001/dsp", "https://0177.0.0.1/dsp", "https://127.0.0.1./dsp", "https://0/dsp", "https://0.0.0.0/dsp",
        "https://[::]/dsp", "https://[::1]/dsp", "https://[0:0:0:0:0:0:0:1]/dsp", "https://[::ffff:127.0.0.1]/dsp", "https://[::ffff:7f00:1]/dsp",
        "https://[64:ff9b::7f00:1]/dsp", "https://[2002:7f00:1::]/dsp", "https://[fe80::1]/dsp", "https://[fd00::1]/dsp", "https://[fc00::1]/dsp",
        "https://[ff02::1]/dsp", "https://localhost/dsp", "https://LOCALHOST:8444/dsp", "https://localhost./dsp", "https://a.localhost/dsp",
        "https://ip6-localhost/dsp", "https://localhost.localdomain/dsp", "https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/dsp",
        "https://[fd00:ec2::254]/dsp", "https://100.100.100.200/dsp", "https://192.0.0.192/dsp", "https://10.0.0.1/dsp", "https://10.255.255.255/dsp",
        "https://172.16.0.1/dsp", "https://172.31.255.255/dsp", "https://192.168.0.1/dsp", "https://192.168.1.1:443/dsp", "https://100.64.0.1/dsp",
        "https://198.18.0.1/dsp", "https://224.0.0.1/dsp", "https://255.255.255.255/dsp", "https://192.0.2.1/dsp", "https://%31%32%37.0.0.1/dsp")],
]


def address_cases(name):
    """For a connector whose fetch.allow is empty."""
    path, body = FIRST[name]
    for url, want in ADDRESSES:
        yield Case(f"callback to {url!a}", PARTY, "POST", path, {**body, "callbackAddress": url}, want)


# -- 5. bodies that are no messages -------------------------------------------------------------------------------------------------------
DEEP = b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"
BODIES = [
    # name, body, content type, status, code
    ("no body", b"", "application/json", 400, "syntax"), ("blanks", b" \n", "application/json", 400, "syntax"), ("a cut object", b'{"@type":', "application/json", 400, "syntax"),
    ("an array", b"[]", "application/json", 400, None), ("a text", b'"x"', "application/json", 400, None), ("null", b"null", "application/json", 400, None),
    ("a number", b"1", "application/json", 400, None), ("two values", b"{}{}", "application/json", 400, "syntax"),
    ("a member twice", b'{"@type":"x","@type":"y"}', "application/json", 400, "syntax"),
    ("a member twice, once escaped", b'{"@type":"x","\\u0040type":"y"}', "application/json", 400, "syntax"),
    ("two callback addresses", b'{"callbackAddress":"https://a.example","callbackAddress":"https://b.example"}', "application/json", 400, "syntax"),
    ("a NUL in a pid", b'{"providerPid":"a\\u0000b"}', "application/json", 400, "syntax"), ("a raw NUL", b'{"a":"\x00"}', "application/json", 400, "syntax"),
    ("not UTF-8", b'{"a":"\xff"}', "application/json", 400, "syntax"), ("half a surrogate", b'{"a":"\\ud800"}', "application/json", 400, "syntax"),
    ("a comment", b"{/**/}", "application/json", 400, "syntax"), ("too deep", DEEP, "application/json", 413, "limit"),
    ("very deep", b"[" * 100_000, "application/json", 413, "limit"), ("very deep objects", b'{"a":' * 20_000, "application/json", 413, "limit"),
    ("too many values", b'{"a":[' + b"1," * 25_000 + b"1]}", "application/json", 413, "limit"),
    ("XML", b"<a/>", "text/xml", 415, "media-type"), ("a form", b"a=b", "application/x-www-form-urlencoded", 415, "media-type"),
    ("HTML", b"<html>", "text/html", 415, "media-type"), ("YAML", b"a: b", "application/yaml", 415, "media-type"),
    ("JSON called HTML", b"{}", "text/html", 415, "media-type"), ("JSON in UTF-16", '{"@type":"x"}'.encode("utf-16"), "application/json", 400, "syntax"),
]


def body_cases(method_path):
    for name, body, media, status, code in BODIES:
        yield Case(name, PARTY, "POST", method_path, body, Want(status, code, None), media)


# -- 6. catalogue and versions ---------------------------------------------------------------------------------------------------------------
CATALOGUE = message("CatalogRequestMessage")
FILTERS = [
    ({}, syntax("/filter")), ("x", syntax("/filter")), (1, syntax("/filter")), ([1], None), (["x"], None), ([[]], None), ([None], None),
    ([{"operandLeft": "id"}], None), ([{"operandLeft": "id", "operator": "drop table", "operandRight": "x"}], None),
    ([{"operandLeft": 1, "operator": "=", "operandRight": "x"}], None), ([{"operandLeft": "id", "operator": "in", "operandRight": "x"}], None),
    ([{"limit": -1}], invalid("/filter/0/limit")), ([{"limit": "x"}], invalid("/filter/0/limit")), ([{"limit": 10**9}], invalid("/filter/0/limit")),
    ([{"offset": -1}], invalid("/filter/0/offset")), ([{"offset": 10**18}], invalid("/filter/0/offset")), ([{"limit": 1.5}], invalid("/filter/0/limit")),
    ([{"sortField": "id"}], invalid("/filter/0/sortField")), ([{"filterExpression": {"a": 1}}], None), ([{"filterExpression": [1]}], None),
    ([{"filterExpression": [{"operandLeft": "id", "operator": "=", "operandRight": {"a": {"b": 1}}}]}], None),
]


def catalogue_cases():
    place = "/catalog/request"
    for member, value, code, at in COMMON_FIELDS:
        yield Case(f"{member} {shown(value)}", PARTY, "POST", place, replaced(CATALOGUE, member, value), Want(400, code, at))
    for value, want in FILTERS:
        yield Case(f"filter {shown(value)}", PARTY, "POST", place, {**CATALOGUE, "filter": value}, want or Want(400, None, None))
    yield Case("a continuation that is none", PARTY, "POST", f"{place}?continuationToken=%21%21", CATALOGUE, Want(400, "invalid", None))
    yield Case("a continuation that is no UTF-8", PARTY, "POST", f"{place}?continuationToken=_w", {**CATALOGUE, "filter": 1}, syntax("/filter"))
    yield Case("a continuation of 3 KiB", PARTY, "POST", f"{place}?continuationToken={'A' * 3072}", CATALOGUE, Want(400, "invalid", None))
    yield Case("nobody", NOBODY, "POST", place, CATALOGUE, Want(401, None, None))
    yield Case("catalogue by GET", PARTY, "GET", place, None, Want(405, "method", ""))
    for name, path, want in (
            ("an unknown dataset", "unknown", Want(404, "not-found", "")), ("a dataset with a slash", "a%2Fb", Want(404, "not-found", "")),
            ("a dataset of 3 KiB", "x" * 3072, Want(404, "not-found", "")), ("a dataset with a NUL", "data-1%00", Want(400, "syntax", None)),
            ("a dataset that climbs", "..%2f..%2fetc%2fpasswd", Want(404, "not-found", "")), ("a dataset as SQL", "%27--", Want(404, "not-found", "")),
            ("a dataset that is no UTF-8", "%ff%fe", Want(400, "syntax", ""))):
        yield Case(name, PARTY, "GET", f"/catalog/datasets/{path}", None, want)
    yield Case("a dataset for nobody", NOBODY, "GET", "/catalog/datasets/data-1", None, Want(401, None, None))


VERSION_CASES = [
    Case("versions by POST", NOBODY, "POST", "/.well-known/dspace-version", {}, Want(405, "method", None)),
    Case("versions by DELETE", NOBODY, "DELETE", "/dsp/.well-known/dspace-version", None, Want(405, "method", None)),
    Case("versions of another path", NOBODY, "GET", "/.well-known/dspace-version/../../etc/passwd", None, Want(404, "not-found", None)),
    Case("versions below a version", NOBODY, "GET", "/dsp/2025-1/.well-known/dspace-version", None, Want(404, "not-found", None)),
    Case("another well-known name", NOBODY, "GET", "/.well-known/openid-configuration", None, Want(404, "not-found", None)),
    Case("a version that we do not speak", PARTY, "POST", "/dsp/2099-1/catalog/request", CATALOGUE, Want(404, "not-found", None)),
    Case("the root", NOBODY, "GET", "/", None, Want(404, "not-found", None)),
    Case("a path with a NUL", NOBODY, "GET", "/%00", None, Want(400, "syntax", None)),
    Case("a path with an encoded slash", NOBODY, "GET", "/.well-known%2Fdspace-version", None, Want(404, "not-found", None)),
    Case("management on the public address", NOBODY, "POST", "/v3/assets/request", {}, Want(404, "not-found", None)),
    Case("metrics on the public address", NOBODY, "GET", "/metrics", None, Want(404, "not-found", None)),
]

# -- 7. the data plane ---------------------------------------------------------------------------------------------------------------------
TOKEN = "<token>"
UNSIGNED = "eyJhbGciOiJub25lIn0.e30."


GRANT = "grant_type=refresh_token&refresh_token="
RENEWALS = [
    # name, form, answer to a peer
    ("nothing", "", invalid("?grant_type")), ("JSON", '{"grant_type":"refresh_token"}', invalid("?grant_type")),
    ("another grant", "grant_type=password&username=a&password=b", invalid("?grant_type")), ("no refresh token", "grant_type=refresh_token", invalid("?refresh_token")),
    ("a NUL", GRANT + "%00", invalid("?refresh_token")), ("a refresh token that is none", GRANT + "x", Want(403, "pull-token", "Authorization")),
    ("a pull token", GRANT + TOKEN, Want(403, "pull-token", "Authorization")), ("a refresh token cut short", GRANT + "<refresh-cut>", Want(403, "pull-token", "Authorization")),
    ("40 KiB", GRANT + "x" * 40_960, Want(413, "limit", None)),
]


def data_cases():
    forbidden, missing = Want(403, "pull-token", "Authorization"), Want(401, "unauthenticated", "Authorization")
    yield Case("no token", NOBODY, "GET", "/data", None, missing)
    yield Case("an empty token", ("header", ""), "GET", "/data", None, missing)
    for name, token in (("Bearer alone", "Bearer "), ("a word", "Bearer x"), ("another scheme", "Basic eDp5"), ("an unsigned token", UNSIGNED),
                        ("a changed signature", "<token-changed>"), ("a token cut short", "<token-cut>"), ("a token with more behind", TOKEN + "A"),
                        ("a token of 20 KiB", "x" * 20_480), ("a refresh token", "<refresh>"), ("two tokens", TOKEN + ", " + TOKEN)):
        yield Case(name, ("header", token), "GET", "/data", None, forbidden)
    good, path_refused = ("header", TOKEN), Want(400, "invalid", "path")
    for name, path in (("climbing", "/data/../x"), ("climbing, escaped", "/data/%2e%2e/x"), ("a slash twice", "/data//x"), ("a backslash", "/data/a%5Cb"),
                       ("an encoded slash", "/data/a%2Fb"), ("a hidden name", "/data/.ssh"),
                       ("escaped twice", "/data/%252e%252e/x")):
        yield Case(name, good, "GET", path, None, path_refused)
    yield Case("a NUL", good, "GET", "/data/a%00", None, Want(400, "syntax", None))
    yield Case("half a character", good, "GET", "/data/%ea%b0", None, Want(400, "syntax", None))
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        yield Case(f"{method} to data", good, method, "/data", None, Want(405, "method", None))
    form = "application/x-www-form-urlencoded"
    for name, body, want in RENEWALS:
        for who in (PARTY, STRANGER):
            yield Case(f"renewal by {who} with {name}", who, "POST", "/data/token", body, want, form)
        yield Case(f"renewal by nobody with {name}", NOBODY, "POST", "/data/token", body, want if want.status == 413 else missing, form)
    yield Case("renewal with another's refresh token", STRANGER, "POST", "/data/token", GRANT + "<refresh>", Want(403, "pull-token", "refresh_token"), form)
    yield Case("renewal by nobody with a good refresh token", NOBODY, "POST", "/data/token", GRANT + "<refresh>", missing, form)


# -- 8. management -------------------------------------------------------------------------------------------------------------------------------
VOCAB = {"@vocab": EDC}
ODRL = "http://www.w3.org/ns/odrl.jsonld"
GOOD = {
    "/v3/assets": {"@context": VOCAB, "@id": "new", "properties": {"name": "x"}, "dataAddress": {"@type": "DataAddress", "type": "HttpData", "baseUrl": "https://x.example/"}},
    "/v3/policydefinitions": {"@context": VOCAB, "@id": "new", "policy": {"@context": ODRL, "@type": "Set", "permission": [{"action": "use"}]}},
    "/v3/contractdefinitions": {"@context": VOCAB, "@id": "new", "accessPolicyId": "a", "contractPolicyId": "b", "assetsSelector": []},
    "/v3/secrets": {"@context": VOCAB, "@id": "new", "value": "v"},
    "/v3/catalog/request": {"@context": VOCAB, "counterPartyAddress": "https://x.example/dsp", "counterPartyId": "x", "protocol": "dataspace-protocol-http:2025-1"},
    "/v3/contractnegotiations": {"@context": VOCAB, "@type": "ContractRequest", "counterPartyAddress": "https://x.example/dsp", "counterPartyId": "peer",
                                 "protocol": "dataspace-protocol-http:2025-1",
                                 "policy": {"@context": ODRL, "@id": "o", "@type": "Offer", "assigner": "peer", "target": "t", "permission": [{"action": "use"}]}},
    "/v3/transferprocesses": {"@context": VOCAB, "@type": "TransferRequest", "counterPartyAddress": "https://x.example/dsp", "contractId": "unknown",
                              "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"},
}
WRONG_TYPES = [[], {}, ""]  # a number or truth value counts as its text, as JSON-LD processors have it
# no properties, no rules, data that is nowhere yet: nothing wrong with that
TAKEN = {("properties", "{}"), ("policy", "{}"), ("dataAddress", "missing"), ("dataAddress", "[]")}
REQUIRED = {
    "/v3/assets": ["properties", "dataAddress"], "/v3/policydefinitions": ["policy"],
    "/v3/contractdefinitions": ["accessPolicyId", "contractPolicyId"], "/v3/secrets": ["value"],
    "/v3/catalog/request": ["counterPartyAddress", "protocol"],
    "/v3/contractnegotiations": ["counterPartyAddress", "protocol", "policy", "policy/@id", "policy/assigner", "policy/target"],
    "/v3/transferprocesses": ["counterPartyAddress", "contractId", "protocol", "transferType"],
}
QUERIES = ["/v3/assets/request", "/v3/policydefinitions/request", "/v3/contractdefinitions/request", "/v3/contractnegotiations/request",
           "/v3/contractagreements/request", "/v3/transferprocesses/request", "/v3/edrs/request"]
QUERY_FIELDS = [("limit", -1), ("limit", "x"), ("offset", -1), ("sortOrder", "UP"), ("filterExpression", 5),
                ("filterExpression", [{"operandLeft": "id", "operator": "; DROP", "operandRight": "x"}]), ("filterExpression", [{"operator": "="}])]


def management_cases():
    """The type of an error stands for its code, and the last name of its path for the place."""
    broken = Want(400, "InvalidRequest", None)
    for path, body in GOOD.items():
        for member in REQUIRED[path]:
            for value in (v for v in (DROP, *WRONG_TYPES) if (member, shown(v)) not in TAKEN):
                at = "type" if (member, value) == ("dataAddress", {}) else member
                yield Case(f"{path}: {member} {shown(value)}", "key", "POST", path, replaced(body, member, value), Want(400, "ValidationFailure", at))
        for name, who in (("without a key", NOBODY), ("with a wrong key", "wrong key")):
            yield Case(f"{path}: {name}", who, "POST", path, body, Want(401, "AuthenticationFailed", None))
        for name, text in (("cut", b"{"), ("an array", b"[1]"), ("a NUL", b'{"@id":"a\\u0000"}'), ("a member twice", b'{"@id":"a","@id":"b"}')):
            yield Case(f"{path}: {name}", "key", "POST", path, text, broken)
        yield Case(f"{path}: too deep", "key", "POST", path, DEEP, Want(413, "InvalidRequest", None))
        yield Case(f"{path}: as a form", "key", "POST", path, b"a=b", Want(415, "InvalidRequest", None), "application/x-www-form-urlencoded")
        yield Case(f"{path}: a remote context", "key", "POST", path, {**body, "@context": "https://evil.example/context.jsonld"},
                   Want(400, "ValidationFailure", "@context"))
    for path, (member, value) in itertools.product(QUERIES, QUERY_FIELDS):
        yield Case(f"{path}: {member} {shown(value)}", "key", "POST", path, {"@context": VOCAB, "@type": "QuerySpec", member: value},
                   Want(400, "ValidationFailure", member))
    for path in ("assets", "policydefinitions", "contractdefinitions", "contractnegotiations", "transferprocesses", "secrets"):
        yield Case(f"/v3/{path}/unknown", "key", "GET", f"/v3/{path}/unknown", None, Want(404, "ObjectNotFound", None))
        yield Case(f"/v3/{path}/%ff", "key", "GET", f"/v3/{path}/%ff", None, broken)
        yield Case(f"/v3/{path}/%00", "key", "GET", f"/v3/{path}/%00", None, broken)
