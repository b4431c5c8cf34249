"""The register: applications, decisions, tokens, membership, and who may call which route."""

import json
import re
import time
import uuid

from databank import (OPERATOR, Company, DataBank, Key, Server, business_number, did_document, jwt_claims, parts, sha256, stamp,
                      verifies)
from harness import ROOT, main, tap, temp_dir, wait_until


def error(response):
    return (response.status, response.json.get("at")) if response.status >= 400 else (response.status, None)


def scenario():
    bank = DataBank(membership_life="60s")
    joins(bank)
    bad_numbers(bank)
    bad_proofs(bank)
    bad_forms(bank)
    duplicates(bank)
    hosts_itself(bank)
    tokens(bank)
    signed_tokens(bank)
    membership(bank)
    suspended(bank)
    attestations(bank)
    revocations(bank)
    who_may_call(bank)
    limit(bank)


def joins(bank):
    steel = Company(bank, "steel")
    answer = steel.apply()
    tap.status(answer, 201, "a company applies")
    record = answer.json
    tap.equal((record["state"], record["did"], record["slug"]), ("applied", f"{bank.did}:participants:steel", "steel"),
              "its DID is hosted here")
    tap.ok(re.fullmatch(r"naru_[A-Za-z0-9_-]{43}", record["token"]), "it is given a token")
    tap.equal(record["number"], {"kind": "kr_brn", "value": steel.number}, "its number is kept")
    tap.equal(bank.value(f"SELECT count(*) FROM reg.access_token WHERE encode(token_hash, 'hex') = '{sha256(record['token'])}'"),
              "1", "of the token only the hash is stored")

    own = steel.client().get("/v1/participants/me")
    tap.equal({c["step"]: c["result"] for c in own.json["checks"]},
              {"number": "passed", "key": "passed", "did": "passed", "connector": "pending"}, "it sees what was checked")
    tap.equal("token" in own.json, False, "the token is shown once")
    tap.status(steel.client().get("/v1/datasets"), 403, "it may do nothing else before it is approved")
    tap.status(steel.connector().get("/v1/participants/me/credential"), 403, "and is no member")
    tap.status(bank.api().get("/participants/steel/did.json"), 404, "its DID document is not served yet")
    tap.equal([p["slug"] for p in bank.operator().get("/v1/participants?state=applied").json["items"]], ["steel"],
              "the operator sees the application")

    tap.status(bank.operator().post(f"/v1/participants/{uuid.uuid4()}/approve"), 404, "another id cannot be approved")
    answer = bank.operator().post(f"/v1/participants/{steel.id}/approve", {"reason": "papers seen"})
    tap.equal((answer.status, answer.json["state"], answer.json["reason"]), (200, "active", "papers seen"), "it is approved")
    own = steel.client().get("/v1/participants/me").json
    tap.equal([c["result"] for c in own["checks"] if c["step"] == "connector"], ["failed"],
              "that its connector does not run yet is recorded and stops nothing")
    tap.status(steel.client().get("/v1/datasets"), 200, "now it may search")
    document = bank.api().get("/participants/steel/did.json").json
    tap.equal((document["id"], document["verificationMethod"][0]["publicKeyJwk"]), (steel.did, steel.key.jwk),
              "its DID document holds its key")
    tap.status(bank.operator().post(f"/v1/participants/{steel.id}/approve"), 409, "it cannot be approved twice")
    tap.status(bank.operator().post(f"/v1/participants/{steel.id}/refuse"), 409, "nor refused any more")

    other = bank.member("parts")
    seen = other.client().get(f"/v1/participants/{steel.id}").json
    tap.equal((seen["did"], "number" in seen, "reason" in seen), (steel.did, False, False),
              "others see it without number and reason")

    applied, decided = bank.entries("participant.applied")[0], bank.entries("participant.decided")[0]
    tap.equal((applied["participant"], applied["jwk"]), (steel.id, steel.key.jwk), "the application is in the log")
    tap.equal(applied["number_hash"], sha256(f"{steel.id}\nkr_brn\n{steel.number}"), "with a hash of the number that can be shown")
    tap.equal((decided["participant"], decided["state"], decided["by"]), (steel.id, "active", "operator"), "and the decision")


