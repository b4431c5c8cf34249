"""Three replicas of one connector on one PostgreSQL database, behind proxies that hand connections round.

They sell to and buy from a connector of its own. One is killed in the middle and comes back. Whatever was acknowledged reaches its end,
nothing happens twice, every access has its receipt, and what one replica changes the others know.
"""

import itertools
import json
import re
import select
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

from connectors import Connector, Space, message
from d020_trade import as_list, field, publish, pull, start_transfer
from edc import CTX, POLICY, PROTOCOL, connector
from harness import BIN, PATIENCE, Client, Postgres, free_port, main, request, start, tap, temp_dir, wait_until
from sink import Sink

OURS, PEER = "did:web:ours.test", "did:web:peer.test"
SALES, PURCHASES, LIMIT, ROUNDS, PUSHES = 42, 24, 100, 12, 18
NOTICE_S = 1  # news between replicas; far more than it takes
EVENT = "X-Naru-Event"


class Proxy:
    """Hands TCP connections to backends in turn; what is quiet after an answer is closed, so that clients come back to another one."""

    QUIET_S = 0.1

    def __init__(self, ports, port=0):
        self.ports = itertools.cycle(ports)
        self.n = len(ports)
        self.turn = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=200)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def backend(self):
        for _ in range(self.n):
            with self.turn:
                port = next(self.ports)
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=5)
            except OSError:
                continue
        return None

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        server = self.backend()
        if server is None:
            client.close()
            return
        quiet = None
        with client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [], quiet)
                if not ready:
                    return
                for source in ready:
                    try:
                        data = source.recv(65536)
                        (client if source is server else server).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                    quiet = self.QUIET_S if source is server else None


class Replica(Connector):
    """One more process with the keys and the database of the first."""

    def __init__(self, space, number, shared, ports, url, database):
        self.space, self.name, self.did = space, f"replica-{number}", OURS
        self.folder, self.key = temp_dir(), (shared / "api-key").read_text()
        self.public, self.management = ports
        self.base = f"https://localhost:{self.public}"
        self.dsp = f"{self.base}/dsp/2025-1"
        certificate, key = space.certificate
        values = {
            "participant.did": OURS, "identity.mode": "static", "identity.static_tokens": shared / "tokens",
            "identity.key": shared / "company.pem", "management.api_key": shared / "api-key", "public.url": url,
            "public.listen": f"127.0.0.1:{self.public}", "public.certificate": certificate, "public.key": key,
            "management.listen": f"127.0.0.1:{self.management}", "fetch.ca": space.authority.ca, "fetch.allow": "127.0.0.0/8,::1/128",
            "push.allow": "127.0.0.0/8,::1/128", "database": database, "data.dir": self.folder, "data.roots": shared,
        }
        conf = self.folder / "connector.conf"
        conf.write_text("".join(f"{k} = {v}\n" for k, v in values.items()))
        self.process = start(self.name, [BIN / "naru-connector", "--config", conf], cwd=self.folder)
        self.api = Client(f"http://127.0.0.1:{self.management}", headers={"X-Api-Key": self.key})
        self.edc = Client(f"http://127.0.0.1:{self.management}/management", headers={"X-Api-Key": self.key})

    def ready(self):
        return Client(f"http://127.0.0.1:{self.management}").get("/readyz").status == 200

    def number(self):
        return self.api.get("/naru/v1/status").json["replica"]["id"]


class World:
    def __init__(self):
        self.postgres = Postgres()
        self.database = self.postgres.create("ours")
        self.space = Space(OURS, PEER)
        self.shared = temp_dir()
        self.peer = connector(self.space, PEER)
        self.sell_at_peer()
        for name in ("company.pem", "api-key"):
            (self.shared / name).write_bytes((self.peer.folder / name).read_bytes())
            (self.shared / name).chmod(0o600)
        tokens = self.space.tokens
        (self.shared / "tokens").write_text(f"{tokens[OURS]} {OURS}\n{tokens[PEER]} {PEER}\n")
        (self.shared / "tokens").chmod(0o600)
        ports = [(free_port(), free_port()) for _ in range(3)]
        self.public, self.management = Proxy([p for p, _ in ports]), Proxy([m for _, m in ports])
        self.url = f"https://localhost:{self.public.port}"
        self.replicas = [Replica(self.space, i + 1, self.shared, p, self.url, self.database) for i, p in enumerate(ports)]
        for r in self.replicas:
            wait_until(r.ready, 30, f"{r.name} is ready")
        self.ours = self.replicas[0].__class__.__new__(Replica)  # what clients see: the proxies
        self.ours.did, self.ours.dsp = OURS, f"{self.url}/dsp/2025-1"
        key = {"X-Api-Key": self.replicas[0].key}
        self.ours.api = Client(f"http://127.0.0.1:{self.management.port}", headers=key)
        self.ours.edc = Client(f"http://127.0.0.1:{self.management.port}/management", headers=key)

    def sell_at_peer(self):
        (self.peer.folder / "theirs.csv").write_text("a,b\n1,2\n")
        publish(self.peer, "theirs", {"type": "File", "path": str(self.peer.folder / "theirs.csv")})

    def psql(self, sql):
        return self.postgres.psql(sql, "ours")

    def number(self, sql):
        return int(self.psql(sql)[0][0])


