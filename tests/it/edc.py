"""The connectors of connectors.py as a user of EDC's management API sees them."""

from connectors import Space
from harness import Client, wait_until

EDC = "https://w3id.org/edc/v0.0.1/ns/"
ODRL = "http://www.w3.org/ns/odrl/2/"
CTX = {"@vocab": EDC}
PROTOCOL = "dataspace-protocol-http:2025-1"
POLICY = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [], "prohibition": [], "obligation": []}


def connector(space, name, **settings):
    """A connector; .edc speaks to its management API below the base path that EDC's clients use."""
    made = space.connector(name, **{"data.dir": ".", **settings})
    made.did = name
    made.open = Client(f"http://127.0.0.1:{made.management}")
    made.edc = Client(f"http://127.0.0.1:{made.management}/management", headers={"X-Api-Key": made.key})
    wait_until(lambda: made.open.get("/check/readiness").status == 200, 20, f"{name} is ready")
    return made


def pair(**settings):
    """A provider and a consumer that know each other."""
    names = "did:web:provider.test", "did:web:consumer.test"
    space = Space(*names)
    return [connector(space, name, **settings) for name in names]


def as_list(value):
    """JSON-LD's single elements as lists."""
    return value if isinstance(value, list) else [value]


def query(*criteria, **more):
    """A QuerySpec of (left, operator, right)."""
    return {"@context": CTX, "@type": "QuerySpec", **more, "filterExpression": [
        {"@type": "Criterion", "operandLeft": left, "operator": op, "operandRight": right} for left, op, right in criteria]}
