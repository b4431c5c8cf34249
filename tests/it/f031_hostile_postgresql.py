"""The hostile cases once more, against a connector whose rows are in PostgreSQL: what a driver or a server refuses by itself must not show as a failure."""

import random
import re
import string
import uuid

import f030_hostile
from connectors import Connector, Peer, Space, message
from harness import Postgres, main, tap

POSTGRES = []


def literal(value):
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def read(text):
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


class OnPostgres(Connector):
    """As Connector, with psql for everything that looks behind it."""

    def __init__(self, space, name, program, settings, plain=False):
        super().__init__(space, name, program, {**settings, "database": POSTGRES[0].create(name)}, plain)
        tables = [t for (t,) in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
        self.everything = " UNION ALL ".join(f"SELECT '{t}', r::text FROM {t} r" for t in tables) + " ORDER BY 1, 2"

    def sql(self, statement, *arguments):
        parts = statement.split("?")
        text = "".join(part + literal(value) for part, value in zip(parts, arguments)) + parts[-1]
        return [tuple(read(value) for value in row) for row in POSTGRES[0].psql(text, self.name)]

    def dump(self):
        return [" ".join(row) for row in POSTGRES[0].psql(self.everything, self.name)]

    def watch(self):
        return lambda: None  # compared at the end of each group


def too_long_for_an_index():
    """Each id is as long as it may be, and together they are more than an index takes: the sender's mistake, and the negotiation goes on."""
    space = Space("buyer", "peer")
    space.made_of = OnPostgres
    buyer, peer = space.connector("buyer"), Peer(space, "peer")
    asset, name = ("".join(random.choices(string.ascii_letters + string.digits, k=n)) for n in (2000, 2048))
    pid = buyer.negotiate(peer.url, "peer", {"@id": "o", "permission": [{"action": "use"}]}, asset)
    buyer.wait_state(pid, 200)
    own = buyer.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0]
    for agreement, status in ((name, 413), (f"urn:uuid:{uuid.uuid4()}", 200)):
        answer = buyer.as_peer("peer").post(f"/negotiations/{pid}/agreement", message(
            "ContractAgreementMessage", consumerPid=pid, providerPid=own, agreement={
                "@id": agreement, "@type": "Agreement", "target": asset, "assigner": "peer", "assignee": "buyer", "timestamp": "2026-01-01T00:00:00Z",
                "permission": [{"action": "use"}]}))
        tap.status(answer, status, f"an agreement's id of {len(agreement)} bytes")


def scenario():
    POSTGRES.append(Postgres())
    too_long_for_an_index()
    f030_hostile.scenario(OnPostgres)


main(scenario)