def again(ask, status, what, deadline_s=40):
    """Asks until the answer is that one; a replica may be dying at the other end of the connection."""
    seen = []

    def once():
        seen.append(ask())
        return seen[-1].status == status and seen[-1]

    return wait_until(once, deadline_s, f"{what}: {seen[-1].text[:200] if seen else ''}")


def catalogue(buyer, seller):
    return again(lambda: buyer.edc.post("/v3/catalog/request", {
        "@context": CTX, "@type": "CatalogRequest", "protocol": PROTOCOL, "counterPartyAddress": seller.dsp,
        "counterPartyId": seller.did}), 200, "a catalogue").json


def negotiate(buyer, seller, asset):
    dataset = next(d for d in as_list(catalogue(buyer, seller)["dcat:dataset"]) if d["@id"] == asset)
    offer = as_list(dataset["odrl:hasPolicy"])[0]
    return again(lambda: buyer.edc.post("/v3/contractnegotiations", {
        "@context": CTX, "@type": "ContractRequest", "counterPartyAddress": seller.dsp, "protocol": PROTOCOL,
        "policy": {**offer, "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "assigner": seller.did,
                   "target": asset}}), 200, "a negotiation").json["@id"]


def agreed(buyer, pid):
    wait_until(lambda: field(buyer, "contractnegotiations", pid, "state") == "FINALIZED", 60, f"negotiation {pid} reaches FINALIZED")
    return wait_until(lambda: field(buyer, "contractnegotiations", pid, "contractAgreementId"), 20, "its agreement")


def transferred(buyer, seller, agreement):
    pid = again(lambda: buyer.edc.post("/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": seller.dsp, "contractId": agreement,
        "protocol": PROTOCOL, "transferType": "HttpData-PULL"}), 200, "a transfer").json["@id"]
    wait_until(lambda: field(buyer, "transferprocesses", pid, "state") == "STARTED", 60, f"transfer {pid} reaches STARTED")
    return pid


def bought(buyer, seller, asset):
    agreement = agreed(buyer, negotiate(buyer, seller, asset))
    return agreement, transferred(buyer, seller, agreement)


# -- what one changes, the others know ----------------------------------------------------------------------------------
def shared_catalogue(world):
    (world.shared / "a.csv").write_text("a,b\n" + "1,2\n" * 100)
    for r in world.replicas:  # each has a catalogue in its cache
        r.as_peer(PEER).post("/catalog/request", message("CatalogRequestMessage"))
    publish(world.replicas[0], "data", {"type": "File", "path": str(world.shared / "a.csv")})

    def offered(replica):
        answer = replica.as_peer(PEER).post("/catalog/request", message("CatalogRequestMessage")).json
        return [d["@id"] for d in answer.get("dataset", [])] == ["data"]

    for r in world.replicas:
        wait_until(lambda r=r: offered(r), NOTICE_S, f"{r.name} offers what the first one was given")
    tap.ok(True, "an asset made at one replica is in the catalogues of all")


def token_of(world, transfer):
    return world.peer.edc.get(f"/v3/edrs/{transfer}/dataaddress").json["authorization"]


def direct(world, replica, token):
    return request("GET", f"{replica.base}/data", headers={"Authorization": token}, ca=world.space.authority.ca)


