"""make interop: our connector and stock EDC connectors trade with each other, through their management APIs only.

Each part runs in both directions: once EDC buys from us, once we buy from EDC. Prints TAP; the last line is "N passed, N failed". Where Java,
Maven or the network is missing it says so and ends well. ONLY=memory or ONLY=postgresql: with that store of EDC's.
"""

import concurrent.futures
import hashlib
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import edc_peer  # noqa: E402, I001 - finds the modules below
import document  # noqa: E402
import harness  # noqa: E402
from connectors import Space  # noqa: E402
from edc_peer import SQL, Edc  # noqa: E402
from harness import Skip, request, tap, wait_until  # noqa: E402

AT_ONCE = 200
TRANSFERS_AT_ONCE = 50
IN_THE_MIDDLE = 60
PARTS = os.environ.get("ONLY", "memory postgresql").split()  # stores of EDC


class Site:
    """An origin that serves one payload and takes what is pushed to it."""

    def __init__(self):
        self.payload = os.urandom(1 << 20)
        self.sha256 = hashlib.sha256(self.payload).hexdigest()
        self.pushed = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer(outer.payload)

            def do_POST(self):
                outer.pushed.append(hashlib.sha256(self.body()).hexdigest())
                self.answer(b"")

            do_PUT = do_POST

            def body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


class Ours:
    """Our connector as EDC's users would see it: same client, same calls."""

    def __init__(self, client, name="naru", **settings):
        space = Space(name)
        self.name = self.id = name
        self.connector = space.connector(name, plain=True, **{
            "identity.static_form": "json", "fetch.http": "true", "push.allow": "127.0.0.0/8", "log.level": "info", **settings})
        self.dsp = self.connector.dsp
        self.management = f"http://127.0.0.1:{self.connector.management}/management"
        self.key = self.connector.key
        self.api = client.Api(self.management, self.key)


class Market:
    """One buyer and one seller, and what the test knows of them."""

    def __init__(self, client, site, buyer, seller):
        self.client, self.site, self.buyer, self.seller = client, site, buyer, seller
        self.peer = client.Peer(seller.dsp, seller.id, client.protocol_of(seller.dsp))
        self.name = f"{buyer.name} buys from {seller.name}"

    def publish(self, permission=None):
        """An asset with one offer, shown to everybody; returns (asset, contract definition)."""
        asset, access, contract, definition = (self.client.new_id(k) for k in ("asset", "access", "contract", "definition"))
        self.seller.api.create_asset(asset, {"type": "HttpData", "baseUrl": self.site.url + "/payload"})
        self.seller.api.create_policy(access)
        self.seller.api.create_policy(contract, permission or [{"action": "use"}])
        self.seller.api.call("POST", "/v3/contractdefinitions", {
            "@context": self.client.CTX, "@id": definition, "accessPolicyId": access, "contractPolicyId": contract,
            "assetsSelector": [{"@type": "Criterion", "operandLeft": self.client.EDC + "id", "operator": "=", "operandRight": asset}]})
        return asset, definition

    def dataset(self, asset):
        return self.buyer.api.dataset(self.peer, asset)

    def offer(self, asset):
        return self.client.offers(self.dataset(asset))[0]

    def negotiate(self, asset, offer):
        return self.buyer.api.negotiate(self.peer, asset, offer)

    def negotiation(self, pid, state, deadline_s=60):
        """Waits for the state on both sides; returns both negotiations, the buyer's first."""
        wait_until(lambda: self.buyer.api.negotiation_state(pid) == state, deadline_s, f"{self.name}: {pid} {state}")
        own = self.buyer.api.negotiation(pid)
        wait_until(lambda: self.seller.api.negotiation_state(own["correlationId"]) == state, deadline_s,
                   f"{self.name}: the seller is {state}")
        return own, self.seller.api.negotiation(own["correlationId"])

    def agree(self, asset):
        pid = self.negotiate(asset, self.offer(asset))
        return self.negotiation(pid, "FINALIZED")[0]["contractAgreementId"]

    def transfer(self, agreement, kind="HttpData-PULL", destination=None):
        return self.buyer.api.start_transfer(self.peer, agreement, kind, destination)

    def transfer_is(self, pid, state, deadline_s=60):
        """Waits for the state on both sides (EDC's provider goes on from its last one to DEPROVISIONED); returns the seller's pid."""
        states = (state, "DEPROVISIONED") if state in ("COMPLETED", "TERMINATED") else (state,)
        wait_until(lambda: self.buyer.api.transfer_state(pid) in states, deadline_s, f"{self.name}: transfer {state}")
        other = self.buyer.api.transfer(pid)["correlationId"]
        wait_until(lambda: self.seller.api.transfer_state(other) in states, deadline_s, f"{self.name}: seller's transfer {state}")
        return other

    def address(self, pid):
        return wait_until(lambda: self.buyer.api.edr(pid), 30, f"{self.name}: an EDR")