NUMBERS = [  # kind, value, part of the detail
    ("kr_brn", "1208147522", "check digit is '2', expected '1'"),
    ("kr_brn", "120-81-47522", "check digit"),
    ("kr_brn", "0000000000", "zeros"),
    ("kr_brn", "120814752", ""),
    ("kr_brn", "12081475211", ""),
    ("kr_brn", "120-8147521", ""),
    ("kr_brn", "12O8147521", "character 3"),
    ("kr_brn", "", ""),
    ("lei", "506700GE1G29325QX364", "check digits are '64', expected '63'"),
    ("lei", "506700GE1G29325QX36", ""),
    ("jp_corporate", "6700110005901", "check digit"),
    ("duns", "000000000", "zeros"),
    ("bpn", "BPNX000000000000", "character 4"),
    ("eori", "1234", "character 1"),
]


def bad_numbers(bank):
    company = Company(bank, "numbers")
    before = bank.value("SELECT count(*) FROM reg.participant")
    for kind, value, said in NUMBERS:
        answer = company.apply(number={"kind": kind, "value": value})
        good = error(answer) == (400, "/number/value") and said in answer.json["detail"]
        tap.ok(good, f"{kind} '{value}' is refused", answer.text)
    tap.equal(error(company.apply(number={"kind": "vat", "value": "1"})), (400, "/number/kind"), "an unknown kind of number")
    tap.equal(bank.value("SELECT count(*) FROM reg.participant"), before, "nothing of them is stored")
    dashed = f"{company.number[:3]}-{company.number[3:5]}-{company.number[5:]}"
    answer = company.apply(number={"kind": "kr_brn", "value": dashed})
    tap.equal((answer.status, answer.json["number"]["value"]), (201, company.number), "hyphens in their places are accepted")
    refuse(bank, company)


def refuse(bank, company, reason="a test"):
    return bank.operator().post(f"/v1/participants/{company.id}/refuse", {"reason": reason})


def bad_proofs(bank):
    company = Company(bank, "proofs")
    stranger = Key(temp_dir() / "stranger.pem")
    now = int(time.time())
    cases = {
        "signed by another key": company.proof(key=stranger),
        "for another audience": company.proof(aud="did:web:elsewhere.test"),
        "without audience": company.proof(aud=None),
        "of another issuer": company.proof(iss="did:web:elsewhere.test"),
        "expired": company.proof(iat=now - 400, exp=now - 100),
        "that lives for an hour": company.proof(exp=now + 3600),
        "from the future": company.proof(iat=now + 600, exp=now + 700),
        "without end": company.proof(exp=None),
        "without signature": company.proof().rsplit(".", 1)[0] + ".",
        "cut": company.proof()[:-10],
        "that is no JWT": "hello",
        "empty": "",
        "with 'alg' none": company.key.jws("k", "JWT", jwt_claims(company.did, bank.did), alg="none"),
        "that brings its key along": company.key.jws("k", "JWT", jwt_claims(company.did, bank.did), jwk=company.key.jwk),
    }
    for name, proof in cases.items():
        tap.equal(error(company.apply(proof=proof)), (400, "/proof"), f"a proof {name} is refused")
    for name, jwk in {"of another curve": {**company.key.jwk, "crv": "P-384"}, "off the curve": {**company.key.jwk, "y": "A" * 43},
                      "with its private part": {**company.key.jwk, "d": "A" * 43}, "that is none": {}}.items():
        answer = company.apply(jwk=jwk)
        tap.ok(answer.status == 400 and answer.json["at"].startswith("/jwk"), f"a key {name} is refused", answer.text)


def bad_forms(bank):
    company = Company(bank, "forms")
    cases = [
        ("an unknown member", {"colour": "blue"}, 400, "/colour"),
        ("no name", {"name": None}, 400, "/name"),
        ("no English name", {"name": {"ko": "회사"}}, 400, "/name/en"),
        ("an empty name", {"name": {"ko": "", "en": "x"}}, 400, "/name/ko"),
        ("a name of 257 bytes", {"name": {"ko": "x" * 257, "en": "x"}}, 413, "/name"),
        ("a country in words", {"country": "Korea"}, 400, "/country"),
        ("a country in lower case", {"country": "kr"}, 400, "/country"),
        ("a slug of one letter", {"slug": "x"}, 400, "/slug"),
        ("a slug of 41 letters", {"slug": "x" * 41}, 400, "/slug"),
        ("a slug with capitals", {"slug": "Steel"}, 400, "/slug"),
        ("a slug with a colon", {"slug": "steel:x"}, 400, "/slug"),
        ("a slug that ends with a hyphen", {"slug": "steel-"}, 400, "/slug"),
        ("a slug with two hyphens in a row", {"slug": "st--eel"}, 400, "/slug"),
        ("a slug that leads elsewhere", {"slug": "../me"}, 400, "/slug"),
        ("a connector without TLS", {"connector_url": "http://steel.test"}, 400, "/connector_url"),
        ("a protocol address that is none", {"protocol_url": "ftp://steel.test"}, 400, "/protocol_url"),
        ("a DID of another method", {"did": "did:key:z6Mk"}, 400, "/did"),
        ("a DID with a path upwards", {"did": "did:web:steel.test:.."}, 400, "/did"),
        ("a number as text", {"number": "123"}, 400, "/number"),
    ]
    for name, changes, status, at in cases:
        tap.equal(error(company.apply(**changes)), (status, at), f"an application with {name}")
    tap.status(bank.api().post("/v1/applications", body=b"{", headers={"Content-Type": "application/json"}), 400, "half a body")
    tap.status(bank.api().post("/v1/applications", body=b"x" * 70000, headers={"Content-Type": "application/json"}), 413,
               "a body of 70,000 bytes")


