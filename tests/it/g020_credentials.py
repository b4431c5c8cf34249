"""What the data bank says of a company decides trades of others: checked, withdrawn, suspended, out of reach; and what our own
operator has checked about a partner that no data bank knows.
"""

import time

from connectors import Space
from databank import DataBank, Key, parts, stamp
from deal import begin as begin_static
from deal import contract as agree_static
from harness import Client, main, request, tap, temp_dir, wait_until
from members import CX, Member, agree, begin, catalogue, constraint, ends_as, field, negotiate, publish, pull, rules, transfer

FRAMEWORK, NUMBER = "DataExchangeGovernance:1.0", "BPNL0000BUYER001"
CHECKED = rules(constraint(CX + "Membership", "eq", "active"), constraint(CX + "FrameworkAgreement", "eq", FRAMEWORK),
                constraint(CX + "BusinessPartnerNumber", "isAnyOf", [NUMBER]))
MEMBERS = rules(constraint(CX + "Membership", "eq", "active"))


def scenario():
    bank = DataBank()
    provider, buyer = Member(bank, "provider").join(), Member(bank, "buyer").join()
    forged(bank, provider)
    publish(provider, "guarded", CHECKED)
    publish(provider, "hidden", CHECKED, access=CHECKED)
    publish(provider, "members", MEMBERS)
    pid = attested(provider, buyer)
    withdrawn(provider, buyer, pid)
    suspended(provider, buyer)
    missed(bank, provider)
    away(bank)
    recorded()


def refused_soon(consumer, pid, since, what):
    """The next access is refused, within a second of the operator's word."""
    wait_until(lambda: pull(consumer, pid) != 200, 5, what)
    tap.ok(time.monotonic() - since < 1, f"{what}: within a second", f"{time.monotonic() - since:.3f} s")


def forged(bank, provider):
    stranger = Key(temp_dir() / "stranger.pem")
    document = {"number": 1, "issuer": bank.did, "subject": provider.did, "credentials": ["x"], "at": stamp(), "until": stamp(time.time() + 60),
                "reason": "suspended"}
    url = f"{provider.url}/exchange/v1"
    good = {"Authorization": f"Bearer {bank.key.jws(f'{bank.did}#key-1', 'JWT', claims(bank, provider))}"}
    for name, body, headers, want in (
            ("by nobody", {"revocation": bank.key.jws(f"{bank.did}#key-1", "naru-revocation+jws", document)}, {}, 401),
            ("signed by a stranger", {"revocation": stranger.jws(f"{bank.did}#key-1", "naru-revocation+jws", document)}, good, 401),
            ("of another kind", {"revocation": bank.key.jws(f"{bank.did}#key-1", "naru-order+jws", document)}, good, 401),
            ("of another issuer", {"revocation": bank.key.jws(f"{bank.did}#key-1", "naru-revocation+jws", {**document, "issuer": provider.did})}, good, 401),
            ("for another reason", {"revocation": bank.key.jws(f"{bank.did}#key-1", "naru-revocation+jws", {**document, "reason": "boredom"})}, good, 401),
            ("that names nothing", {"revocation": bank.key.jws(f"{bank.did}#key-1", "naru-revocation+jws", {**document, "credentials": []})}, good, 401),
            ("with more beside it", {"revocation": "x", "extra": 1}, good, 400)):
        tap.status(request("POST", f"{url}/revocations", json=body, headers=headers, ca=bank.authority.ca), want, f"a revocation {name}")
    tap.equal(provider.sql("SELECT count(*) FROM credential_revoked"), [(0,)], "none of them counts")
    other = bank.member("other").connector().get("/v1/participants/me/credential").json
    tap.status(request("POST", f"{url}/membership", json=other, headers=good, ca=bank.authority.ca), 401, "a membership of somebody else")
    tap.status(request("POST", f"{url}/membership", json={"credential": "x", "expires_at": stamp()}, headers=good, ca=bank.authority.ca), 401, "and none at all")


def claims(bank, provider):
    now = int(time.time())
    return {"aud": provider.did, "exp": now + 120, "iat": now, "iss": bank.did, "jti": f"forged-{time.time_ns()}", "sub": bank.did}


def attested(provider, buyer):
    seen = catalogue(buyer, provider)
    tap.equal(sorted(seen), ["guarded", "members"], "an offer to those who were checked is hidden from a member who was not")
    pid = negotiate(buyer, provider, "guarded", seen["guarded"])
    ends_as(buyer, pid, "TERMINATED")
    tap.ok(True, "and no contract that demands it is made")
    before = provider.said_of(buyer)["membership"]
    tap.equal((before["knowledge"], before["attestations"]), ("known", []), "it is a member, about whom nothing was checked")
    tap.status(buyer.attest("business_partner_number", NUMBER), 201, "its business partner number is checked")
    tap.status(buyer.attest("framework_agreement", FRAMEWORK), 201, "and its framework agreement")
    wait_until(lambda: sorted(catalogue(buyer, provider)) == ["guarded", "hidden", "members"], 10, "it sees all offers soon")
    agreement = agree(buyer, provider, "hidden")
    pid = begin(buyer, provider, agreement)
    tap.equal(pull(buyer, pid), 200, "contract, transfer and access are granted")
    now = provider.said_of(buyer)["membership"]
    tap.equal(([a["value"] for a in now["attestations"]], now["issuer"]), ([NUMBER, FRAMEWORK], provider.bank.did), "what the provider knows, and from whom")
    return pid