def download(address):
    """As EDC's clients do it: the token as it is, no "Bearer"."""
    return request("GET", address["endpoint"], headers={"Authorization": address["authorization"]})


def command(side, pid, verb, kind, client):
    body = {"@context": client.CTX, "@type": kind, "reason": "as the test wants it"}
    side.api.call("POST", f"/v3/transferprocesses/{pid}/{verb}", body)


def same_data(market, address, name):
    answer = download(address)
    tap.equal((answer.status, hashlib.sha256(answer.body).hexdigest()), (200, market.site.sha256), f"{market.name}: {name}")


def token_dies(market, address, name):
    wait_until(lambda: download(address).status in (401, 403, 404), 20, f"{market.name}: {name}")
    tap.ok(True, f"{market.name}: {name}")


def trade(market):
    """Catalogue, contract, pull; suspended and resumed by either side; terminated, and the token is dead."""
    client = market.client
    asset, _ = market.publish()
    catalogue = market.buyer.api.catalog(market.peer)
    tap.equal(client.participant(catalogue), market.seller.id, f"{market.name}: the catalogue names the seller")
    tap.ok(market.dataset(asset), f"{market.name}: the asset is in the filtered catalogue")
    agreement = market.agree(asset)
    tap.ok(agreement, f"{market.name}: a contract")
    for side in (market.buyer, market.seller):
        tap.equal(side.api.call("GET", f"/v3/contractagreements/{agreement}")["assetId"], asset, f"{market.name}: {side.name} has it")
    pid = market.transfer(agreement)
    other = market.transfer_is(pid, "STARTED")
    address = market.address(pid)
    same_data(market, address, "the data equal the source")
    for side, id_ in ((market.buyer, pid), (market.seller, other)):
        command(side, id_, "suspend", "SuspendTransfer", client)
        market.transfer_is(pid, "SUSPENDED")
        token_dies(market, address, f"suspended by {side.name}, the token is refused")
        command(side, id_, "resume", "ResumeTransfer", client)
        market.transfer_is(pid, "STARTED")
        address = wait_until(lambda: working(market, pid), 30, f"{market.name}: an address that works")
        same_data(market, address, f"resumed by {side.name}, the data flow again")
    command(market.buyer, pid, "terminate", "TerminateTransfer", client)
    market.transfer_is(pid, "TERMINATED")
    token_dies(market, address, "terminated, the token is dead")


def working(market, pid):
    address = market.buyer.api.edr(pid)
    return address if address and download(address).status == 200 else None


def formats(market):
    """Transfer types that the seller offers."""
    field = market.client.field
    dataset = market.dataset(market.publish()[0])
    found = (field(d, "dct:format", "format") for d in market.client.as_list(field(dataset, "dcat:distribution", "distribution")))
    return [f["@id"] if isinstance(f, dict) else f for f in found]


def push(market, pushes):
    asset, _ = market.publish()
    if not pushes:
        tap.skip(f"{market.name}: push", "our connector does not offer HttpData-PUSH")
        return
    market.site.pushed.clear()
    destination = {"type": "HttpData", "baseUrl": market.site.url + "/sink"}
    pid = market.transfer(market.agree(asset), "HttpData-PUSH", destination)
    market.transfer_is(pid, "COMPLETED")
    tap.equal(market.site.pushed, [market.site.sha256], f"{market.name}: what was pushed equals the source")