def duplicates(bank):
    first = bank.member("first")
    other = Company(bank, "other")
    tap.equal(error(Company(bank, "first").apply()), (409, "/did"), "a DID and slug that are taken")
    tap.equal(error(other.apply(number={"kind": "kr_brn", "value": first.number})), (409, "/number"), "a number that is taken")
    squatter, owner = Company(bank, "squatter"), Company(bank, "owner")
    squatter.apply(number={"kind": "kr_brn", "value": owner.number})
    tap.equal(error(owner.apply()), (409, "/number"), "an application that waits holds its number")
    answer = refuse(bank, squatter, "not your number")
    tap.equal((answer.status, answer.json["state"]), (200, "refused"), "it is refused")
    own = squatter.client().get("/v1/participants/me").json
    tap.equal((own["state"], own["reason"]), ("refused", "not your number"), "the applicant is told why")
    tap.status(owner.apply(), 201, "the number is free again")
    again = Company(bank, "squatter")
    tap.status(again.apply(), 201, "and so are slug and DID")
    tap.status(bank.operator().post(f"/v1/participants/{squatter.id}/approve"), 409, "what was refused cannot be approved")
    tap.status(again.connector().get("/v1/participants/me"), 200, "its DID means the new application")
    tap.status(squatter.connector().get("/v1/participants/me"), 401, "and no longer the refused one")
    refuse(bank, owner), refuse(bank, again)


def hosts_itself(bank):
    documents = {}

    def answer(_method, path, _headers, _body):
        return (200, documents[path]) if path in documents else (404, {})

    web = Server(bank.authority, bank.certificate, answer).start()
    good, wrong, absent, foreign = (Company(bank, name, did=f"did:web:localhost%3A{web.port}:{name}", connector_url=web.url)
                                    for name in ("good", "wrong", "absent", "foreign"))
    documents["/good/did.json"] = did_document(good.did, ("key-1", good.key.jwk))
    documents["/wrong/did.json"] = did_document(wrong.did, ("key-1", good.key.jwk))
    documents["/foreign/did.json"] = did_document(good.did, ("key-1", foreign.key.jwk))
    documents["/.well-known/dspace-version"] = {}
    for company in (good, wrong, absent, foreign):
        tap.equal((company.apply().status, company.did in bank.value(f"SELECT did FROM reg.participant WHERE slug = '{company.slug}'")),
                  (201, True), f"'{company.slug}' applies with a DID of its own")
        own = company.client().get("/v1/participants/me").json
        tap.equal([c["result"] for c in own["checks"] if c["step"] == "did"], ["pending"], "that is looked up later")
    for company, why in ((wrong, "another key"), (absent, "no document"), (foreign, "a document of somebody else")):
        tap.equal(error(bank.operator().post(f"/v1/participants/{company.id}/approve")), (409, "/did"), f"{why}: not approved")
        own = company.client().get("/v1/participants/me").json
        tap.equal((own["state"], [c["result"] for c in own["checks"] if c["step"] == "did"]), ("applied", ["failed"]),
                  "it waits, and sees which check failed")
    answer = bank.operator().post(f"/v1/participants/{good.id}/approve")
    tap.status(answer, 200, "a document with the registered key: approved")
    own = good.client().get("/v1/participants/me").json
    tap.equal({c["step"]: c["result"] for c in own["checks"]},
              {"number": "passed", "key": "passed", "did": "passed", "connector": "passed"}, "all checks passed")
    tap.status(bank.api().get("/participants/good/did.json"), 404, "its document is not hosted here")
    for company in (wrong, absent):
        documents[f"/{company.slug}/did.json"] = did_document(company.did, ("key-1", company.key.jwk))
        tap.status(bank.operator().post(f"/v1/participants/{company.id}/approve"), 200, f"'{company.slug}' mends its document: approved")
    refuse(bank, foreign)
    web.stop()


