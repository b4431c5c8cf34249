"""The flow that EDC's samples script: asset, policy, offer; catalogue, negotiation, agreement; transfer, EDR, data; and its ends."""

import time

from edc import CTX, EDC, ODRL, POLICY, PROTOCOL, as_list, pair, query
from harness import main, request, tap, wait_until

CONTENT = b"time,kwh\n2026-01-01T00:00:00Z,12.5\n"


def publish(provider, asset, policy=None):
    path = provider.folder / f"{asset}.csv"
    path.write_bytes(CONTENT)
    for route, body in (
        ("/v3/assets", {"@id": asset, "properties": {"name": "energy", "contenttype": "text/csv"},
                        "dataAddress": {"type": "File", "path": str(path)}}),
        ("/v3/policydefinitions", {"@id": f"{asset}-policy", "policy": policy or {**POLICY, "permission": [{"action": "use"}]}}),
        ("/v3/contractdefinitions", {"@id": f"{asset}-offer", "accessPolicyId": f"{asset}-policy",
                                     "contractPolicyId": f"{asset}-policy", "assetsSelector": [
                                         {"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": asset}]}),
    ):
        tap.status(provider.edc.post(route, {"@context": CTX, **body}), 200, f"POST {route}")


def ask(provider, consumer, **more):
    return consumer.edc.post("/v3/catalog/request", {"@context": CTX, "@type": "CatalogRequest", "counterPartyAddress": provider.dsp,
                                                     "counterPartyId": provider.did, "protocol": PROTOCOL, **more})


def offer_of(provider, consumer, asset):
    answer = ask(provider, consumer)
    tap.status(answer, 200, "POST /v3/catalog/request")
    datasets = {d["@id"]: d for d in as_list(answer.json.get("dcat:dataset", []))}
    tap.ok(asset in datasets, "the catalogue holds the asset", answer.text)
    return as_list(datasets[asset]["odrl:hasPolicy"])[0]


def state(connector, kind, pid):
    answer = connector.edc.get(f"/v3/{kind}/{pid}/state")
    return answer.json["state"] if answer.status == 200 else f"status {answer.status}"


def wait_state(connector, kind, pid, wanted):
    wait_until(lambda: state(connector, kind, pid) == wanted, 20, f"{kind} reaches {wanted}")
    tap.ok(True, f"{kind} reaches {wanted}")


def check_history(connector, kind, pid, wanted):
    """The states in `wanted`, in this order, the first one first and the last one last; others of the way may stand between."""
    answer = connector.edc.get(f"/v3/{kind}/{pid}/history")
    tap.status(answer, 200, f"GET /v3/{kind}/…/history")
    steps = answer.json["history"]
    states, times = [s["state"] for s in steps], [s["stateTimestamp"] for s in steps]
    left = iter(states)
    tap.ok(states[0] == wanted[0] and states[-1] == wanted[-1] and all(w in left for w in wanted), f"{kind}: {', '.join(wanted)}", states)
    now = time.time() * 1000
    tap.ok(times == sorted(times) and now - 60_000 < times[0] and times[-1] <= now, f"{kind}: when", times)
    tap.equal(connector.edc.get(f"/v3/{kind}/none/history").status, 404, f"{kind}: nobody has no history")


def negotiate(provider, consumer, asset):
    offer = offer_of(provider, consumer, asset)
    started = consumer.edc.post("/v3/contractnegotiations", {
        "@context": {**CTX, "odrl": ODRL}, "@type": "ContractRequest", "counterPartyAddress": provider.dsp, "protocol": PROTOCOL,
        "policy": {**offer, "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "assigner": provider.did,
                   "target": asset},
        "callbackAddresses": []})
    tap.status(started, 200, "POST /v3/contractnegotiations")
    return started.json["@id"]


def transfer(provider, consumer, agreement):
    started = consumer.edc.post("/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequestDto", "connectorId": "provider", "counterPartyAddress": provider.dsp,
        "contractId": agreement, "assetId": "ignored", "protocol": PROTOCOL, "transferType": "HttpData-PULL"})
    tap.status(started, 200, "POST /v3/transferprocesses")
    wait_state(consumer, "transferprocesses", started.json["@id"], "STARTED")
    return started.json["@id"]