def refused_by_us(market):
    """EDC asks for an offer whose policy does not permit it: the negotiation ends on both sides, with the reason."""
    past = {"action": "use", "constraint": [{"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}]}
    asset, _ = market.publish([past])
    pid = market.negotiate(asset, market.offer(asset))
    own, theirs = market.negotiation(pid, "TERMINATED")
    tap.contains(theirs.get("errorDetail", ""), "constraint-false", f"{market.name}: refused by policy")
    tap.ok("contractAgreementId" not in own, f"{market.name}: and no contract")


def refused_by_edc(market):
    """The offer is withdrawn between catalogue and request: EDC refuses, and our user reads why."""
    asset, definition = market.publish()
    offer = market.offer(asset)
    market.seller.api.call("DELETE", f"/v3/contractdefinitions/{definition}")
    pid = market.negotiate(asset, offer)
    wait_until(lambda: market.buyer.api.negotiation_state(pid) == "TERMINATED", 30, f"{market.name}: refused")
    tap.ok(market.buyer.api.negotiation(pid).get("errorDetail"), f"{market.name}: an offer that was withdrawn is refused, with a reason")


def other_rules(market):
    """EDC agrees on its own rules whatever was asked; we do not take an agreement that we have not asked for."""
    asset, _ = market.publish()
    offer = {**market.offer(asset), "odrl:permission": {"odrl:action": {"@id": "odrl:use"}, "odrl:constraint": {
        "odrl:leftOperand": {"@id": "odrl:dateTime"}, "odrl:operator": {"@id": "odrl:lt"},
        "odrl:rightOperand": "2090-01-01T00:00:00Z"}}}
    pid = market.negotiate(asset, offer)
    own, _ = market.negotiation(pid, "TERMINATED")
    tap.contains(own.get("errorDetail", ""), "rules", f"{market.name}: other rules than asked for are not accepted")


def states(get, pids, final, deadline_s):
    """State of each when all are in a final one."""
    seen = {}

    def all_final():
        for pid in pids:
            if seen.get(pid) not in final:
                seen[pid] = get(pid)
        return all(s in final for s in seen.values())

    try:
        wait_until(all_final, deadline_s, "final states")
    except harness.TooLate:
        pass
    counts = {}
    for state in seen.values():
        counts[state] = counts.get(state, 0) + 1
    return counts


def at_once(market):
    """Our side answers faster than EDC stores its own steps; nothing is lost (edc-peer.md §3.3, overtaking)."""
    asset, _ = market.publish()
    offer = market.offer(asset)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        pids = list(pool.map(lambda _: market.negotiate(asset, offer), range(AT_ONCE)))
    final = ("FINALIZED", "TERMINATED")
    tap.equal(states(market.buyer.api.negotiation_state, pids, final, 120), {"FINALIZED": AT_ONCE},
              f"{market.name}: {AT_ONCE} negotiations at once, at the buyer")
    others = [market.buyer.api.negotiation(pid)["correlationId"] for pid in pids]
    tap.equal(states(market.seller.api.negotiation_state, others, final, 60), {"FINALIZED": AT_ONCE},
              f"{market.name}: and at the seller")
    agreement = market.buyer.api.negotiation(pids[0])["contractAgreementId"]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        transfers = list(pool.map(lambda _: market.transfer(agreement), range(TRANSFERS_AT_ONCE)))
    tap.equal(states(market.buyer.api.transfer_state, transfers, ("STARTED", "TERMINATED"), 60),
              {"STARTED": TRANSFERS_AT_ONCE}, f"{market.name}: {TRANSFERS_AT_ONCE} transfers at once")
    bad = [pid for pid in transfers if not wait_until(lambda pid=pid: working(market, pid), 20, f"address of {pid}")]
    tap.equal(bad, [], f"{market.name}: each has an address that works")


def restarted(market, edc):
    """EDC (on PostgreSQL) is killed in the middle of negotiations: all end, alike on both sides."""
    asset, _ = market.publish()
    offer = market.offer(asset)
    market.agree(asset)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        pids = list(pool.map(lambda _: market.negotiate(asset, offer), range(IN_THE_MIDDLE)))
    final = ("FINALIZED", "TERMINATED")
    count = states(market.buyer.api.negotiation_state, pids[:1], final, 60)
    tap.ok(count, f"{market.name}: the first has ended ({count})")
    edc.restart()
    counts = states(market.buyer.api.negotiation_state, pids, final, 180)
    tap.equal(sum(counts.get(s, 0) for s in final), IN_THE_MIDDLE, f"{market.name}: {edc.name} killed meanwhile, all end ({counts})")
    own = [market.buyer.api.negotiation(pid) for pid in pids]
    final = [n["correlationId"] for n in own if n["state"] == "FINALIZED"]
    # the seller's last message may have been answered by nobody: it is repeated
    tap.equal(states(market.seller.api.negotiation_state, final, ("FINALIZED",), 90), {"FINALIZED": len(final)},
              f"{market.name}: what is final for the buyer is final for the seller")
    tap.ok(counts.get("FINALIZED", 0) >= IN_THE_MIDDLE * 9 // 10, f"{market.name}: at least nine of ten contracts are made", counts)
    market.agree(asset)
    tap.ok(True, f"{market.name}: and trade goes on")


def from_edc(buyer, seller, site):
    """docs/from-edc.md with two EDCs: the same requests, the same answers."""
    site.payload = b"time,kwh\n2026-01-01T00:00:00Z,12.5\n"
    document.run(harness.ROOT / "docs" / "from-edc.md", {
        "PROVIDER": seller.management, "PROVIDER_KEY": seller.key, "PROVIDER_DSP": seller.dsp, "PROVIDER_ID": seller.id,
        "CONSUMER": buyer.management, "CONSUMER_KEY": buyer.key, "ORIGIN": site.url}, document.any_shape)


def without_identity(ours):
    """What a peer gets that is no EDC, or does not say who it is."""
    ask = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}
    for name, header, want in (("no header", None, 401), ("no JSON", "Bearer abc", 401), ("nobody named", '{"region":"eu"}', 401),
                               ("a name", '{"region":"eu","audience":"x","clientId":"c"}', 200),
                               ("a name after Bearer", 'Bearer {"clientId":"c"}', 200)):
        answer = request("POST", f"{ours.dsp}/catalog/request", ask, headers={"Authorization": header} if header else {})
        tap.equal((answer.status, answer.json["@type"]), (want, "Catalog" if want == 200 else "CatalogError"), f"identity: {name}")


def part(function, *arguments):
    """One part; what it raises is a failure of that part only."""
    try:
        function(*arguments)
    except Skip as e:
        tap.skip(function.__name__, e)
    except Exception as e:  # noqa: BLE001 - the other parts still tell something
        tap.ok(False, f"{function.__name__} ends early: {type(e).__name__}: {e}", traceback.format_exc())


def in_memory(client, site, ours):
    consumer, provider = Edc("consumer"), Edc("provider")
    sells, buys = Market(client, site, consumer, ours), Market(client, site, ours, provider)
    part(without_identity, ours)
    pushes = "HttpData-PUSH" in formats(sells)
    for market in (sells, buys):
        part(trade, market)
        part(push, market, pushes)
        part(at_once, market)
    part(from_edc, consumer, provider, Site())
    part(refused_by_us, sells)
    part(refused_by_edc, buys)
    part(other_rules, buys)


def on_postgresql(client, site, ours):
    jars = edc_peer.build(SQL)
    tap.note(f"EDC on PostgreSQL from {jars.parent.name}")
    postgres = harness.Postgres()

    def edc(name):
        postgres.psql(f"CREATE DATABASE edc_{name}")
        return Edc(name, SQL, tuned=False, database=(f"postgresql://127.0.0.1:{postgres.port}/edc_{name}", "naru"))

    consumer, provider = edc("consumer"), edc("provider")
    part(restarted, Market(client, site, consumer, ours), consumer)
    part(restarted, Market(client, site, ours, provider), provider)


def scenario():
    client = edc_peer.load_client()
    edc_peer.build(edc_peer.MEMORY)
    site, ours = Site(), Ours(client)
    if "memory" in PARTS:
        in_memory(client, site, ours)
    if "postgresql" in PARTS:
        part(on_postgresql, client, site, ours)


def main():
    try:
        scenario()
    except Skip as e:
        tap.skip("interop", e)
    except Exception as e:  # noqa: BLE001 - reported, not hidden
        tap.ok(False, f"interop ends early: {type(e).__name__}: {e}", traceback.format_exc())
    finally:
        harness.stop_everything()
    print(f"{tap.count - tap.failures} passed, {tap.failures} failed", flush=True)
    sys.exit(1 if tap.failures else 0)


if __name__ == "__main__":
    main()
