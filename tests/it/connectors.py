"""Connectors for scenarios: start, seed with an offer, speak DSP to them as another participant."""

import json
import secrets
import sqlite3
import time

from harness import BIN, Authority, Client, free_port, run, start, temp_dir, wait_until

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
USE = {"permission": [{"action": "use"}]}
EDC = "https://w3id.org/edc/v0.0.1/ns/"


def new_key(path):
    status, _, err = run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    if status:
        raise RuntimeError(err)
    path.chmod(0o600)


class Space:
    """Certificates and fixed tokens that the connectors of one scenario share."""

    def __init__(self, *names):
        self.authority = Authority()
        self.certificate = self.authority.issue()
        self.tokens = {name: secrets.token_hex(16) for name in names}

    def connector(self, name, program=None, **settings):
        return Connector(self, name, program or BIN / "naru-connector", settings)


class Connector:
    def __init__(self, space, name, program, settings):
        self.space, self.name = space, name
        self.folder = temp_dir()
        self.public, self.management = free_port(), free_port()
        self.base = f"https://localhost:{self.public}"
        self.dsp = f"{self.base}/dsp/2025-1"
        self.key = "key-" + secrets.token_hex(8)
        (self.folder / "api-key").write_text(self.key)
        (self.folder / "api-key").chmod(0o600)
        others = [n for n in space.tokens if n != name]
        (self.folder / "tokens").write_text("".join(f"{space.tokens[n]} {n}\n" for n in [name, *others]))
        (self.folder / "tokens").chmod(0o600)
        new_key(self.folder / "company.pem")
        certificate, key = space.certificate
        values = {
            "participant.did": name, "identity.mode": "static", "identity.static_tokens": "tokens",
            "public.listen": f"127.0.0.1:{self.public}", "public.certificate": certificate, "public.key": key,
            "management.listen": f"127.0.0.1:{self.management}", "fetch.ca": space.authority.ca,
            "fetch.allow": "127.0.0.0/8,::1/128", "database": f"sqlite:{self.folder}/connector.db",
            "data.roots": self.folder, "log.level": "info", **settings,
        }
        conf = self.folder / "connector.conf"
        conf.write_text("".join(f"{k} = {v}\n" for k, v in values.items()))
        self.process = start(name, [program, "--config", conf], cwd=self.folder)
        self.api = Client(f"http://127.0.0.1:{self.management}", headers={"X-Api-Key": self.key})
        wait_until(lambda: self.version().status == 200, 15, f"{name} answers")

    def version(self):
        return Client(self.base, self.space.authority.ca).get("/.well-known/dspace-version")

    def restart(self, kill=True):
        if kill:
            self.process.kill()
        else:
            self.process.stop()
        self.process.begin()
        wait_until(lambda: self.version().status == 200, 15, f"{self.name} is back")

    def as_peer(self, name):
        """DSP client that speaks to us as the participant `name`."""
        return Client(self.dsp, self.space.authority.ca, {"Authorization": self.space.tokens[name]})

    def sql(self, statement, *arguments):
        """Reads our database (or writes it, while we do nothing)."""
        with sqlite3.connect(self.folder / "connector.db", timeout=20) as db:
            return db.execute(statement, arguments).fetchall()

    def state(self, negotiation, table="negotiation"):
        rows = self.sql(f"SELECT state FROM {table} WHERE {table}_id = ?", negotiation)
        return rows[0][0] if rows else None

    def dump(self):
        """All that is stored, to see that nothing changed."""
        with sqlite3.connect(self.folder / "connector.db", timeout=20) as db:
            return list(db.iterdump())

    def offer(self, asset="data-1", policy=None, address=None, access=None):
        """An asset with one offer, put into the database before the catalogue is read for the first time."""
        now = int(time.time() * 1e6)
        path = self.folder / f"{asset}.csv"
        path.write_text("time,kwh\n1,2\n")
        address = address or {"type": "File", "path": str(path)}
        policies = {"access": access or {"@type": "Set", **USE}, "contract": policy or {"@type": "Offer", **USE}}
        with sqlite3.connect(self.folder / "connector.db", timeout=20) as db:
            db.execute("INSERT INTO asset VALUES (?,?,'{}',?,1,?,?)",
                       (asset, json.dumps({EDC + "name": [{"@value": asset}]}), json.dumps(address), now, now))
            for kind, text in policies.items():
                db.execute("INSERT INTO policy_definition VALUES (?,?,?,'{}',1,?)",
                           (f"{asset}/{kind}", json.dumps(text), f"{asset}/{kind}", now))
            selector = [{"operandLeft": EDC + "id", "operator": "=", "operandRight": asset}]
            db.execute("INSERT INTO contract_definition VALUES (?,?,?,?,'{}',1,?)",
                       (f"{asset}/offer", f"{asset}/access", f"{asset}/contract", json.dumps(selector), now))


def message(kind, **members):
    return {"@context": CONTEXT, "@type": kind, **members}