def check_agreement(provider, consumer, negotiation, asset):
    seen = consumer.edc.get(f"/v3/contractnegotiations/{negotiation}").json
    agreement = seen["contractAgreementId"]
    tap.equal((seen["type"], seen["state"], seen["counterPartyId"], seen["assetId"]), ("CONSUMER", "FINALIZED", provider.did, asset),
              "the negotiation tells its sides")
    direct = consumer.edc.get(f"/v3/contractagreements/{agreement}").json
    tap.equal(consumer.edc.get(f"/v3/contractnegotiations/{negotiation}/agreement").json, direct, "both ways to the agreement agree")
    tap.equal((direct["@id"], direct["providerId"], direct["consumerId"], direct["assetId"]),
              (agreement, provider.did, consumer.did, asset), "the agreement names its parties")
    tap.equal(direct["policy"]["@type"], "odrl:Agreement", "the agreement holds its policy")
    for side, role in ((provider, "PROVIDER"), (consumer, "CONSUMER")):
        found = side.edc.post("/v3/contractagreements/request", query(("assetId", "=", asset))).json
        tap.equal([a["@id"] for a in found], [agreement], f"the {role.lower()} finds the agreement by asset")
        its = side.edc.get(f"/v3/contractagreements/{agreement}/negotiation").json
        tap.equal(its["type"], role, f"the agreement leads to the negotiation of the {role.lower()}")
    tap.equal([n["@id"] for n in consumer.edc.post("/v3/contractnegotiations/request", query(("state", "=", "FINALIZED"))).json], [negotiation], "state by name")
    tap.equal([n["@id"] for n in consumer.edc.post("/v3/contractnegotiations/request", query(("state", "=", 1200))).json], [negotiation], "state by code")
    return agreement


def pull(provider, address):
    return request("GET", address["endpoint"], headers={"Authorization": address["authorization"]},
                   ca=provider.space.authority.ca)


def check_edr(consumer, provider, pid, agreement, asset):
    entries = consumer.edc.post("/v3/edrs/request", query(("agreementId", "=", agreement))).json
    tap.equal([(e["transferProcessId"], e["assetId"], e["providerId"]) for e in entries], [(pid, asset, provider.did)],
              "the EDR is found by agreement")
    address = consumer.edc.get(f"/v3/edrs/{pid}/dataaddress?auto_refresh=True").json
    tap.equal(wait_until(lambda: pull(provider, address).body == CONTENT, 10, "the provider serves with the EDR's token"), True,
              "the provider serves with the EDR's token")
    return check_renewal(consumer, provider, pid, address)


def check_renewal(consumer, provider, pid, address):
    path = f"/v3/edrs/{pid}/dataaddress"
    tap.equal(consumer.edc.get(path).json["authorization"], address["authorization"], "a token that is good for a while stays")
    fresh = consumer.edc.post(f"/v3/edrs/{pid}/refresh")
    tap.status(fresh, 200, "POST …/refresh")
    tap.ok(fresh.json["authorization"] != address["authorization"], "the token is another one")
    tap.equal(pull(provider, fresh.json).body, CONTENT, "and serves")
    consumer.sql("UPDATE edr SET expires_us = received_us")
    tap.equal(consumer.edc.get(f"{path}?auto_refresh=False").json["authorization"], fresh.json["authorization"],
              "auto_refresh=False gives what is there")
    fresher = consumer.edc.get(f"{path}?auto_refresh=True").json
    tap.ok(fresher["authorization"] != fresh.json["authorization"], "a token that is about to expire is renewed")
    tap.equal(pull(provider, fresher).body, CONTENT, "and serves too")
    tap.status(consumer.edc.post("/v3/edrs/none/refresh"), 404, "an unknown transfer has nothing to refresh")
    return fresher