def ended_everywhere(world):
    agreement, pid = bought(world.peer, world.ours, "data")
    token = token_of(world, pid)
    for r in world.replicas:
        tap.equal([direct(world, r, token).status for _ in range(3)], [200] * 3, f"{r.name} serves with the token that another one gave")
    suspend = f"/v3/transferprocesses/{pid}/suspend"
    tap.status(again(lambda: world.peer.edc.post(suspend, {"@context": CTX, "reason": "a test"}), 204, "suspend"), 204, "suspended")
    theirs = field(world.peer, "transferprocesses", pid, "correlationId")
    wait_until(lambda: field(world.replicas[0], "transferprocesses", theirs, "state") == "SUSPENDED", 10, "we know")
    for r in world.replicas:
        wait_until(lambda r=r: direct(world, r, token).status == 403, NOTICE_S, f"{r.name} refuses a suspended transfer")
    tap.ok(True, "a suspended transfer is refused by every replica")
    tap.status(world.peer.edc.post(f"/v3/transferprocesses/{pid}/resume"), 204, "resumed")
    for r in world.replicas:
        wait_until(lambda r=r: direct(world, r, token_of(world, pid)).status == 200, 10, f"{r.name} serves it again")
    token = token_of(world, pid)
    began = time.monotonic()
    tap.status(world.replicas[1].api.post(f"/naru/v1/agreements/{agreement}/end", {"reason": "a test"}), 204, "the second ends the agreement")
    for r in world.replicas:
        wait_until(lambda r=r: direct(world, r, token).status == 403, NOTICE_S, f"{r.name} refuses it")
    tap.ok(True, "an agreement that one replica ends is refused by every one")
    tap.note(f"within {time.monotonic() - began:.3f} s")


def order_of_a_stream(world):
    """Suspended here, resumed there, at once: the peer hears it in that order or the transfer would end."""
    _, pid = bought(world.peer, world.ours, "data")
    theirs = field(world.peer, "transferprocesses", pid, "correlationId")
    turns = itertools.cycle(world.replicas)
    for _ in range(10):
        for act in ("suspend", "resume"):
            answer = next(turns).edc.post(f"/v3/transferprocesses/{theirs}/{act}", {"@context": CTX, "reason": "a test"})
            assert answer.status == 204, answer.text
    wait_until(lambda: field(world.replicas[0], "transferprocesses", theirs, "state") == "STARTED", 20, "we see it running")
    wait_until(lambda: world.number("SELECT count(*) FROM outbox") == 0, 20, "all was sent")
    tap.equal(field(world.peer, "transferprocesses", pid, "state"), "STARTED", "ten suspensions and resumptions, each at another replica, in order")


def offer_limited(world, asset, limit):
    """An asset that each agreement may be used for so many times."""
    offer_with(world, asset, {"leftOperand": "count", "operator": "lteq", "rightOperand": str(limit)})


def offer_with(world, asset, constraint):
    policy = {"permission": [{"action": "use", "constraint": constraint}]}
    for route, body in (
            ("/v3/assets", {"@id": asset, "properties": {"name": asset},
                            "dataAddress": {"type": "File", "path": str(world.shared / "a.csv")}}),
            ("/v3/policydefinitions", {"@id": f"{asset}-policy", "policy": {**POLICY, **policy}}),
            ("/v3/contractdefinitions", {"@id": f"{asset}-offer", "accessPolicyId": "data-policy", "contractPolicyId": f"{asset}-policy",
                                         "assetsSelector": [{"@type": "Criterion", "operandLeft": "https://w3id.org/edc/v0.0.1/ns/id",
                                                             "operator": "=", "operandRight": asset}]})):
        tap.status(world.ours.edc.post(route, {"@context": CTX, **body}), 200, f"POST {route}")
    wait_until(lambda: asset in [d["@id"] for d in as_list(catalogue(world.peer, world.ours)["dcat:dataset"])], 10, "it is offered")


def one_use_each(world):
    """Many at the same instant, again and again: what one lets through no other one may."""
    offer_limited(world, "single", 1)
    through = []
    for _ in range(ROUNDS):
        token = token_of(world, bought(world.peer, world.ours, "single")[1])
        barrier = threading.Barrier(9)

        def access(i, token=token, barrier=barrier):
            barrier.wait(20)
            return direct(world, world.replicas[i % 3], token).status

        with ThreadPoolExecutor(9) as pool:
            through.append(sorted(pool.map(access, range(9))))
    tap.equal(through, [[200] + [403] * 8] * ROUNDS, f"{ROUNDS} agreements for one use each, nine accesses at once")


