"""Both programs in operation: health, metrics, a database that goes and comes back, SIGHUP, SIGTERM, restart."""

import hashlib
import re
import shutil
import socket
import ssl
import time
from contextlib import closing

import deal
import kit
import market
from harness import PATIENCE, Authority, Client, Postgres, main, start, tap, wait_until

SAMPLE = re.compile(r'^([a-z_]+)(?:\{([a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*)\})? (-?[0-9.e+-]+|\+Inf|NaN)$')
MIB = 1 << 20


# -- metrics --------------------------------------------------------------------------------------------------------------
def families(text):
    """OpenMetrics text -> {family: (type, {sample name and labels: value})}; raises ValueError at what the format does not allow."""
    lines = text.split("\n")
    if lines[-2:] != ["# EOF", ""]:
        raise ValueError("does not end with # EOF")
    found, family = {}, None
    for line in lines[:-2]:
        words = line.split(" ", 3)
        if words[:2] == ["#", "TYPE"]:
            family = words[2]
            if family in found:
                raise ValueError(f"{family} appears twice")
            found[family] = (words[3], {})
        elif words[0] == "#":
            if words[1] not in ("HELP", "UNIT"):
                raise ValueError(line)
            if words[1] == "UNIT" and not words[2].endswith(f"_{words[3]}"):
                raise ValueError(f"{words[2]} does not end with its unit {words[3]}")
        else:
            sample = SAMPLE.match(line)
            suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[found[family][0]]
            if not sample or sample[1] not in [family + s for s in suffixes]:
                raise ValueError(f"{line} in {family}")
            found[family][1][sample[1], sample[2] or ""] = float(sample[3])
    return found


def check_histogram(name, samples):
    buckets = [v for (sample, _), v in samples.items() if sample == f"{name}_bucket"]
    bounds = [label for sample, label in samples if sample == f"{name}_bucket"]
    count = [v for (sample, _), v in samples.items() if sample == f"{name}_count"]
    return buckets == sorted(buckets) and bounds[-1].endswith('le="+Inf"') and buckets[-1:] == count


def check_metrics(client, name, moving):
    answer = client.get("/metrics")
    tap.ok(answer.status == 200 and answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"),
           f"{name}: /metrics has the type of OpenMetrics", answer.headers)
    before = families(answer.text)

    def counted():
        return families(client.get("/metrics").text)[moving][1][f"{moving}_total", f'program="naru-{name}"']

    tap.ok(len(before) >= 15, f"{name}: it is OpenMetrics text", answer.text)
    tap.equal([n for n, (kind, samples) in before.items() if kind == "histogram" and not check_histogram(n, samples)], [],
              f"{name}: buckets of histograms grow to their count")
    n = counted()
    client.get("/no/such/path")
    tap.ok(counted() > n, f"{name}: requests are counted")


# -- health ---------------------------------------------------------------------------------------------------------------
def check_well(name, *clients):
    for client in clients:
        tap.status(client.get("/healthz"), 200, f"{name}: /healthz of {client.base}")
    answer = wait_until(lambda: (a := clients[0].get("/readyz")).status == 200 and a, 10, f"{name} is ready")
    tap.ok(set(answer.json.values()) == {"ok", "ready"}, f"{name}: every part is ok", answer.text)


def database_goes_and_comes_back(name, pg, clients, use):
    """`use` is a request that needs the database: 200 before and after, an error in between."""
    check_well(name, *clients)
    tap.status(use(), 200, f"{name}: a request")
    pg.process.must_live = False
    pg.process.stop()
    answer = wait_until(lambda: (a := clients[0].get("/readyz")).status == 503 and a, 10, f"{name} is not ready")
    tap.ok(answer.json["status"] == "not ready" and "not reachable" in answer.json["database"], f"{name}: and says why", answer.text)
    tap.status(clients[0].get("/healthz"), 200, f"{name}: but lives")
    tap.status(use(), 503, f"{name}: a request is refused for now")
    pg.process.begin()
    wait_until(lambda: clients[0].get("/readyz").status == 200, 30, f"{name} is ready again")
    tap.status(wait_until(lambda: (a := use()).status == 200 and a, 10, "requests work"), 200, f"{name}: a request, without a restart")


def check_broker(pg):
    setup = kit.broker(pg.create("broker"))
    process = start("broker", setup.argv(), cwd=setup.folder)
    api, operator = (Client(f"http://{setup.settings[k]}") for k in ("listen", "operator.listen"))
    wait_until(lambda: lines(process, "msg=ready"), 20, "the broker is ready")
    check_metrics(operator, "broker", "naru_http_requests")
    tap.status(api.get("/metrics"), 404, "metrics are the operator's")
    token = {"Authorization": f"Bearer {(setup.folder / 'operator-token').read_text()}"}
    database_goes_and_comes_back("broker", pg, (api, operator), lambda: operator.get("/v1/participants", headers=token))
    process.signal(1)
    tap.ok(wait_until(lambda: lines(process, "settings and certificates reloaded"), 10, "reload"), "the broker reloads on SIGHUP")
    tap.equal(process.stop(), 0, "the broker stops with 0")
    certificate, key = Authority().issue()
    kit.listeners_that_cannot_open(setup, certificate, key, ("listen", "tls.certificate", "tls.key"),
                                   ("operator.listen", "tls.certificate", "tls.key"))
    kit.cannot_start(setup, {"operator.token": "/nonexistent/x"}, ["/nonexistent/x"], "operator.token: no such file")
    kit.cannot_start(setup, {"database": pg.url("nowhere")}, ["database", "nowhere"], "a database that does not exist")
    kit.cannot_start(setup, {"database": f"sqlite:{setup.folder}/x.db"}, ["PostgreSQL"], "SQLite is not for a broker")


