"""What one replica learns about a partner all of them know: an access that another one has let through a moment ago is refused."""

import time

from connectors import Space
from databank import stamp
from edc import as_list, connector
from harness import Postgres, main, request, tap, wait_until
from members import CX, agree, begin, constraint, publish, rules

OURS, PEER = "did:web:ours.test", "did:web:peer.test"
NUMBER = "BPNL0000BUYER001"


def scenario():
    database = Postgres().create("ours")
    space = Space(OURS, PEER)
    first = connector(space, OURS, database=database)
    second = connector(space, OURS, database=database, **{
        "identity.key": first.folder / "company.pem", "public.url": first.base, "data.roots": first.folder})
    buyer = connector(space, PEER)
    publish(first, "numbered", rules(constraint(CX + "BusinessPartnerNumber", "isAnyOf", [NUMBER])))
    path = f"/naru/v1/partners/{PEER}/credentials/business-partner-number"
    record = {"values": [NUMBER], "issuer": "the register", "expires_at": stamp(time.time() + 3600)}
    tap.status(second.api.put(path, record), 204, "the second replica records a number")
    tap.equal(as_list(first.api.get(path).json["values"]), [NUMBER], "the first one knows it")
    pid = begin(buyer, first, agree(buyer, first, "numbered"))
    token = buyer.edc.get(f"/v3/edrs/{pid}/dataaddress").json["authorization"]
    other = f"https://localhost:{second.public}"

    def access(base):
        return request("GET", f"{base}/data", headers={"Authorization": token}, ca=space.authority.ca).status

    tap.equal((access(first.base), access(other)), (200, 200), "both replicas let the partner pull")
    tap.status(first.api.delete(path), 204, "the first takes the record back")
    since = time.monotonic()
    wait_until(lambda: access(first.base) == 403 and access(other) == 403, 5, "both refuse")
    tap.ok(time.monotonic() - since < 1, "the other one within a second", time.monotonic() - since)


if __name__ == "__main__":
    main(scenario)