def withdrawn(provider, buyer, pid):
    members = begin(buyer, provider, agree(buyer, provider, "members"))
    tap.equal(pull(buyer, members), 200, "a transfer that demands membership only runs beside it")
    tap.status(buyer.attest("framework_agreement", FRAMEWORK, "/withdraw"), 200, "the framework agreement is withdrawn")
    refused_soon(buyer, pid, time.monotonic(), "a running transfer is refused")
    tap.equal(sorted(catalogue(buyer, provider)), ["guarded", "members"], "the offer is hidden again")
    tap.equal(provider.sql("SELECT DISTINCT reason FROM credential_revoked"), [("attestation_withdrawn",)], "the provider knows why")
    wait_until(lambda: catalogue(buyer, provider) and provider.said_of(buyer)["membership"]["knowledge"] == "known", 10, "a fresh credential is shown")
    tap.equal(pull(buyer, begin(buyer, provider, agree(buyer, provider, "members"))), 200, "its membership stands")
    again = transfer(buyer, provider, field_agreement(buyer, pid))
    ends_as(buyer, again, "TERMINATED", "transferprocesses")
    tap.ok(True, "a new transfer of that contract is refused")
    tap.status(buyer.attest("framework_agreement", FRAMEWORK), 201, "it is checked anew")
    wait_until(lambda: "hidden" in catalogue(buyer, provider), 10, "and seen anew")
    tap.equal(pull(buyer, begin(buyer, provider, field_agreement(buyer, pid))), 200, "the contract can be used again")


def field_agreement(buyer, transfer_pid):
    return field(buyer, "transferprocesses", transfer_pid, "contractId")


def suspended(provider, buyer):
    pid = begin(buyer, provider, agree(buyer, provider, "members"))
    tap.equal(pull(buyer, pid), 200, "a member pulls")
    tap.status(buyer.suspend(), 200, "it is suspended")
    refused_soon(buyer, pid, time.monotonic(), "a suspended member is refused")
    state = wait_until(lambda: (lambda s: s["knowledge"] != "known" and s)(provider.said_of(buyer)["membership"]), 5, "the provider knows")
    tap.ok(state["knowledge"] in ("absent", "unknown"), "its membership counts no more", state)
    wait_until(lambda: not buyer.is_member(), 10, "its own connector shows no membership any more")


def missed(bank, provider):
    """A connector that was away asks for what it has missed."""
    late = Member(bank, "late").join()
    late_pid = begin(late, provider, agree(late, provider, "members"))
    tap.equal(pull(late, late_pid), 200, "another member pulls")
    provider.process.kill()
    bank.broker.expect_log("a connector does not answer")
    late.process.expect_log("the broker does not accept a message")
    tap.status(late.suspend(), 200, "it is suspended while the provider is away")
    bank.sql("DELETE FROM sys.outbox")  # what is pushed is lost
    bank.broker.kill()
    bank.broker.begin()
    bank.wait()
    provider.process.begin()
    provider.ready()
    wait_until(lambda: provider.said_of(late)["membership"]["knowledge"] == "absent", 10, "the provider asks when it is back")
    tap.ok(pull(late, late_pid) != 200, "and refuses")


def away(bank):
    """The data bank's word grows old when the data bank cannot be asked."""
    strict = Member(bank, "strict", **{"credential.max_age": "4s"}).join()
    guest = Member(bank, "guest").join()
    publish(strict, "members", MEMBERS)
    pid = begin(guest, strict, agree(guest, strict, "members"))
    until = time.monotonic() + 6
    while time.monotonic() < until:
        wait_until(lambda: pull(guest, pid) == 200, 1, "longer than its limit, while the data bank answers")
    tap.ok(True, "while the data bank can be asked, its word stays fresh")
    for member in (strict, guest):
        member.process.expect_log("the broker does not answer")
    bank.broker.kill()
    state = wait_until(lambda: (lambda s: s["knowledge"] != "known" and s)(strict.said_of(guest)["membership"]), 15, "then it is too old")
    tap.ok(state["knowledge"] == "unknown" and state["source"]["kind"] == "credential-unconfirmed" and "이후 확인되지 않음" in state["source"]["ko"], "unknown, and it says since when", state)
    wait_until(lambda: pull(guest, pid) != 200, 1, "and no access is granted")
    ends_as(guest, pid, "SUSPENDED", "transferprocesses")
    bank.broker.begin()
    bank.wait()
    wait_until(lambda: strict.said_of(guest)["membership"]["knowledge"] == "known", 30, "and known again when it answers")
    ends_as(guest, pid, "STARTED", "transferprocesses")
    wait_until(lambda: pull(guest, pid) == 200, 5, "what was suspended for it runs again, though the partner has sent nothing")
    tap.equal(pull(guest, begin(guest, strict, field_agreement(guest, pid))), 200, "then the contract can be used")