def limit_is_exact(world):
    offer_limited(world, "limited", LIMIT)
    agreement, pid = bought(world.peer, world.ours, "limited")
    token = token_of(world, pid)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda i: direct(world, world.replicas[i % 3], token), range(10 * LIMIT)))
    statuses = [a.status for a in answers]
    tap.equal({s: statuses.count(s) for s in set(statuses)}, {200: LIMIT, 403: 9 * LIMIT},
              f"{10 * LIMIT} accesses at three replicas against a limit of {LIMIT}")
    wait_until(lambda: world.number(f"SELECT count(*) FROM receipt WHERE agreement_id = '{agreement}'") == LIMIT, 20, "their receipts")


def events_everywhere(world):
    """Who follows at one replica sees what happens at another."""
    follower, answers = world.replicas[2], []
    latest = follower.api.get("/naru/v1/events?after=latest").json["next"]
    waiting = threading.Thread(target=lambda: answers.append(follower.api.get(f"/naru/v1/events?after={latest}&wait=30", timeout_s=60)))
    waiting.start()
    waiting.join(0.3)  # most likely it waits by now; if not, it finds the event at once
    began = time.monotonic()
    body = {"@context": CTX, "@id": "unoffered", "properties": {"name": "unoffered"},
            "dataAddress": {"type": "File", "path": str(world.shared / "a.csv")}}
    tap.status(world.replicas[0].edc.post("/v3/assets", body), 200, "an asset at the first replica")
    waiting.join(40 * PATIENCE)
    tap.ok(answers and time.monotonic() - began < 5 * PATIENCE and "unoffered" in answers[0].text, "is an event at the third",
           answers[0].text if answers else "")


def pushes_leave_once(world):
    sink = Sink(world.space)
    agreement, _ = bought(world.peer, world.ours, "data")

    def push(i):
        pid = again(lambda: world.peer.edc.post("/v3/transferprocesses", {
            "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": world.ours.dsp, "contractId": agreement,
            "protocol": PROTOCOL, "transferType": "HttpData-PUSH",
            "dataDestination": {"@type": "DataAddress", "type": "HttpData", "baseUrl": f"{sink.url}/{i}"}}), 200, "a push").json["@id"]
        wait_until(lambda: field(world.peer, "transferprocesses", pid, "state") == "COMPLETED", 60, "a push reaches COMPLETED")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(push, range(PUSHES)))
    paths = sorted(r["path"] for r in sink.requests if r["whole"])
    tap.equal(paths, sorted(f"/{i}" for i in range(PUSHES)), f"{PUSHES} pushes, each delivered once")
    took = [int(re.search(r"^naru_pushes_total\{[^}]*\} (\d+)", r.edc.get("/metrics").text, re.MULTILINE)[1]) for r in world.replicas]
    tap.ok(sum(took) == PUSHES and sum(n > 0 for n in took) > 1, "by several replicas", took)


# -- trades while one dies ----------------------------------------------------------------------------------------------
def sale(world, events):
    agreement, pid = bought(world.peer, world.ours, "data")
    for _ in range(3):
        answer = again(lambda: pull(world.peer, pid), 200, "a pull")
        events.append((agreement, answer.headers.get(EVENT)))
    return agreement


def purchase(world):
    agreement, pid = bought(world.ours, world.peer, "theirs")
    again(lambda: pull(world.ours, pid), 200, "a pull")
    return agreement


def trades_while_one_dies(world):
    victim = world.replicas[1]
    events, done = [], []
    half, most = threading.Event(), threading.Event()

    def run(i):
        done.append(purchase(world) if i % 3 == 2 and i // 3 < PURCHASES else sale(world, events))
        if len(done) >= (SALES + PURCHASES) // 4:
            half.set()
        if len(done) >= (SALES + PURCHASES) * 2 // 3:
            most.set()

    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(run, i) for i in range(SALES + PURCHASES)]
        assert half.wait(120 * PATIENCE), "the first quarter of the trades"
        before = victim.number()
        victim.process.kill()
        survivor = world.replicas[0]
        wait_until(lambda: not any(r["id"] == before for r in survivor.api.get("/naru/v1/status").json["replica"]["all"]), 20,
                   "what it left is taken over")
        tap.ok(True, "a killed replica is taken over")
        assert most.wait(120 * PATIENCE), "two thirds of the trades"
        victim.process.begin()
        for r in results:
            r.result(180 * PATIENCE)
    wait_until(victim.ready, 30, "the killed one is back")
    tap.equal(len(done), SALES + PURCHASES, "negotiations, transfers and pulls while a replica dies and comes back")
    return events


