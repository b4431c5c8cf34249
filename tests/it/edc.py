"""Connectors as a user of EDC's management API sees them: static identity, plain HTTP on loopback."""

import os
import sqlite3
import subprocess
from contextlib import closing

from harness import BIN, Client, free_port, start, temp_dir, wait_until

EDC = "https://w3id.org/edc/v0.0.1/ns/"
ODRL = "http://www.w3.org/ns/odrl/2/"
CTX = {"@vocab": EDC}
PROTOCOL = "dataspace-protocol-http:2025-1"
KEY = "key-of-the-test"


class Connector:
    def __init__(self, name, did, peers, database=None, extra=""):
        self.did, self.folder = did, temp_dir()
        self.public, self.management = free_port(), free_port()
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", self.folder / "company.pem"], check=True)
        (self.folder / "api-key").write_text(KEY)
        (self.folder / "tokens").write_text("\n".join(peers) + "\n")
        for file in ("company.pem", "api-key", "tokens"):
            os.chmod(self.folder / file, 0o600)
        (self.folder / "files").mkdir()
        conf = self.folder / "connector.conf"
        conf.write_text(f"""participant.did = {did}
identity.mode = static
identity.static_tokens = tokens
public.listen = 127.0.0.1:{self.public}
management.listen = 127.0.0.1:{self.management}
database = {database or f"sqlite:{self.folder}/connector.db"}
data.dir = files
fetch.allow = 127.0.0.0/8
fetch.http = true
{extra}""")
        self.process = start(name, [BIN / "naru-connector", "--config", conf], cwd=self.folder)
        self.open = Client(f"http://127.0.0.1:{self.management}")
        self.api = Client(f"http://127.0.0.1:{self.management}/management", headers={"X-Api-Key": KEY})
        self.dsp = f"http://127.0.0.1:{self.public}/dsp/2025-1"
        wait_until(lambda: self.open.get("/check/readiness").status == 200, 20, f"{name} is ready")

    def sql(self, text, *values):
        with closing(sqlite3.connect(self.folder / "connector.db", timeout=20)) as db, db:
            return db.execute(text, values).fetchall()


def pair(**options):
    """A provider and a consumer that know each other."""
    provider, consumer = "did:web:provider.test", "did:web:consumer.test"
    lines = [f"p-token {provider}", f"c-token {consumer}"]
    return (Connector("provider", provider, lines, **options), Connector("consumer", consumer, lines[::-1], **options))


def as_list(value):
    """JSON-LD's single elements as lists."""
    return value if isinstance(value, list) else [value]
