"""What a peer may not see looks to it like what does not exist: same status, same words, same time."""

import base64
import http.client
import json
import random
import ssl
import statistics
import time

from connectors import Space, message
from harness import main, tap

ASSETS, PAIRS, ROUNDS = 20, 2000, 6
NEAR = 0.03  # of the median; without a stand-in for what is absent it was 8 %


def is_(operand, operator, value):
    return {"leftOperand": operand, "operator": operator, "rightOperand": value}


def use(*constraints):
    return {"permission": [{"action": "use", **({"constraint": list(constraints)} if constraints else {})}]}


class Client:
    """One connection that is kept, so that nothing but the answer takes time."""

    def __init__(self, connector, space):
        self.connection = http.client.HTTPSConnection("localhost", connector.public, timeout=60,
                                                      context=ssl.create_default_context(cafile=space.authority.ca))
        self.headers = {"Authorization": space.tokens["consumer"], "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        text = json.dumps(body) if body else None
        began = time.perf_counter_ns()
        self.connection.request(method, f"/dsp/2025-1{path}", text, self.headers)
        answer = self.connection.getresponse()
        content = answer.read().decode()
        return time.perf_counter_ns() - began, answer.status, content


def offer_id(asset, policy_hash):
    return ":".join([*(base64.urlsafe_b64encode(t.encode()).rstrip(b"=").decode() for t in (f"{asset}/offer", asset)), policy_hash])


def compare(client, name, ask, status):
    """`ask(client, asset)` of hidden and of absent assets in random order; both kinds of ids are equally long."""
    for _ in range(ROUNDS):
        times = {"hidden": [], "absent": []}
        for n in range(PAIRS):
            kinds = random.sample(list(times), 2)
            answers = {}
            for kind in kinds:
                asset = f"{kind}-{n % ASSETS:03}"
                taken, code, text = ask(client, asset, n)
                times[kind].append(taken)
                answers[kind] = (code, text)
            if n == 0:
                shown = {k: (code, neutral(text, k)) for k, (code, text) in answers.items()}
                tap.equal(answers["hidden"][0], status, f"{name}: refused")
                tap.equal(shown["hidden"], shown["absent"], f"{name}: in the same words")
        hidden, absent = (statistics.median(t) for t in times.values())
        noise = max(abs(statistics.median(t[::2]) - statistics.median(t[1::2])) for t in times.values())
        apart = abs(hidden - absent) / absent
        tap.note(f"{name}: hidden {hidden / 1000:.1f} µs, absent {absent / 1000:.1f} µs, apart {100 * apart:.2f} %, noise {100 * noise / absent:.2f} %")
        if apart < NEAR:
            break
    tap.ok(apart < NEAR, f"{name}: in the same time", apart)


def neutral(text, kind):
    """Without the id that was asked for."""
    for n in range(ASSETS):
        asset = f"{kind}-{n:03}"
        for part in (asset, *offer_id(asset, "").split(":")[:2]):
            text = text.replace(part, "ID")
    return text


def dataset(client, asset, _n):
    return client.ask("GET", f"/catalog/datasets/{asset}")


def negotiation(policy_hash):
    def ask(client, asset, n):
        offer = {"@type": "Offer", "@id": offer_id(asset, policy_hash), "target": asset, **use()}
        return client.ask("POST", "/negotiations/request", message(
            "ContractRequestMessage", consumerPid="urn:uuid:0", callbackAddress="https://localhost:9/dsp", offer=offer))
    return ask


def scenario():
    space = Space("provider", "consumer")
    provider = space.connector("provider", **{"log.level": "warning"})
    access = {"@type": "Set", **use(is_("BusinessPartnerGroup", "isAnyOf", ["gold"]), is_("Membership", "eq", "active"),
                                    is_("urn:naru:policy:participant", "isNoneOf", ["did:web:nobody.test"]))}
    for n in range(ASSETS):
        provider.offer(f"hidden-{n:03}", access=access)
        provider.offer(f"public-{n:03}")
    client = Client(provider, space)
    catalogue = client.ask("POST", "/catalog/request", message("CatalogRequestMessage"))[2]
    tap.ok("hidden" not in catalogue, "the catalogue does not name them")
    known = json.loads(catalogue)["dataset"][0]["hasPolicy"][0]["@id"].split(":")[2]
    compare(client, "dataset", dataset, 404)
    compare(client, "negotiation", negotiation(known), 400)


main(scenario)