def tokens(bank):
    mill = bank.member("mill")
    made = mill.client().post("/v1/tokens", {"role": "buyer", "label": "purchasing"})
    tap.status(made, 201, "an admin makes a token")
    buyer = made.json["token"]
    tap.status(bank.api(buyer).get("/v1/orders"), 200, "it works")
    tap.status(bank.api(buyer).post("/v1/tokens", {"role": "buyer", "label": "x"}), 403, "a buyer makes none")
    tap.status(bank.api(buyer).put("/v1/datasets/x", {"entry": "x"}), 403, "and publishes nothing")
    tap.equal(error(mill.client().post("/v1/tokens", {"role": "buyer", "label": "purchasing"})), (409, "/label"), "a label is unique")
    for role in ("operator", "auditor", "king", ""):
        tap.equal(error(mill.client().post("/v1/tokens", {"role": role, "label": "x"})), (400, "/role"), f"no token of role '{role}'")
    tap.equal(error(mill.client().post("/v1/tokens", {"role": "buyer", "label": "x", "expires_at": stamp(time.time() - 5)})),
              (400, "/expires_at"), "none that has expired already")
    tap.status(mill.client().post("/v1/tokens", {"role": "buyer", "label": "x" * 81}), 413, "no label of 81 bytes")

    short = mill.client().post("/v1/tokens", {"role": "buyer", "label": "short", "expires_at": stamp(time.time() + 3)}).json["token"]
    tap.status(bank.api(short).get("/v1/orders"), 200, "a token with an end works until then")
    wait_until(lambda: bank.api(short).get("/v1/orders").status == 401, 10, "it expires")
    tap.status(mill.client().post("/v1/tokens", {"role": "buyer", "label": "short"}), 201, "its label is free again")

    parts_ = bank.member("second-mill")
    tap.status(parts_.client().delete("/v1/tokens/purchasing"), 404, "another company cannot revoke it")
    tap.status(mill.client().delete("/v1/tokens/purchasing"), 204, "it is revoked")
    tap.status(bank.api(buyer).get("/v1/orders"), 401, "and out at once")
    tap.status(mill.client().delete("/v1/tokens/purchasing"), 404, "there is none of this label any more")

    for role, path in (("auditor", "/v1/audit/checkpoint"), ("operator", "/v1/participants")):
        made = bank.operator().post("/v1/tokens", {"role": role, "label": f"second {role}"})
        tap.status(made, 201, f"the operator makes a token of an {role}")
        tap.status(bank.api(made.json["token"]).get(path), 200, "it works")
    tap.equal(error(bank.operator().post("/v1/tokens", {"role": "buyer", "label": "x"})), (400, "/role"),
              "but none of a buyer without company")
    tap.status(bank.operator().delete("/v1/tokens/second%20operator"), 204, "the operator revokes one")
    tap.status(bank.operator(made.json["token"]).get("/v1/participants"), 401, "it is out at once")
    tap.equal([(e["action"], e["subject"], e["by"]) for e in bank.entries("operator.acted")],
              [("token.made", "second auditor", "operator"), ("token.made", "second operator", "operator"),
               ("token.revoked", "second operator", "operator")], "what the operator did is in the log")