def scenario():
    provider, consumer = pair()
    publish(provider, "asset-1")
    tap.equal(as_list(ask(provider, consumer).json["dcat:dataset"])[0]["@id"], "asset-1", "one dataset stands for itself")
    negotiation = negotiate(provider, consumer, "asset-1")
    wait_state(consumer, "contractnegotiations", negotiation, "FINALIZED")
    check_history(consumer, "contractnegotiations", negotiation, ("REQUESTING", "FINALIZED"))
    agreement = check_agreement(provider, consumer, negotiation, "asset-1")
    tap.status(provider.edc.delete("/v3/assets/asset-1"), 409, "an asset with an agreement is not deleted")
    tap.status(consumer.edc.delete(f"/v3/contractnegotiations/{negotiation}"), 409, "nor is a negotiation with an agreement")

    pid = transfer(provider, consumer, agreement)
    address = check_edr(consumer, provider, pid, agreement, "asset-1")
    for verb, wanted in (("suspend", "SUSPENDED"), ("resume", "STARTED"), ("terminate", "TERMINATED")):
        body = None if verb == "resume" else {"@context": CTX, "reason": "a test"}
        tap.status(consumer.edc.post(f"/v3/transferprocesses/{pid}/{verb}", body), 204, f"POST …/{verb}")
        wait_state(consumer, "transferprocesses", pid, wanted)
    check_history(consumer, "transferprocesses", pid, ("REQUESTING", "STARTED", "SUSPENDED", "STARTED", "TERMINATED"))
    consumer.sql(f"UPDATE transfer SET history = substr(history, 8) || '{' 600@1' * 1000}' WHERE transfer_id = '{pid}'")
    cut = consumer.edc.get(f"/v3/transferprocesses/{pid}/history").json["history"]
    tap.ok(len(cut) > 1000 and cut[-1]["state"] == "STARTED" and "REQUESTING" not in [s["state"] for s in cut], "a history that has lost its beginning is read", cut[-1:])
    wait_until(lambda: pull(provider, address).status == 403, 10,
               "the token stops")
    found = provider.edc.post("/v3/transferprocesses/request", query(("contractId", "=", agreement))).json
    tap.equal([t["type"] for t in found], ["PROVIDER"], "the provider finds its transfer by contract")
    tap.status(consumer.edc.post("/v3/transferprocesses/request", query(("contractAgreementId", "=", agreement))), 400, "an unknown field is refused")
    tap.status(consumer.edc.post(f"/v3/transferprocesses/{pid}/resume"), 409, "what is terminated does not resume")

    one_shot(provider, consumer)
    refused(provider, consumer)
    selectors(provider, consumer)
    trouble(provider, consumer, agreement)


def one_shot(provider, consumer):
    """POST /v3/edrs, as tractusx-sdk calls it: an EDR follows by itself, also after a restart."""
    offer = offer_of(provider, consumer, "asset-1")
    body = {"@context": {**CTX, "odrl": ODRL}, "@type": "ContractRequest", "counterPartyAddress": provider.dsp,
            "counterPartyId": provider.did, "protocol": PROTOCOL, "policy": {
                **offer, "odrl:assigner": {"@id": provider.did}, "odrl:target": {"@id": "asset-1"}}}

    def entries(negotiation):
        return consumer.edc.post("/v3/edrs/request", query(("contractNegotiationId", "=", negotiation))).json

    started = consumer.edc.post("/v3/edrs", body)
    tap.status(started, 200, "POST /v3/edrs")
    entry = wait_until(lambda: entries(started.json["@id"]), 20, "an EDR follows")[0]
    address = consumer.edc.get(f"/v3/edrs/{entry['transferProcessId']}/dataaddress").json
    tap.equal(wait_until(lambda: pull(provider, address).body == CONTENT, 10, "it serves"), True, "the EDR follows by itself and serves")
    wait_until(lambda: consumer.sql("SELECT count(*) FROM one_shot") == [(0,)], 10, "the wish is forgotten")
    tap.status(consumer.edc.post("/v3/edrs", {**body, "policy": None}), 400, "a request without policy")
    provider.process.stop()
    waiting = consumer.edc.post("/v3/edrs", body).json["@id"]
    consumer.restart()
    tap.equal(entries(waiting), [], "a provider that is away gives none")
    provider.process.begin()
    tap.equal(len(wait_until(lambda: entries(waiting), 60, "an EDR follows after a restart")), 1, "one EDR follows after a restart")
    tap.equal(consumer.sql("SELECT count(*) FROM transfer t JOIN agreement a ON a.agreement_id = t.agreement_id WHERE"
                           " a.negotiation_id = ?", waiting), [(1,)], "and one transfer")


