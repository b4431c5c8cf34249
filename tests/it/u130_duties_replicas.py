"""Duties of a company whose connector runs as three replicas: done once, stated once, overdue once, whichever of them does it, and whichever dies.

The buyer has the replicas, behind proxies that hand connections round; the seller has one process.
"""

import threading
from collections import Counter

from harness import BIN, PATIENCE, free_port, main, run, tap, wait_until
from n400_replicas import Proxy
from u100_duties import USE, Space, World, before, duty, payload, stamp, until
from u120_consequences import following
from world import Program

REPLICAS, DUE, MANY = 3, 90, 20


class Group:
    """The replicas of one company as one program."""

    name = "connector-buyer"

    def __init__(self, programs):
        self.programs = programs

    def stop(self):
        return max(p.stop() for p in self.programs)


class Replicated(Space):
    def begin(self, company, **settings):
        if company.slug == "seller":
            super().begin(company, **settings)
            return
        self.world.postgres.sql("CREATE DATABASE buyer")
        ports = [(free_port(), free_port()) for _ in range(REPLICAS)]
        self.proxies = [Proxy([p for p, _ in ports], company.public_port), Proxy([m for _, m in ports], company.management_port)]
        self.replicas = [self.replica(company, i + 1, p) for i, p in enumerate(ports)]
        company.connector = Group(self.replicas)

    def replica(self, company, number, ports):
        folder = company.home / f"data-{number}"
        folder.mkdir()
        settings = {"database": self.of_buyer, "duty.time": "30s", "data.dir": folder, "public.listen": f"127.0.0.1:{ports[0]}",
                    "management.listen": f"127.0.0.1:{ports[1]}"}
        argv = [self.world.bin / "naru-connector", "--config", company.home / "connector.conf", *(f"--{k}={v}" for k, v in settings.items())]
        return Program(f"connector-{company.slug}-{number}", argv, company.home).start()

    @property
    def of_buyer(self):
        return self.world.postgres.conninfo.replace("dbname=postgres", "dbname=buyer")

    def rows(self, company, statement, *arguments):
        if company.slug == "seller":
            return super().rows(company, statement, *arguments)
        postgres = self.world.postgres
        _, out, _ = run([postgres.bin / "psql", self.of_buyer, "-XAtqc", statement])
        return [tuple(line.split("|")) for line in out.splitlines()]

    def call(self, company, method, path, body=None, want=200):
        """A replica that dies answers nobody: asks once more, at another one."""
        ask = super().call
        if method != "GET":
            return ask(company, method, path, body, want)
        return wait_until(lambda: (ask(company, method, path, body, want),), 10, f"GET {path}: {want}")[0]

    def alive(self):
        return [r["alive"] for r in self.call(self.buyer, "GET", "/naru/v1/status")["replica"]["all"]]

    def all_alive(self):
        until(lambda: self.alive() == [True] * REPLICAS, "all replicas run, and know of each other")

    def all_watch(self):
        """Each of them starts anew, so that each waits for every instant that is noted."""
        for replica in self.replicas:
            replica.kill()
        for replica in self.replicas:
            replica.start()
        self.all_alive()

    def states(self, agreement):
        return Counter(r[0] for r in self.rows(self.buyer, f"SELECT state FROM duty WHERE agreement_id = '{agreement}'"))


def said_once(space, agreement, wanted):
    """Documents of the buyer about an agreement: what the data bank has logged, the seller holds, and events tell. wanted: {state: how many}."""
    until(lambda: space.rows(space.buyer, "SELECT count(*) FROM outbox") == [("0",)], "all was sent")
    logged = [e for e in space.entries("duty.reported") if e["agreement"] == agreement and e["role"] == "consumer"]
    tap.equal(Counter(e["state"] for e in logged), wanted, "the log has each word once")
    tap.equal(max(Counter((e["duty"], e["state"]) for e in logged).values()), 1, "of each duty")
    told = {r[0] for r in space.rows(space.buyer, f"SELECT DISTINCT broker_told FROM duty WHERE agreement_id = '{agreement}' AND state <> 'open'")}
    tap.equal(told, {"told"}, "the data bank has refused none")
    events = space.call(space.buyer, "GET", "/naru/v1/events?types=duty.&limit=1000")["events"]
    ours = {e["duty"] for e in logged}
    seen = Counter((e["payload"]["dutyId"], e["name"]) for e in events if e["payload"]["dutyId"] in ours)
    tap.equal(max(seen.values()), 1, "one event for each change")