def signed_tokens(bank):
    plant, stranger = bank.member("plant"), Company(bank, "stranger")
    token = plant.jwt()
    tap.status(bank.api(token).get("/v1/participants/me"), 200, "a token that the company signed")
    tap.equal(error(bank.api(token).get("/v1/participants/me")), (401, "/jti"), "is good for one request")
    now = int(time.time())
    reused = plant.jwt(jti="one")
    tap.status(bank.api(reused).get("/v1/orders"), 200, "an id of the company's choice")
    tap.status(bank.api(plant.jwt(jti="one", exp=now + 60)).get("/v1/orders"), 401, "counts also in another token")
    cases = {
        "of another audience": plant.jwt(audience="did:web:elsewhere.test"),
        "without audience": plant.jwt(aud=None),
        "for two audiences": plant.jwt(aud=[bank.did, "did:web:elsewhere.test"]),
        "whose subject is another": plant.jwt(sub=stranger.did),
        "without subject": plant.jwt(sub=None),
        "without issuer": plant.jwt(iss=None, sub=None),
        "of a stranger": stranger.jwt(),
        "of a company, signed by a stranger": plant.jwt(key=stranger.key),
        "with a key of another DID": plant.jwt(kid=f"{stranger.did}#key-1"),
        "with a longer DID in the key": plant.jwt(kid=f"{plant.did}x#key-1"),
        "without key": plant.jwt(kid=None),
        "without id": plant.jwt(jti=None),
        "with an id of 201 characters": plant.jwt(jti="x" * 201),
        "expired": plant.jwt(iat=now - 400, exp=now - 1),
        "without end": plant.jwt(exp=None),
        "that lives for ten minutes": plant.jwt(exp=now + 600),
        "from the future": plant.jwt(iat=now + 300, exp=now + 400),
        "not valid yet": plant.jwt(nbf=now + 300),
        "with 'alg' none": plant.jwt(header={"alg": "none"}),
        "with 'alg' HS256": plant.jwt(header={"alg": "HS256"}),
        "with 'alg' EdDSA over an ES256 key": plant.jwt(header={"alg": "EdDSA"}),
        "with a critical header": plant.jwt(header={"crit": ["exp"]}),
        "that leads to its key": plant.jwt(header={"jku": "https://elsewhere.test/keys"}),
        "with claims that are no object": plant.key.jws(f"{plant.did}#key-1", "JWT", "[1]"),
        "with a changed signature": plant.jwt()[:-6] + "AAAAAA",
        "of three dots": "a.b.c.d",
    }
    for name, bad in cases.items():
        tap.status(bank.api(bad).get("/v1/participants/me"), 401, f"a token {name}")
    for name, header in {"no scheme": token, "another scheme": f"Basic {token}", "nothing after the scheme": "Bearer ",
                         "17 KiB": f"Bearer {'x' * 17000}"}.items():
        status = bank.api().get("/v1/participants/me", headers={"Authorization": header}).status
        tap.ok(status in (401, 413, 431), f"authorization with {name}", status)
    bank.sql("INSERT INTO sys.token_used VALUES ('x', 'x', now() - interval '1 s')")
    bank.broker.stop()
    bank.broker.begin()
    bank.wait()
    tap.status(bank.api(token).get("/v1/orders"), 401, "a used token stays used when the broker has been restarted")
    tap.status(plant.connector().get("/v1/orders"), 200, "the next one is good")
    tap.equal(bank.value("SELECT count(*) FROM sys.token_used WHERE expires_at < now()"), "0", "ids of expired tokens do not pile up")


def membership(bank):
    foundry = bank.member("foundry")
    first = foundry.connector().get("/v1/participants/me/credential").json
    header, claims, _ = parts(first["credential"])
    document = bank.api().get("/.well-known/did.json").json
    methods = {m["id"]: m["publicKeyJwk"] for m in document["verificationMethod"]}
    tap.equal(document["id"], bank.did, "the data bank's own DID document")
    tap.equal((header["typ"], header["kid"]), ("naru-membership+jwt", f"{bank.did}#key-1"), "a credential of the data bank")
    tap.ok(verifies(first["credential"], methods[header["kid"]], bank.folder), "its signature is good")
    tap.equal((claims["iss"], claims["sub"], claims["exp"] - claims["iat"]), (bank.did, foundry.did, 60), "who, for whom, how long")
    tap.equal({k: claims["membership"][k] for k in ("participant", "status", "name", "country", "business_number_kind")},
              {"participant": foundry.id, "status": "active", "name": "foundry Ltd.", "country": "KR", "business_number_kind": "kr_brn"},
              "and what it says")
    tap.equal([m for m in document["assertionMethod"] + document["authentication"] if m.endswith("#log")], [],
              "the key of the log signs no tokens")
    again = foundry.client().get("/v1/participants/me/credential").json
    tap.equal(again["credential"], first["credential"], "the same one is given while half of its life is left")
    bank.sql(f"UPDATE reg.credential SET expires_at = now() + interval '29 s' WHERE participant_id = '{foundry.id}'")
    fresh = foundry.connector().get("/v1/participants/me/credential").json
    tap.ok(fresh["credential"] != first["credential"], "then a new one")
    tap.equal(len([e for e in bank.entries("credential.issued") if e["participant"] == foundry.id]), 2, "each is in the log")


