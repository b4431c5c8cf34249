"""Killed at every message: whatever is lost, both sides converge, and nothing happens twice.

Two connectors talk through a wire of ours. Each message of a negotiation with offers and counter-offers, of a transfer with suspensions and resumptions, and of
terminations from either side is cut once: before it arrives, or after it has been taken and before its answer is back; at that moment its sender, its receiver
or both are killed with SIGKILL and started again. Then the trade goes on. make fault kills at random moments; here every point between two messages is met.
"""

import http.client
import json
import queue
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from connectors import EDC, Space, message
from harness import free_port, main, tap, wait_until

REQUESTED, OFFERED, ACCEPTED, FINALIZED, TERMINATED = 200, 400, 800, 1200, 1400
STARTED, SUSPENDED, COMPLETED, T_TERMINATED = 600, 700, 800, 850
USE = {"permission": [{"action": "use"}]}
BOUNDED = {"permission": [{"action": "use", "constraint": [{"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2090-01-01T00:00:00Z"}]}]}


class Wire:
    """What stands before the connectors: forwards, and cuts each message once when told to."""

    def __init__(self, space):
        self.context = ssl.create_default_context(cafile=str(space.authority.ca))
        self.when, self.seen, self.cuts = None, set(), queue.Queue()
        self.lock = threading.Lock()

    def before(self, space, port, target):
        """Listens on `port` for the connector whose own address target() gives."""
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                cut = wire.is_due(self.path, body)
                if cut != "before":
                    status, reply = wire.forward(target(), self.path, body, self.headers)
                if cut:
                    done = threading.Event()
                    wire.cuts.put((port, done))
                    done.wait(60)
                    self.close_connection = True
                    return
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # who is killed hangs up

        server = Server(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, space.certificate))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def is_due(self, path, body):
        if self.when is None or not ("/negotiations/" in path or "/transfers/" in path):
            return None
        with self.lock:
            key = json.loads(body)["@id"]
            first = key not in self.seen
            self.seen.add(key)
            return self.when if first else None

    def forward(self, base, path, body, headers):
        parts = urllib.parse.urlsplit(base)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=30, context=self.context)
        try:
            connection.request("POST", path, body, {k: headers[k] for k in ("Authorization", "Content-Type")})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()


