"""What we write validates against the schemas of DSP 2025-1, and the specification's own examples are taken."""

import copy
import uuid

from connectors import Peer, Space, message
from harness import main, tap, wait_until
from schemas import Validator

def transfers(peer, provider, agreement, validator):
    """A transfer of ours as the provider's peer, through suspension to termination."""
    as_peer = provider.as_peer(peer.name)
    pid = f"urn:uuid:{uuid.uuid4()}"
    answer = as_peer.post("/transfers/request", message(
        "TransferRequestMessage", consumerPid=pid, agreementId=agreement["@id"], format="HttpData-PULL",
        callbackAddress=peer.url))
    tap.status(answer, 201, "a transfer request is accepted")
    validator.check(answer.json, "the answer")
    theirs = answer.json["providerPid"]
    peer.wait("TransferStartMessage", consumerPid=pid)
    wait_until(lambda: provider.state(theirs, "transfer") == 600, 10, "STARTED")
    both = {"consumerPid": pid, "providerPid": theirs}
    validator.check(as_peer.get(f"/transfers/{theirs}").json, "a transfer shown")
    answer = as_peer.post(f"/transfers/{theirs}/start", message("TransferStartMessage", **both))
    tap.status(answer, 400, "a start of what runs is refused")
    validator.check(answer.json, "the error")
    suspension = message("TransferSuspensionMessage", code="1", reason=["pause"], **both)
    tap.status(as_peer.post(f"/transfers/{theirs}/suspension", suspension), 200, "suspended")
    tap.equal(as_peer.get(f"/transfers/{theirs}").json["state"], "SUSPENDED", "shown as SUSPENDED")
    tap.status(as_peer.post(f"/transfers/{theirs}/start", message("TransferStartMessage", **both)), 200, "resumed")
    tap.status(as_peer.post(f"/transfers/{theirs}/completion", message("TransferCompletionMessage", **both)), 200,
               "completed")
    validator.check(as_peer.get(f"/transfers/{theirs}").json, "a completed transfer")


def examples(peer, provider, validator):
    """Each example of the specification is decoded: the refusal, if any, is of its content, not of its form."""
    as_peer = provider.as_peer(peer.name)
    places = {
        "ContractRequestMessage": ("negotiations/request", "negotiations/{}/request"),
        "ContractOfferMessage": ("negotiations/offers", "negotiations/{}/offers"),
        "ContractAgreementMessage": ("negotiations/{}/agreement",) * 2,
        "ContractAgreementVerificationMessage": ("negotiations/{}/agreement/verification",) * 2,
        "ContractNegotiationEventMessage": ("negotiations/{}/events",) * 2,
        "ContractNegotiationTerminationMessage": ("negotiations/{}/termination",) * 2,
        "TransferRequestMessage": ("transfers/request",) * 2,
        "TransferStartMessage": ("transfers/{}/start",) * 2,
        "TransferSuspensionMessage": ("transfers/{}/suspension",) * 2,
        "TransferCompletionMessage": ("transfers/{}/completion",) * 2,
        "TransferTerminationMessage": ("transfers/{}/termination",) * 2,
        "CatalogRequestMessage": ("catalog/request",) * 2,
    }
    for name, example in validator.examples():
        if example.get("@type") not in places:
            continue
        first, later = places[example["@type"]]
        place = (first if "callbackAddress" in example else later).format(example.get("providerPid"))
        answer = as_peer.post("/" + place, example)
        text = answer.text
        good = answer.status in (200, 201, 404) or any(
            part in text for part in ("no such", "not understood", "not allowed", "is not supported", "unknown"))
        tap.ok(good, f"example {name} is decoded", f"{answer.status} {text}")


def scenario():
    validator = Validator()
    space = Space("provider", "consumer")
    provider = space.connector("provider")
    peer = Peer(space, "consumer")
    policy = {"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2099-12-31T00:00:00Z"}]}]}
    provider.offer(policy=policy)
    provider.offer("data-2", policy={"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}]}]})

    catalogue = provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage"))
    validator.check(catalogue.json, "the catalogue")
    validator.check(provider.as_peer("consumer").get("/catalog/datasets/data-1").json, "a dataset")
    missing = provider.as_peer("consumer").get("/catalog/datasets/data-9")
    tap.status(missing, 404, "an unknown dataset")
    validator.check(missing.json, "its error")
    validator.check(provider.version().json, "the version", "common/protocol-version-schema.json")

    _, theirs, agreement = peer.agreed(provider)
    validator.check(provider.as_peer("consumer").get(f"/negotiations/{theirs}").json, "a negotiation shown")
    pid, answer = peer.request(provider, peer.offer_of(provider, "data-2"))
    tap.status(answer, 201, "a request that policy refuses is accepted first")
    validator.check(answer.json, "the answer")
    refusal = peer.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
    tap.equal((refusal["code"], refusal["reason"]), ("constraint-false", ["refused by policy: date and time"]),
              "the termination names the constraint")
    answer = provider.as_peer("consumer").get(f"/negotiations/{uuid.uuid4()}")
    validator.check(answer.json, "the error of an unknown negotiation")
    transfers(peer, provider, agreement, validator)

    kinds = set()
    for _, _, body, _ in peer.seen:
        kinds.add(body["@type"])
        validator.check(body, "a message of ours")
    tap.equal(kinds, {"ContractAgreementMessage", "ContractNegotiationEventMessage", "TransferStartMessage",
                      "ContractNegotiationTerminationMessage"}, "all messages of a provider were seen")
    broken = copy.deepcopy(peer.messages("ContractAgreementMessage")[0])
    del broken["agreement"]["assignee"]
    tap.ok(validator.errors(broken), "the validator sees a missing assignee")
    examples(peer, provider, validator)


main(scenario)