def suspended(bank):
    smith = bank.member("smith")
    buyer = smith.client().post("/v1/tokens", {"role": "buyer", "label": "b"}).json["token"]
    token = smith.jwt()
    answer = bank.operator().post(f"/v1/participants/{smith.id}/suspend", {"reason": "unpaid"})
    tap.equal((answer.status, answer.json["state"]), (200, "suspended"), "a member is suspended")
    tap.status(smith.client().get("/v1/datasets"), 403, "its admin is out at once")
    tap.status(bank.api(buyer).get("/v1/orders"), 403, "its buyer")
    tap.status(bank.api(token).get("/v1/participants/me/credential"), 403, "its connector, with a token made before")
    tap.status(bank.api().get("/participants/smith/did.json"), 404, "its DID document is gone")
    tap.equal(smith.client().get("/v1/participants/me").json["reason"], "unpaid", "it sees why")
    other = bank.member("observer")
    tap.status(other.client().get(f"/v1/participants/{smith.id}"), 404, "others no longer see it")
    tap.status(bank.operator().post(f"/v1/participants/{smith.id}/suspend"), 409, "not twice")
    tap.status(bank.operator().post(f"/v1/participants/{smith.id}/approve"), 200, "it is admitted again")
    tap.status(bank.api(buyer).get("/v1/orders"), 200, "its tokens work again")


def said(credential):
    """What a credential says was checked."""
    return [(a["kind"], a["value"]) for a in parts(credential)[1]["membership"].get("attestations", [])]


def attest(bank, company, kind, value, verb="", **more):
    return bank.operator().post(f"/v1/participants/{company.id}/attestations{verb}", {"kind": kind, "value": value, **more})


def listener(bank, got):
    """A connector that takes whatever the data bank sends it."""
    def answer(method, path, _headers, body):
        if method == "POST":
            got.append((path, body))
        return 204, b""

    return Server(bank.authority, bank.certificate, answer).start()


NUMBER, AGREEMENT = "business_partner_number", "framework_agreement"


def attestations(bank):
    got = []
    web = listener(bank, got)
    forge = bank.member("forge", connector_url=web.url)
    first = forge.connector().get("/v1/participants/me/credential").json["credential"]
    tap.equal(said(first), [], "a credential says nothing that was not checked")
    for what, kind, value, want in (
            ("another kind", "shoe_size", "44", (400, "/kind")), ("no value", NUMBER, "", (400, "/value")),
            ("a number of another form", NUMBER, "BPNS00000000ABCD", (400, "/value")),
            ("a number in small letters", NUMBER, "BPNL00000000abcd", (400, "/value")),
            ("a name with a space", AGREEMENT, "Data Exchange", (400, "/value")), ("a name of 129 bytes", AGREEMENT, "x" * 129, (400, "/value"))):
        tap.equal(error(attest(bank, forge, kind, value)), want, f"{what} is not recorded")
    tap.equal(error(attest(bank, forge, AGREEMENT, "X:1", valid_until=stamp(time.time() - 5))), (400, "/valid_until"), "nor what is over")
    answer = attest(bank, forge, NUMBER, "BPNL00000000ABCD")
    tap.equal((answer.status, answer.json["value"]), (201, "BPNL00000000ABCD"), "a business partner number is recorded")
    tap.equal(error(attest(bank, forge, NUMBER, "BPNL00000000ABCD")), (409, "/value"), "once")
    tap.equal(error(attest(bank, forge, NUMBER, "BPNL00000000ABCE")), (409, "/value"), "a company has one")
    tap.equal(error(attest(bank, bank.member("copycat"), NUMBER, "BPNL00000000ABCD")), (409, "/value"), "and nobody else has it")
    wait_until(lambda: len(got) == 1, 10, "its connector is sent a fresh credential")
    path, body = got[0]
    tap.equal((path, said(json.loads(body)["credential"])), ("/exchange/v1/membership", [(NUMBER, "BPNL00000000ABCD")]), "that says so")
    end = stamp(time.time() + 3600)
    tap.status(attest(bank, forge, AGREEMENT, "DataExchangeGovernance:1.0", valid_until=end), 201, "a framework agreement, with an end")
    current = forge.connector().get("/v1/participants/me/credential").json["credential"]
    tap.equal(parts(current)[1]["membership"]["attestations"],
              [{"kind": NUMBER, "value": "BPNL00000000ABCD"}, {"kind": AGREEMENT, "value": "DataExchangeGovernance:1.0", "valid_until": end}],
              "the credential that is given out says both")
    own = forge.client().get("/v1/participants/me").json["attestations"]
    tap.equal([(a["kind"], a["value"]) for a in own], said(current), "the company sees what was recorded")
    tap.equal("attestations" in bank.member("curious").client().get(f"/v1/participants/{forge.id}").json, False, "others do not")
    for i in range(14):
        attest(bank, forge, AGREEMENT, f"More:{i}")
    tap.status(attest(bank, forge, AGREEMENT, "More:14"), 413, "at most 16")
    entries = bank.entries("attestation.recorded")
    tap.equal((len(entries), {e["participant"] for e in entries}, "BPNL" in json.dumps(entries)), (16, {forge.id}, False),
              "each is in the log, without its value")
    one = entries[0]
    tap.equal(one["value_hash"], sha256(f"{one['attestation']}\nBPNL00000000ABCD"), "but with a hash that tells it to whoever knows it")
    wait_until(lambda: len(got) == 16, 10, "every change brought a credential")
    web.stop()