def at_an_instant(space):
    """Many become overdue, and many are done by the connector, at one instant; all replicas wait for it, and one dies in it."""
    instant = stamp(14 * PATIENCE)
    after = {"leftOperand": "odrl:dateTime", "operator": "gteq", "rightOperand": instant}
    agreement = space.agree(permission=[USE], obligation=[
        *(following("anonymize", before(instant), {"leftOperand": "odrl:dateTime", "operator": "gteq", "rightOperand": f"{1900 + i}-01-01T00:00:00Z"},
                    consequences=[duty("distribute")]) for i in range(1, DUE + 1)),
        *(duty("inform", after, before(f"{2040 + i}-01-01T00:00:00Z")) for i in range(DUE))])
    tap.equal(space.states(agreement), {"open": 2 * DUE}, f"{2 * DUE} duties")
    space.all_watch()
    tap.equal(space.states(agreement), {"open": 2 * DUE}, "all replicas wait for the instant")
    until(lambda: space.states(agreement)["open"] < 2 * DUE, "it has come")
    space.replicas[1].kill()
    tap.note(f"killed when these were done: {dict(space.states(agreement))}")
    until(lambda: space.states(agreement) == {"overdue": DUE, "done": DUE, "open": DUE}, "all that was due, and what follows")
    follows = space.rows(space.buyer, f"SELECT count(DISTINCT follows), count(*) FROM duty WHERE agreement_id = '{agreement}' AND follows IS NOT NULL")
    tap.equal(follows, [(str(DUE), str(DUE))], "one consequence of each")
    said_once(space, agreement, {"overdue": DUE, "done": DUE})
    for state, want in (("done", DUE), ("overdue", DUE), ("open", DUE)):
        until(lambda s=state, w=want: len(space.duties(space.seller, agreement, state=s, limit=1000)) == w, f"the seller: {want} are {state}")
    mine = {d["id"]: d.get("document") for d in space.duties(space.buyer, agreement, state="done", limit=1000)}
    tap.equal({d["id"]: d.get("document") for d in space.duties(space.seller, agreement, state="done", limit=1000)}, mine,
              "the seller holds the very documents")
    space.replicas[1].start()
    space.all_alive()


def confirmed_everywhere(space):
    """People confirm the same duties at all replicas at once, while one dies: each is done once, and said once."""
    agreement = space.agree(permission=[USE], obligation=[duty("anonymize", before(f"{2040 + i}-01-01T00:00:00Z")) for i in range(MANY)])
    ids = [d["id"] for d in space.duties(space.buyer, agreement, limit=1000)]
    documents, half = {i: set() for i in ids}, threading.Event()

    def confirm(shift):
        for i in ids[shift:] + ids[:shift]:
            documents[i].add(wait_until(lambda i=i: say(i), 60, f"{i} is confirmed"))
            if len([d for d in documents.values() if d]) > MANY // 3:
                half.set()

    def say(one):
        status, answer = space.buyer.manage("POST", f"/naru/v1/duties/{one}/done", {"statement": "masked"})
        return answer["document"] if status == 200 else None

    people = [threading.Thread(target=confirm, args=(shift,)) for shift in (0, 2, 5)]
    for person in people:
        person.start()
    assert half.wait(60 * PATIENCE), "a third is confirmed"
    space.replicas[2].kill()
    for person in people:
        person.join(60 * PATIENCE)
    tap.equal({len(d) for d in documents.values()}, {1}, "everybody reads the one document of each")
    said_once(space, agreement, {"done": MANY})
    until(lambda: len(space.duties(space.seller, agreement, state="done", limit=1000)) == MANY, "the seller has all")
    tap.equal({d["document"] for d in space.duties(space.seller, agreement, limit=1000)}, {d for s in documents.values() for d in s},
              "and the same ones")
    tap.equal({payload(d)["state"] for s in documents.values() for d in s}, {"done"}, "in time")
    space.replicas[2].start()
    space.all_alive()


def deleted_once(space):
    """Use ends: one replica deletes what is held, and says that nothing is left."""
    end = stamp(12 * PATIENCE)
    agreement = space.agree(permission=[{**USE, "constraint": [before(end)]}], obligation=[duty("delete")])
    space.all_watch()
    until(lambda: space.call(space.buyer, "GET", f"/naru/v1/agreements/{agreement}/decision")["state"] != "in-force", "use has ended")
    space.replicas[0].kill()
    until(lambda: space.states(agreement) == {"done": 1}, "deleted")
    until(lambda: space.rows(space.buyer, "SELECT count(*) FROM outbox") == [("0",)], "all was sent")
    space.wait(space.seller, agreement, "done")
    space.wait_broker(agreement, "done")
    tap.equal(len([e for e in space.entries("deletion.stated") if e["agreement"] == agreement]), 1, "the log has one statement")


def scenario():
    with World(BIN, companies=2, durable=False) as world:
        space = Replicated(world)
        space.all_alive()
        for step in (at_an_instant, confirmed_everywhere, deleted_once):
            with tap.case(step.__name__):
                step(space)


main(scenario)