def nothing_lost(world, events):
    wait_until(lambda: world.number("SELECT count(*) FROM outbox") == 0, 60, "the outbox is empty")
    wait_until(lambda: world.peer.sql("SELECT count(*) FROM outbox")[0][0] == 0, 60, "the peer's outbox is empty")
    tap.ok(True, "the outboxes are empty")
    # a request whose answer got lost may have begun one that nobody waits for: it ends all the same
    wait_until(lambda: world.number("SELECT count(*) FROM negotiation WHERE state NOT IN (1200, 1400)") == 0, 60, "all negotiations have ended")
    tap.equal(world.number("SELECT count(*) FROM negotiation WHERE state = 1400"), 0, "every negotiation is FINALIZED")
    ours = {r[0] for r in world.psql("SELECT agreement_id FROM agreement")}
    theirs = {r[0] for r in world.peer.sql("SELECT agreement_id FROM agreement")}
    tap.equal(ours ^ theirs, set(), f"{len(ours)} agreements are the same on both sides")
    tap.equal(world.number("SELECT count(*) - count(DISTINCT negotiation_id) FROM agreement"), 0, "a negotiation has one agreement")
    states = lambda rows: sorted((min(str(a), str(b)), max(str(a), str(b)), int(s)) for a, b, s in rows)
    both = "SELECT transfer_id, peer_pid, state FROM transfer"
    tap.equal(states(world.psql(both)), states(world.peer.sql(both)), "transfers are in the same states on both sides")
    tap.equal(world.number("SELECT count(*) FROM access WHERE owner NOT IN (SELECT replica_id FROM replica)"), 0, "no access is left")
    gaps = world.psql("SELECT agreement_id, role FROM receipt GROUP BY agreement_id, role HAVING max(seq) <> count(*) OR min(seq) <> 1")
    tap.equal(gaps, [], "receipts are numbered without a gap")
    known = {r[0] for r in world.psql("SELECT event_id FROM receipt WHERE role = 'provider'")}
    theirs = {r[0] for r in world.peer.sql("SELECT event_id FROM receipt WHERE role = 'consumer'")}
    tap.equal(len(events), 3 * (len(events) // 3), "pulls were counted")
    tap.equal(theirs - known, set(), f"each of {len(theirs)} accesses that the peer has a receipt of has one of ours")
    tap.equal({json.loads(r[0])["rows"] for r in world.psql("SELECT line FROM receipt WHERE role = 'provider'")} - {0, 100}, set(),
              "none counts a part of the file")


# -- connections to the database that end -------------------------------------------------------------------------------
def backends_end(world, pids=None):
    which = f"pid IN ({', '.join(pids)})" if pids else "pid <> pg_backend_pid()"
    world.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ours' AND {which}")


def all_connections_end(world):
    """As a restart of the server: everybody connects again, nobody is taken for dead."""
    before = world.psql("SELECT replica_id FROM replica ORDER BY replica_id")
    events = []
    backends_end(world)
    for r in world.replicas:
        wait_until(r.ready, 20, f"{r.name} is ready again")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: sale(world, events), range(6)))
    alive = lambda: [r["alive"] for r in world.replicas[0].api.get("/naru/v1/status").json["replica"]["all"]]
    wait_until(lambda: alive() == [True] * 3, 20, "all hold their locks again")
    tap.equal(world.psql("SELECT replica_id FROM replica ORDER BY replica_id"), before, "all connections end: the same replicas go on")


def taken_for_dead(world):
    """One stands still, and the server has ended its connections: when it goes on, it finds itself taken over, and ends."""
    victim, survivor = world.replicas[2], world.replicas[0]
    number = victim.number()
    victim.process.expect_log("another replica took us for dead")
    pids = [r[0] for r in world.psql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid ="
                                     f" 'replica'::regclass::oid AND objid = {number}")]
    tap.equal(len(pids), 1, "its writer's connection holds its lock")
    victim.process.must_live = False
    victim.process.signal(signal.SIGSTOP)
    backends_end(world, pids)
    wait_until(lambda: all(r["id"] != number for r in survivor.api.get("/naru/v1/status").json["replica"]["all"]), 20, "it is taken over")
    victim.process.signal(signal.SIGCONT)
    tap.equal(victim.process.wait(30), 1, "a replica that was taken for dead ends, for its service manager to start it anew")
    victim.process.begin()
    wait_until(victim.ready, 30, "it is back")
    tap.equal(world.number("SELECT count(*) FROM replica"), 3, "under a number of its own")