def revocations(bank):
    got = []
    web = listener(bank, got)
    watcher, quarry = bank.member("watcher", connector_url=web.url), bank.member("quarry", connector_url=f"{web.url}/quarry")
    attest(bank, quarry, NUMBER, "BPNL0000QUARRY00")
    attest(bank, quarry, AGREEMENT, "DataExchangeGovernance:1.0")
    live = {parts(json.loads(body)["credential"])[1]["jti"] for path, body in
            wait_until(lambda: len(got) == 2 and list(got), 10, "credentials of the quarry")}
    since = watcher.connector().get("/v1/revocations").json["next"]
    tap.equal(error(attest(bank, quarry, AGREEMENT, "Other:1", "/withdraw")), (404, "/value"), "what was not recorded is not withdrawn")
    tap.status(attest(bank, quarry, AGREEMENT, "DataExchangeGovernance:1.0", "/withdraw"), 200, "an attestation is withdrawn")
    told = wait_until(lambda: [json.loads(b)["revocation"] for p, b in got if p == "/exchange/v1/revocations"], 10, "the watcher is told")
    header, document, _ = parts(told[0])
    methods = {m["id"]: m["publicKeyJwk"] for m in bank.api().get("/.well-known/did.json").json["verificationMethod"]}
    tap.ok(header["typ"] == "naru-revocation+jws" and verifies(told[0], methods[header["kid"]], bank.folder), "in a document that the data bank has signed")
    tap.equal((document["issuer"], document["subject"], set(document["credentials"]), document["reason"], document["number"]),
              (bank.did, quarry.did, live, "attestation_withdrawn", since + 1), "that names all credentials that said so, and is numbered")
    wait_until(lambda: [p for p, _ in got if p == "/quarry/exchange/v1/revocations"], 10, "the company itself is told as well")
    fresh = wait_until(lambda: [b for p, b in got if p == "/quarry/exchange/v1/membership"][2:], 10, "and gets a fresh credential")
    tap.equal(said(json.loads(fresh[0])["credential"]), [(NUMBER, "BPNL0000QUARRY00")], "without it")
    tap.equal(said(quarry.connector().get("/v1/participants/me/credential").json["credential"]), [(NUMBER, "BPNL0000QUARRY00")],
              "which is the one that is given out")
    tap.status(bank.operator().post(f"/v1/participants/{quarry.id}/suspend"), 200, "the company is suspended")
    asked = wait_until(lambda: (lambda a: a["items"] and len(a["items"]) == 2 and a)(
        watcher.connector().get(f"/v1/revocations?since={since}").json), 10, "whoever asks gets both")
    last = parts(asked["items"][1])[1]
    tap.equal((last["reason"], last["credentials"], asked["complete"], asked["next"]),
              ("suspended", [parts(json.loads(fresh[0])["credential"])[1]["jti"]], True, since + 2), "also the one that was left")
    page = watcher.connector().get(f"/v1/revocations?since={since}&limit=1").json
    tap.equal((len(page["items"]), page["next"], page["complete"]), (1, since + 1, False), "page by page")
    tap.equal(watcher.connector().get(f"/v1/revocations?since={since + 2}").json, {"items": [], "next": since + 2, "complete": True}, "after the last: nothing")
    tap.status(watcher.connector().get("/v1/revocations?since=-1"), 400, "there are no negative numbers")
    tap.equal([(e["credential"], e["reason"]) for e in bank.entries("credential.revoked") if e["participant"] == quarry.id and e["reason"] == "suspended"],
              [(last["credentials"][0], "suspended")], "the log says it of each credential")
    tap.equal([e["participant"] for e in bank.entries("attestation.withdrawn")], [quarry.id], "and what was withdrawn")
    web.stop()