def check_connector(pg):
    setup = kit.connector(database=pg.create("connector"))
    process = start("connector", setup.argv(), cwd=setup.folder)
    key = {"X-Api-Key": (setup.folder / "api-key").read_text()}
    management, public = (Client(f"http://{setup.settings[k]}") for k in ("management.listen", "public.listen"))
    wait_until(lambda: lines(process, "msg=ready"), 20, "the connector is ready")
    check_metrics(management, "connector", "naru_http_requests")
    tap.status(public.get("/metrics"), 404, "metrics are the company's own")
    tap.status(public.get("/readyz"), 404, "and so are reasons")
    database_goes_and_comes_back("connector", pg, (management, public),
                                 lambda: management.post("/v3/assets/request", {"@context": {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}},
                                                         headers=key))
    tap.equal(process.stop(), 0, "the connector stops with 0")


# -- downloads that go on --------------------------------------------------------------------------------------------------
class Download:
    """A pull that reads as slowly as it is asked to."""

    def __init__(self, provider, token, path="/data"):
        context = ssl.create_default_context(cafile=str(provider.space.authority.ca))
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw.settimeout(20 * PATIENCE)
        raw.connect(("127.0.0.1", provider.public))
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n".encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.socket.recv(4096)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.digest, self.bytes = hashlib.sha256(self.rest), len(self.rest)

    def read(self, n=None):
        """n more bytes, or all that come; returns whether it ended in good order."""
        want = None if n is None else self.bytes + n
        while want is None or self.bytes < want:
            try:
                piece = self.socket.recv(65536)
            except (ssl.SSLError, ConnectionError):
                return False
            if not piece:
                return want is None
            self.digest.update(piece)
            self.bytes += len(piece)
        return True

    def close(self):
        self.socket.close()


