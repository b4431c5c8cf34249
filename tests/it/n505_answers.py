"""What a peer's answer means, status by status, and what we answer when it is we who cannot: temporary trouble is never a refusal, on either side.

The table is written out by hand: 2xx takes the message; 404, 408, 409, 425, 429 mean not yet; 5xx, and no answer, mean trouble that passes: both come again.
Every other status ends the process with the peer's reason. Nothing comes again for longer than the process may wait (negotiation.limit).
"""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from connectors import Peer, Space, message
from harness import main, free_port, tap, wait_until

AGREED, FINALIZED, TERMINATED = 850, 1200, 1400
NOT_YET = {404, 408, 409, 425, 429}


def meaning(status):
    if 200 <= status <= 299:
        return "taken"
    return "again" if status in NOT_YET or status >= 500 else "ended"


def every_status(connector, peer):
    """Each status once to an agreement, then 200."""
    wanted, came = {}, {}

    def answer(_method, _path, body):
        pid = body["consumerPid"]
        came[pid] = came.get(pid, 0) + 1
        status = wanted.get(pid, 200) if came[pid] == 1 else 200
        bodiless = status in (204, 205, 304)
        return status, None if bodiless else message("ContractNegotiationError", providerPid="x", consumerPid=pid, code=str(status), reason=["said so"])

    offer = peer.offer_of(connector)
    peer.answer = answer

    def ask(status):
        pid = f"status-{status}"
        wanted[pid] = status
        _, reply = peer.request(connector, offer, consumerPid=pid)
        assert reply.status == 201, reply.text
        return status, pid, reply.json["providerPid"]

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, range(200, 600)))
    times = {"taken": 1, "again": 2, "ended": 1}
    for status, pid, own in asked:
        means = meaning(status)
        connector.wait_state(own, TERMINATED if means == "ended" else AGREED, deadline_s=20)
        problems = []
        if came[pid] != times[means]:
            problems.append(f"came {came[pid]} times")
        want = None if means != "ended" else f"the other party answered {status}" if status == 304 else f"{status}: said so"
        if connector.error(own) != want:
            problems.append(f"error {connector.error(own)!r}, want {want!r}")
        tap.ok(not problems, f"{status}: {means}", problems)
    peer.answer = Peer.accept
    wait_until(lambda: not connector.sql("SELECT 1 FROM outbox"), 10, "nothing waits")


def half_an_answer(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nConte")
    handler.close_connection = True


def back_off(connector, peer):
    """503 and no answer: farther and farther apart, and not two processes in step."""
    for name, trouble in (("503", (503, b"")), ("half an answer", half_an_answer)):
        at = {}

        def answer(method, path, body, at=at, trouble=trouble):
            if not path.endswith("/agreement"):
                return Peer.accept(method, path, body)
            seen = at.setdefault(body["consumerPid"], [])
            seen.append(time.monotonic())
            return trouble if len(seen) < 6 else (200, None)

        peer.answer = answer
        for _ in range(3):
            peer.agreed(connector)
        gaps = [[1000 * (b - a) for a, b in zip(seen, seen[1:])] for seen in at.values()]
        least = [0.75 * 10 * 2**n for n in range(5)]
        tap.ok(len(gaps) == 3 and all(len(g) == 5 and all(x >= low - 1 for x, low in zip(g, least)) for g in gaps), f"{name}: after 10, 20, 40 … ms", gaps)
        tap.ok(len({round(sum(g), 1) for g in gaps}) == 3, f"{name}: with jitter", gaps)
        peer.answer = Peer.accept


def limits(connector, peer):
    """A connector that waits for two seconds at most; each process ends by itself then."""
    closed = free_port()
    offer = peer.offer_of(connector)
    begun = {}
    for name, answer in (("409", (409, None)), ("429", (429, None)), ("503", (503, None)), ("no answer", None)):
        begun[name] = f"limit-{name}"
        _, reply = peer.request(connector, offer, consumerPid=begun[name])
        begun[name] = (reply.json["providerPid"], answer)
    answers = {own: answer for own, answer in begun.values()}
    start = time.monotonic()
    peer.answer = lambda _method, _path, body: answers.get(body["providerPid"], (200, None))
    for own, _ in begun.values():
        assert connector.api.post(f"/naru/v1/negotiations/{own}/agree").status == 204
    answer = connector.as_peer("peer").post("/negotiations/request", message(
        "ContractRequestMessage", consumerPid="limit-refused", offer=offer, callbackAddress=f"https://localhost:{closed}/dsp"))
    begun["a refused connection"] = (answer.json["providerPid"], None)
    assert connector.api.post(f"/naru/v1/negotiations/{answer.json['providerPid']}/agree").status == 204
    for name, (own, _) in begun.items():
        connector.wait_state(own, TERMINATED, deadline_s=20)
        tap.contains(connector.error(own), "in time", f"{name} for ever: the process ends, and says why")
    tap.ok(time.monotonic() - start > 1.9, "  not before its time")
    tap.equal(connector.sql("SELECT count(*) FROM agreement WHERE ended_us IS NULL"), [(0,)], "  none of the agreements counts")
    peer.answer = Peer.accept


class OurTrouble:
    """Our database is locked for longer than we wait for it (half a minute): 503 with Retry-After, nothing lost, and the same message goes through later."""

    def __init__(self, connector, peer):
        self.connector, self.client = connector, connector.as_peer("peer")
        pid, reply = peer.request(connector, peer.offer_of(connector))
        self.own = reply.json["providerPid"]
        self.body = message("ContractNegotiationTerminationMessage", providerPid=self.own, consumerPid=pid)
        wait_until(lambda: not connector.sql("SELECT 1 FROM outbox"), 10, "nothing waits")
        self.before = connector.dump()
        self.lock = sqlite3.connect(connector.folder / "connector.db", isolation_level=None)
        self.lock.execute("BEGIN IMMEDIATE")
        self.pool = ThreadPoolExecutor(1)
        self.answer = self.pool.submit(self.send)  # others go on meanwhile

    def send(self):
        return self.client.post(f"/negotiations/{self.own}/termination", self.body, timeout_s=60)

    def end(self):
        tap.status(self.client.get(f"/negotiations/{self.own}"), 200, "locked database: who only asks is answered")
        answer = self.answer.result()
        tap.status(answer, 503, "locked database: a message is not refused")
        tap.ok(answer.headers["Retry-After"] and answer.json["@type"] == "ContractNegotiationError", "  a typed error, with Retry-After", answer.text)
        self.lock.execute("ROLLBACK")
        self.lock.close()
        tap.ok(self.connector.dump() == self.before, "locked database: nothing was written")
        tap.status(self.send(), 200, "unlocked: the same message is taken")
        self.pool.shutdown()


def scenario():
    space = Space("ours", "impatient", "stuck", "peer")
    ours = space.connector("ours")
    impatient = space.connector("impatient", **{"negotiation.limit": "2s", "operator.decides": "agree"})
    stuck = space.connector("stuck", **{"operator.decides": "agree"})
    peer = Peer(space, "peer")
    for connector in (ours, impatient, stuck):
        connector.offer()
    trouble = OurTrouble(stuck, peer)
    every_status(ours, peer)
    back_off(ours, peer)
    limits(impatient, peer)
    trouble.end()


main(scenario)