# -- every route, every caller ------------------------------------------------------------------------------------------
BITS = {"W_PUBLIC": 0, "W_OPERATOR": 1, "W_ADMIN": 2, "W_PUBLISHER": 4, "W_BUYER": 8, "W_AUDITOR": 16, "W_CONNECTOR": 32,
        "W_APPLICANT": 64, "W_MEMBER": 2 | 4 | 8 | 32}


def routes(operator):
    """(method, path, bits) of each row of the tables that a listener serves."""
    for path in sorted((ROOT / "server").glob("*/*routes.def")):
        if (path.name == "operator_routes.def") != operator:
            continue
        for method, route, who in re.findall(r'^ROUTE\((\w+),\s*"([^"]+)",\s*\w+,\s*([\w |]+?),', path.read_text(), re.M):
            bits = 0
            for word in who.split("|"):
                bits |= BITS[word.strip()]
            yield method, route, bits


def who_may_call(bank):
    company = bank.member("everybody")
    waiting, out = Company(bank, "waiting"), bank.member("was-member")
    waiting.apply()
    bank.operator().post(f"/v1/participants/{out.id}/suspend")
    role = {r: company.client().post("/v1/tokens", {"role": r, "label": r}).json["token"] for r in ("publisher", "buyer")}
    auditor = bank.operator().post("/v1/tokens", {"role": "auditor", "label": "matrix"}).json["token"]
    member = 64
    callers = {  # name: (token, bits); None: not authenticated
        "nobody": (lambda: None, None), "an unknown token": (lambda: "naru_" + "x" * 43, None),
        "an applicant": (lambda: waiting.token, 64), "an applicant's connector": (waiting.jwt, 64),
        "a suspended member": (lambda: out.token, 64), "a suspended connector": (out.jwt, 64),
        "an admin": (lambda: company.token, member | 2 | 4 | 8), "a publisher": (lambda: role["publisher"], member | 4),
        "a buyer": (lambda: role["buyer"], member | 8), "a connector": (company.jwt, member | 2 | 4 | 8 | 32),
        "an auditor": (lambda: auditor, 16), "the operator": (lambda: OPERATOR, 1),
    }
    seen = 0
    for operator in (False, True):
        for method, route, bits in routes(operator):
            path = re.sub(r"\{\w+\}", lambda m: m[0][1:-1] if m[0] == "{label}" else str(uuid.UUID(int=7)), route)
            got, want = {}, {}
            for name, (token, has) in callers.items():
                client = bank.operator(token()) if operator else bank.api(token())
                status = client.request(method, path).status
                got[name] = status if status in (401, 403, 405, 500) else "passes"
                want[name] = "passes" if bits == 0 or (has or 0) & bits else 401 if has is None else 403
            seen += 1
            tap.equal(got, want, f"{method} {route} on the {'operator' if operator else 'API'} listener: who may call")
    tap.ok(seen > 40, "all tables were read", seen)
    tap.status(bank.api(OPERATOR).post(f"/v1/participants/{waiting.id}/approve"), 404, "decisions are not served to the outside")
    refuse(bank, waiting)


def limit(bank):
    def filler(address, n):
        values = ", ".join(f"(gen_random_uuid(), 'did:web:{address}.{i}', 'filler-{address.replace('.', '-')}-{i}', 'x', 'x', 'KR', 'x',"
                           f" '{address}-{i}', '', '', '', true, 'applied', now(), '{address}')" for i in range(n))
        bank.sql("INSERT INTO reg.participant (participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url,"
                 f" protocol_url, public_jwk, hosted_did, state, applied_at, applied_from) VALUES {values}")

    waiting = int(bank.value("SELECT count(*) FROM reg.participant WHERE state = 'applied'"))
    tap.equal(waiting, 0, "nothing waits for a decision")
    filler("192.0.2.1", 30)
    filler("127.0.0.1", 19)
    twentieth, next_ = Company(bank, "twentieth"), Company(bank, "twenty-first")
    tap.status(twentieth.apply(), 201, "the twentieth application of an address in an hour, whatever others do")
    tap.status(next_.apply(), 429, "the next has to wait")
    refuse(bank, twentieth)
    tap.status(next_.apply(), 201, "until one is decided")
    tap.equal(bank.value(f"SELECT applied_from IS NULL FROM reg.participant WHERE participant_id = '{twentieth.id}'"), "t",
              "which also forgets the address")
    assert business_number("120814752") == "1208147521"


main(scenario)