def events_reach_all(world):
    """A group that changes at one replica ends what runs at another."""
    def groups(replica, ask, name):
        body = {"@context": {"tx": "https://w3id.org/tractusx/v0.0.1/ns/"}, "@id": PEER, "tx:groups": [name]}
        tap.status(getattr(replica.edc, ask)("/v3/business-partner-groups", body), 204, f"the partner is in group {name}")

    groups(world.replicas[0], "post", "gold")
    offer_with(world, "grouped", {"leftOperand": "https://w3id.org/catenax/2025/9/policy/BusinessPartnerGroup", "operator": "isAnyOf", "rightOperand": ["gold"]})
    _, pid = bought(world.peer, world.ours, "grouped")
    token = token_of(world, pid)
    tap.equal([direct(world, r, token).status for r in world.replicas], [200] * 3, "each replica lets it pass")
    groups(world.replicas[2], "put", "silver")
    began = time.monotonic()
    for r in world.replicas:
        wait_until(lambda r=r: direct(world, r, token).status == 403, 4, f"{r.name} refuses")
    tap.note(f"all replicas refuse {1000 * (time.monotonic() - began):.0f} ms after the change")
    wait_until(lambda: field(world.peer, "transferprocesses", pid, "state") == "TERMINATED", 20, "the other side is told")
    tap.contains(field(world.peer, "transferprocesses", pid, "errorDetail"), "business partner group", "with the cause")


def decisions_are_taken_over(world):
    """The replica that waits for the instant at which a policy turns is killed before it: another one acts, once."""
    doomed, others = world.replicas[0], world.replicas[1:]
    end = (datetime.now(timezone.utc) + timedelta(seconds=10)).replace(microsecond=0)
    offer_with(world, "brief", {"leftOperand": "dateTime", "operator": "lt", "rightOperand": end.isoformat(timespec="seconds")})
    agreement = agreed(world.peer, negotiate(world.peer, doomed, "brief"))
    # it knows the doomed one's address only: what it says at the end reaches nobody until that one is back
    pids = [transferred(world.peer, doomed, agreement) for _ in range(3)]
    token = token_of(world, pids[0])
    tap.status(direct(world, others[0], token), 200, "before the instant: an access passes")
    doomed.process.kill()
    count = f"SELECT count(*) FROM transfer WHERE agreement_id = '{agreement}' AND state IN (825, 850)"
    tap.ok(datetime.now(timezone.utc) < end and world.number(count) == 0, "it dies before the instant")
    wait_until(lambda: world.number(count) == 3, 30, "another replica ends its transfers")
    late_s = time.time() - end.timestamp()
    tap.note(f"ended by another replica, seen {late_s:.2f} s after the instant")
    tap.status(direct(world, others[1], token), 403, "the token is dead everywhere")
    for pid in pids:
        wait_until(lambda p=pid: field(world.peer, "transferprocesses", p, "state").startswith("TERMINAT"), 30, "the other side has ended it too")
    ended = [line for r in others for line in r.process.log_text().splitlines() if 'msg="an agreement is over"' in line and agreement in line]
    tap.equal(len(ended), 1, "by one of the two that are left, once")
    tap.contains(field(world.peer, "transferprocesses", pids[0], "errorDetail"), "date and time", "with the cause")
    doomed.process.begin()
    wait_until(doomed.ready, 30, "it is back")


def scenario():
    world = World()
    numbers = [r.number() for r in world.replicas]
    tap.equal(sorted(numbers), [1, 2, 3], "each replica has a number")
    tap.equal(sum(r["alive"] for r in world.ours.api.get("/naru/v1/status").json["replica"]["all"]), 3, "and knows the others")
    shared_catalogue(world)
    with tap.case("ends are known everywhere"):
        ended_everywhere(world)
    with tap.case("order of a stream"):
        order_of_a_stream(world)
    with tap.case("limits"):
        limit_is_exact(world)
        one_use_each(world)
    with tap.case("events"):
        events_everywhere(world)
    with tap.case("pushes"):
        pushes_leave_once(world)
    with tap.case("a group changes"):
        events_reach_all(world)
    with tap.case("a decision turns after its replica has died"):
        decisions_are_taken_over(world)
    nothing_lost(world, trades_while_one_dies(world))
    with tap.case("connections to the database end"):
        all_connections_end(world)
    with tap.case("a replica that stood still"):
        taken_for_dead(world)
    wait_until(lambda: world.number("SELECT count(*) FROM outbox") == 0, 30, "the outbox is empty in the end")


if __name__ == "__main__":
    main(scenario)