def refused(provider, consumer):
    publish(provider, "asset-2", {**POLICY, "permission": [{"action": "use", "constraint": [
        {"leftOperand": "purpose", "operator": "eq", "rightOperand": "research"}]}]})
    seen = ask(provider, consumer, querySpec={"filterExpression": [
        {"operandLeft": f"{EDC}id", "operator": "=", "operandRight": "asset-2"}]})
    tap.status(seen, 200, "a filter is passed on")
    one = consumer.edc.post("/v3/catalog/dataset/request", {"@context": CTX, "@type": "DatasetRequest", "@id": "asset-1",
                                                            "counterPartyAddress": provider.dsp, "counterPartyId": provider.did,
                                                            "protocol": PROTOCOL})
    tap.status(one, 200, "POST /v3/catalog/dataset/request")
    tap.equal(one.json["@id"], "asset-1", "one dataset")


def selectors(provider, consumer):
    """Contract definitions and catalogue filters with every operator; peers cannot ask for private properties."""
    dct = "http://purl.org/dc/terms/"
    for i in range(4):
        provider.edc.post("/v3/assets", {"@context": {**CTX, "dct": dct}, "@id": f"s-{i}", "properties": {
            "size": i, "dct:type": {"@id": f"urn:type:{i % 2}"}}, "privateProperties": {"shelf": f"shelf-{i}"},
            "dataAddress": {"type": "HttpData", "baseUrl": "https://data.example"}})
    provider.edc.post("/v3/contractdefinitions", {
        "@context": CTX, "@id": "s-offer", "accessPolicyId": "asset-1-policy", "contractPolicyId": "asset-1-policy",
        "assetsSelector": [{"operandLeft": f"{EDC}id", "operator": "like", "operandRight": "s-%"},
                           {"operandLeft": "privateProperties.shelf", "operator": "!=", "operandRight": "shelf-3"}]})

    def seen(*criteria):
        answer = ask(provider, consumer, querySpec=query(*criteria))
        return sorted(d["@id"] for d in as_list(answer.json.get("dcat:dataset", []))) if answer.status == 200 else answer.status

    tap.equal(seen(("id", "like", "s-%")), ["s-0", "s-1", "s-2"], "like and != select, also by a private property")
    tap.equal(seen((f"'{dct}type'.'@id'", "=", "urn:type:0")), ["s-0", "s-2"], "a filter by the id of a type")
    tap.equal(seen((f"{EDC}size", "=", 1)), ["s-1"], "a filter by a number")
    tap.equal(seen(("id", "in", ["s-1", "s-2", "s-3"]), ("size", ">=", "2")), ["s-2"], "two filters")
    tap.equal(seen(("privateProperties.shelf", "=", "shelf-1")), 502, "private properties are nobody's business")
    tap.equal(seen(("id", "~", "x")), 400, "an operator that nobody knows")


def trouble(provider, consumer, agreement):
    tap.status(ask(provider, consumer, counterPartyAddress="https://localhost:1/dsp"), 502, "a peer that is away is a bad gateway")
    unknown = consumer.edc.post("/v3/transferprocesses", {"@context": CTX, "counterPartyAddress": provider.dsp, "contractId": "none",
                                                          "protocol": PROTOCOL, "transferType": "HttpData-PULL"})
    tap.status(unknown, 400, "an unknown agreement is the caller's mistake")
    ended = consumer.edc.post("/v3/contractnegotiations", {
        "@context": CTX, "counterPartyAddress": provider.dsp, "protocol": PROTOCOL, "policy": {
            "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "@id": "no-such-offer", "assigner": provider.did,
            "target": "asset-1", "permission": [{"action": "use"}]}}).json["@id"]
    wait_state(consumer, "contractnegotiations", ended, "TERMINATED")
    tap.ok(consumer.edc.get(f"/v3/contractnegotiations/{ended}").json.get("errorDetail"), "with the reason")
    tap.status(consumer.edc.post(f"/v3/contractnegotiations/{ended}/terminate", {"@context": CTX, "reason": "x"}), 409,
               "what has ended is not terminated again")
    tap.status(consumer.edc.delete(f"/v3/contractnegotiations/{ended}"), 204, "but it can be deleted")
    tap.status(consumer.edc.get(f"/v3/contractnegotiations/{ended}"), 404, "and then it is gone")


main(scenario)