def recorded():
    """Partners without a data bank: our operator's word."""
    space = Space("provider", "consumer")
    provider, consumer = space.connector("provider"), space.connector("consumer")
    odrl = {"permission": [{"action": "use", "constraint": [
        {"leftOperand": CX + "FrameworkAgreement", "operator": "eq", "rightOperand": FRAMEWORK},
        {"leftOperand": CX + "BusinessPartnerNumber", "operator": "isAnyOf", "rightOperand": [NUMBER]}]}]}
    provider.offer("data-1", policy={"@type": "Offer", **odrl}, access={"@type": "Set", **odrl})
    path = "/naru/v1/partners/consumer/credentials"
    soon = stamp(time.time() + 3600)
    tap.equal(provider.api.get(path).json["recorded"], [], "nothing is recorded of a partner")
    for name, kind, body, want in (
            ("of a type that nobody reads", "shoe-size", {"values": ["44"], "issuer": "us", "expires_at": soon}, 404),
            ("without an end", "framework-agreement", {"values": [FRAMEWORK], "issuer": "us"}, 400),
            ("that is over", "framework-agreement", {"values": [FRAMEWORK], "issuer": "us", "expires_at": stamp(time.time() - 1)}, 400),
            ("for three years", "framework-agreement", {"values": [FRAMEWORK], "issuer": "us", "expires_at": stamp(time.time() + 3 * 366 * 86400)}, 400),
            ("of nobody", "framework-agreement", {"values": [FRAMEWORK], "issuer": "", "expires_at": soon}, 400),
            ("of nothing", "framework-agreement", {"values": [], "issuer": "us", "expires_at": soon}, 400),
            ("twice in one", "framework-agreement", {"values": [FRAMEWORK, FRAMEWORK], "issuer": "us", "expires_at": soon}, 400),
            ("of two numbers", "business-partner-number", {"values": [NUMBER, "BPNL000000000002"], "issuer": "us", "expires_at": soon}, 413),
            ("of no number", "business-partner-number", {"values": ["4711"], "issuer": "us", "expires_at": soon}, 400),
            ("of half a membership", "membership", {"values": ["half"], "issuer": "us", "expires_at": soon}, 400),
            ("of no country", "region", {"values": ["Korea"], "issuer": "us", "expires_at": soon}, 400),
            ("with more in it", "region", {"values": ["KR"], "issuer": "us", "expires_at": soon, "x": 1}, 400)):
        tap.status(provider.api.put(f"{path}/{kind}", body), want, f"a record {name}")
    tap.status(Client(f"http://127.0.0.1:{provider.management}").put(f"{path}/region", {}), 401, "by somebody without key")
    put = {"business-partner-number": {"values": [NUMBER], "issuer": "extract of the register", "expires_at": soon},
           "framework-agreement": {"values": [FRAMEWORK, "Other:1"], "issuer": "signed copy", "expires_at": soon}}
    for kind, body in put.items():
        tap.status(provider.api.put(f"{path}/{kind}", body), 204, f"our operator records a {kind}")
    got = provider.api.get(f"{path}/framework-agreement").json
    tap.equal({k: got[k] for k in ("type", "values", "issuer", "expires_at", "counts")},
              {"type": "framework-agreement", "values": sorted(put["framework-agreement"]["values"]), "issuer": "signed copy", "expires_at": soon, "counts": True},
              "it can be read again")
    agreement = agree_static(provider, consumer, "data-1")
    _, token = begin_static(provider, consumer, agreement)
    def access():
        return request("GET", f"{provider.base}/data", headers={"Authorization": token}, ca=space.authority.ca).status
    tap.equal(access(), 200, "the partner trades")
    tap.status(provider.api.delete(f"{path}/framework-agreement"), 204, "the record is taken back")
    wait_until(lambda: access() == 403, 1, "the next access is refused")
    tap.status(provider.api.delete(f"{path}/framework-agreement"), 404, "it is gone")
    tap.status(provider.api.put(f"{path}/framework-agreement", {**put["framework-agreement"], "expires_at": stamp(time.time() + 2)}), 204, "for two seconds")
    wait_until(lambda: provider.api.get(f"{path}/framework-agreement").json["counts"] is False, 10, "then it is over by itself")
    wait_until(lambda: access() == 403, 1, "and no access is granted")


main(scenario)