def certificate_of(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


def lines(process, text):
    return [line for line in process.log_text().splitlines() if text in line]


def check_reload(pair, agreement, digest):
    provider, consumer = pair
    folder, port = provider.folder, provider.public
    conf = folder / "connector.conf"
    second = provider.space.authority.issue("localhost", ("127.0.0.1", "127.0.0.2"))
    _, token = deal.begin(provider, consumer, agreement)
    download = Download(provider, token)
    tap.equal(download.status, 200, "a download begins")
    download.read(MIB)
    old = certificate_of(port)

    def reload(text):
        n = len(lines(provider.process, text))
        provider.process.signal(1)
        return wait_until(lambda: lines(provider.process, text)[n:], 10, text)[-1]

    (folder / "live.crt").write_text("nonsense")
    tap.contains(reload("reload refused"), "live.crt", "a certificate that cannot be read is refused, by name")
    tap.equal(certificate_of(port), old, "and the old one stays")
    shutil.copy(second[0], folder / "live.crt")
    tap.contains(reload("reload refused"), "live.key", "so is one of another key")
    shutil.copy(second[1], folder / "live.key")
    reload("settings and certificates reloaded")
    tap.ok(certificate_of(port) == second[0].read_text() != old, "new connections get the new certificate")
    tap.ok(download.read() and download.digest.hexdigest() == digest, "the download under way goes on to its end", download.bytes)
    download.close()

    text = conf.read_text()
    conf.write_text(text.replace("log.level = info", "log.level = warning").replace("shutdown.grace = 9s", "shutdown.grace = 2s") + "http.threads = 3\n")
    warning = reload("some settings change only with a restart")
    tap.contains(warning, "http.threads", "a setting that needs a restart is named")
    tap.ok("shutdown.grace" not in warning and "log.level" not in warning, "others are not", warning)
    before = len(lines(provider.process, "level=info"))
    provider.version()
    conf.write_text(text.replace("log.level = info", "log.level = nonsense"))
    tap.contains(reload("reload refused"), "connector.conf", "a mistake in the file changes nothing, and is named")
    tap.equal(len(lines(provider.process, "level=info")), before, "the new log level is in force")
    conf.write_text(text)
    reload("settings and certificates reloaded")


def check_stop(pair, agreement, digest):
    provider, consumer = pair
    _, token = deal.begin(provider, consumer, agreement)
    download = Download(provider, token)
    download.read(MIB)
    provider.process.must_live = False
    provider.process.signal(15)
    wait_until(lambda: lines(provider.process, "stopping"), 10, "it stops")

    def refused():
        try:
            socket.create_connection(("127.0.0.1", provider.public), 1).close()
        except ConnectionRefusedError:
            return True
        return False

    tap.ok(wait_until(refused, 10, "no new connection"), "SIGTERM: no new connections")
    tap.ok(download.read() and download.digest.hexdigest() == digest, "the pull in flight ends complete", download.bytes)
    download.close()
    tap.equal(provider.process.wait(), 0, "then it ends with 0")
    provider.process.begin()
    wait_until(lambda: provider.version().status == 200, 15, "the provider is back")

    conf = provider.folder / "connector.conf"
    conf.write_text(conf.read_text().replace("shutdown.grace = 9s", "shutdown.grace = 500ms"))
    provider.restart(kill=False)
    stuck = Download(provider, token)
    stuck.read(1)
    begun = time.monotonic()
    provider.process.must_live = False
    provider.process.signal(15)
    tap.equal(provider.process.wait(), 0, "a reader that stands still does not keep it from ending with 0")
    tap.ok(time.monotonic() - begun < 5 * PATIENCE, "soon after the grace", time.monotonic() - begun)
    stuck.read()
    tap.ok(stuck.digest.hexdigest() != digest, "its answer is not complete")
    stuck.close()
    conf.write_text(conf.read_text().replace("shutdown.grace = 500ms", "shutdown.grace = 9s"))
    provider.process.begin()
    wait_until(lambda: provider.version().status == 200, 15, "the provider is back")


def state(connector):
    """All that the management API tells."""
    query = {"@context": {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}}
    kinds = ("assets", "policydefinitions", "contractdefinitions", "contractnegotiations", "contractagreements", "transferprocesses", "edrs")
    return {kind: sorted(connector.api.post(f"/v3/{kind}/request", query).json, key=lambda o: str(o)) for kind in kinds}


def check_restart(pair, agreement, digest):
    provider, consumer = pair
    pid, token = deal.begin(provider, consumer, agreement)
    before = [state(c) for c in pair]
    tap.ok(all(before[1][k] for k in ("contractnegotiations", "contractagreements", "transferprocesses", "edrs")), "there is something to keep")
    for connector in pair:
        connector.restart(kill=False)
    tap.equal([state(c) for c in pair], before, "after a restart everything is there")
    with closing(Download(provider, token)) as download:
        tap.ok(download.read() and download.digest.hexdigest() == digest, "and a token from before it still pulls")
    answer = consumer.api.get(f"/naru/v1/edrs/{pid}/data")
    tap.ok(hashlib.sha256(answer.body).hexdigest() == digest, "also through the consumer", answer.status)


def check_broker_restart():
    bank = market.Market()
    mill, plant = market.Company(bank, "mill"), market.Company(bank, "plant")
    order = market.Order(bank, mill, plant, {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}, "2026-01-01T00:00:00Z")
    sent, late = (order.use(f"2026-01-02T00:00:0{n}Z", rows=5)[0] for n in range(2))
    answers = [mill.send([sent]).json]

    def told():
        paths = ("/v1/participants", "/v1/datasets", f"/v1/plans/{bank.plan(order.plan)}", f"/v1/usage?agreement={order.agreement}")
        return [plant.client().get(p).json for p in paths] + [bank.client().get("/.well-known/did.json").json]

    before = told()
    tap.equal(bank.broker.stop(), 0, "the broker stops with 0")
    bank.broker.begin()
    bank.wait()
    tap.equal(told(), before, "after a restart the broker tells the same")
    answers += [mill.send([sent]).json, mill.send([sent, late]).json]
    tap.equal([[line["result"] for line in a["lines"]] for a in answers], [["created"], ["created"], ["duplicate", "created"]],
              "the same batch is answered as before, the same receipt in another is known")


def scenario():
    pg = Postgres()
    with tap.case("health and metrics of the broker"):
        check_broker(pg)
    with tap.case("health and metrics of the connector"):
        check_connector(pg)
    pair = make_pair()
    digest = deal.publish(pair[0], "big", bytes(range(256)) * (24 * MIB // 256))
    agreement = deal.contract(*pair, "big")
    for check in (check_reload, check_stop, check_restart):
        with tap.case(check.__name__.replace("_", " ")):
            check(pair, agreement, digest)
    with tap.case("restart of the broker"):
        check_broker_restart()


def make_pair():
    """The provider's certificate has files of its own, so that they can be exchanged."""
    provider, consumer = deal.pair(**{"shutdown.grace": "9s"})
    for source, name in zip(provider.space.certificate, ("live.crt", "live.key")):
        shutil.copy(source, provider.folder / name)
    conf = provider.folder / "connector.conf"
    conf.write_text("".join(f"{k} = {'live.crt' if k == 'public.certificate' else 'live.key' if k == 'public.key' else v}\n"
                            for k, v in (line.split(" = ", 1) for line in conf.read_text().splitlines())))
    provider.restart(kill=False)
    return provider, consumer


main(scenario)