class World:
    def __init__(self):
        self.space = Space("provider", "consumer")
        self.wire = Wire(self.space)
        self.ports = {name: free_port() for name in ("provider", "consumer")}
        self.sides = {}
        for name, port in self.ports.items():
            self.wire.before(self.space, port, lambda name=name: self.sides[name].base)
            self.sides[name] = self.space.connector(name, **{"public.url": f"https://localhost:{port}", "operator.decides": "agree"})
        self.provider, self.consumer = self.sides["provider"], self.sides["consumer"]
        self.provider.offer()
        self.address = f"https://localhost:{self.ports['provider']}/dsp/2025-1"
        catalogue = self.provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")).json
        self.offer = catalogue["dataset"][0]["hasPolicy"][0]
        self.victims, self.kills = "both", 0

    def serve(self):
        """Kills who is to be killed at the cut that waits, if one does."""
        try:
            port, done = self.wire.cuts.get_nowait()
        except queue.Empty:
            return
        receiver = "provider" if port == self.ports["provider"] else "consumer"
        sender = "consumer" if receiver == "provider" else "provider"
        names = {"sender": [sender], "receiver": [receiver], "both": [sender, receiver]}[self.victims]
        for name in names:
            self.sides[name].process.kill()
        done.set()
        for name in names:
            self.sides[name].process.begin()
        for name in names:
            wait_until(lambda name=name: self.sides[name].version().status == 200, 20, f"{name} is back")
        self.kills += 1

    def until(self, condition, what):
        def served():
            self.serve()
            return condition()

        return wait_until(served, 40, what)

    def both(self, pid, state, table="negotiation"):
        """The consumer's process and the provider's are there; returns the provider's pid."""
        other = f"SELECT {table}_id, state FROM {table} WHERE peer_pid = ?"
        self.until(lambda: self.consumer.state(pid, table) == state and [s for _, s in self.provider.sql(other, pid)] == [state],
                   f"{table} {pid} reaches {state} on both sides")
        return self.provider.sql(other, pid)[0][0]

    # -- what operators do
    def begin(self):
        return self.consumer.negotiate(self.address, "provider", self.offer)

    def say(self, side, pid, what, policy=None):
        answer = side.api.post(f"/naru/v1/negotiations/{pid}/{what}", {"policy": {"@type": "Offer", **policy}} if policy else None)
        assert answer.status == 204, answer.text

    def transfer(self, agreement):
        answer = self.consumer.api.post("/v3/transferprocesses", {
            "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": self.address, "contractId": agreement,
            "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
        assert answer.status == 200, answer.text
        return answer.json["@id"]

    def act(self, side, transfer, verb):
        answer = side.api.post(f"/v3/transferprocesses/{transfer}/{verb}", {"@context": {"@vocab": EDC}, "@id": transfer, "reason": f"{verb}, says {side.name}"})
        assert answer.status < 300, answer.text

    # -- what must hold afterwards
    def taken(self, side, process, n):
        """Messages that were taken: each of them once."""
        tap.equal(side.sql("SELECT count(*) FROM message_seen WHERE process_id = ?", process)[0][0], n, f"  {side.name}: {n} messages were taken, each once")

    def calm(self):
        self.until(lambda: not self.consumer.sql("SELECT 1 FROM outbox") and not self.provider.sql("SELECT 1 FROM outbox"), "both outboxes are empty")


def haggle(w):
    """Request, offer, counter-request, offer, acceptance, agreement, verification, end."""
    pid = w.begin()
    own = w.both(pid, REQUESTED)
    w.say(w.provider, own, "offer", BOUNDED)
    w.both(pid, OFFERED)
    w.say(w.consumer, pid, "offer", USE)
    w.both(pid, REQUESTED)
    w.say(w.provider, own, "offer", BOUNDED)
    w.both(pid, OFFERED)
    w.say(w.consumer, pid, "accept")
    w.both(pid, ACCEPTED)
    w.say(w.provider, own, "agree")
    w.both(pid, FINALIZED)
    w.calm()
    agreements = [side.sql("SELECT agreement_id, policy_hash, agreed_us, ended_us FROM agreement WHERE negotiation_id = ?", process)
                  for side, process in ((w.consumer, pid), (w.provider, own))]
    tap.ok(len(agreements[0]) == 1 and agreements[0] == agreements[1], "  one agreement, the same on both sides", agreements)
    w.taken(w.provider, own, 4)
    w.taken(w.consumer, pid, 4)
    return agreements[0][0][0]


def move(w, agreement):
    """A transfer: started, suspended and resumed from either side, completed."""
    pid = w.transfer(agreement)
    own = w.both(pid, STARTED, "transfer")
    for side, process in ((w.consumer, pid), (w.provider, own)):
        w.act(side, process, "suspend")
        w.both(pid, SUSPENDED, "transfer")
        w.act(side, process, "resume")
        w.both(pid, STARTED, "transfer")
    tap.equal(w.consumer.sql("SELECT count(*) FROM edr WHERE transfer_id = ?", pid), [(1,)], "  the consumer has its data address")
    w.act(w.consumer, pid, "complete")
    w.both(pid, COMPLETED, "transfer")
    w.calm()
    w.taken(w.provider, own, 4)
    w.taken(w.consumer, pid, 3)


def terminate(w, agreement):
    """Either side ends a negotiation and a transfer."""
    for side in (w.consumer, w.provider):
        pid = w.begin()
        own = w.both(pid, REQUESTED)
        assert side.terminate(pid if side is w.consumer else own, f"ended by the {side.name}").status < 300
        w.both(pid, TERMINATED)
        tap.equal({w.consumer.error(pid), w.provider.error(own)}, {f"ended by the {side.name}"}, f"  both know why the {side.name} ended the negotiation")
        transfer = w.transfer(agreement)
        theirs = w.both(transfer, STARTED, "transfer")
        w.act(side, transfer if side is w.consumer else theirs, "terminate")
        w.both(transfer, T_TERMINATED, "transfer")
        tap.equal({w.consumer.error(transfer, "transfer"), w.provider.error(theirs, "transfer")}, {f"terminate, says {side.name}"},
                  f"  both know why the {side.name} ended the transfer")
    w.calm()


ROUNDS = [(when, victims) for victims in ("both", "sender", "receiver") for when in ("before", "after")]
CUTS = 8 + 7 + 2 * (2 + 3)  # messages of one round


def scenario():
    w = World()
    for when, victims in ROUNDS:
        w.wire.when, w.victims, w.kills = when, victims, 0
        tap.note(f"{victims} killed {when} each message")
        agreement = haggle(w)
        move(w, agreement)
        terminate(w, agreement)
        tap.equal(w.kills, CUTS, f"{victims} killed {when} each of {CUTS} messages: all ended well")


main(scenario)
