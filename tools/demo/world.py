"""A data space on this machine: private PostgreSQL, one broker, any number of connectors, all over TLS on loopback.

Used by the demo, by the end-to-end tests, the benchmarks and the fault campaign. Everything lives in one folder and ends with
the World (unless it is kept). Set-up goes through the command line `naru`, as a user's would.
"""

import glob
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Trouble(Exception):
    """Something that the person at the machine can mend; the text says how."""


def wait_until(condition, deadline_s, what):
    """Polls a condition that has no event to wait for; returns its first true value."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {deadline_s} s")
        time.sleep(0.02)


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(n):
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Failed(Exception):
    """A command of `naru` that did not end with 0."""

    def __init__(self, argv, code, out, err):
        super().__init__(f"{' '.join(str(a) for a in argv)}: exit {code}\n{err.strip() or out.strip()}")
        self.code, self.out, self.err = code, out, err


class Program:
    """A started program with its log; answers whether it still runs."""

    def __init__(self, name, argv, folder, env=None, log_level=None):
        self.name, self.argv, self.folder, self.env = name, [str(a) for a in argv], Path(folder), env
        self.log = self.folder / f"{name}.log"
        self.process = None

    def start(self):
        ready = self.folder / f"{self.name}.ready"
        ready.unlink(missing_ok=True)
        env = dict(os.environ if self.env is None else self.env)
        env["READY_FILE"] = str(ready)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log, cwd=self.folder, env=env,
                                            start_new_session=True)

        def answers():
            if self.process.poll() is not None:
                raise Trouble(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            return ready.exists()

        wait_until(answers, 60, f"{self.name} starts")
        return self

    def tail(self, lines=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def kill(self):
        """kill -9, and wait for the end."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else self.process.returncode
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Postgres:
    """A private cluster on a Unix socket in the folder; nothing of it is reachable by network."""

    def __init__(self, folder, durable=True):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))
        if not found:
            raise Trouble("PostgreSQL is missing. Run: make deps   (Debian package: postgresql)")
        self.bin = Path(found[-1]).parent
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.durable = durable
        self.user = []
        if os.getuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                raise Trouble("the system user 'postgres' is missing. Run: make deps") from None
            self.user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    def run(self, *argv):
        done = subprocess.run([*self.user, *[str(a) for a in argv]], capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise Trouble(f"{Path(argv[0]).name}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def start(self):
        if not self.data.exists():
            self.run(self.bin / "initdb", "-D", self.data, "-U", "naru", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                     "--no-sync")
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=60 -c fsync={'on' if self.durable else 'off'}"
        self.run(self.bin / "pg_ctl", "-D", self.data, "-o", options, "-l", self.folder / "postgres.log", "-w", "-t", "60",
                 "start")
        return self

    @property
    def conninfo(self):
        return f"host={self.folder} user=naru dbname=postgres"

    def sql(self, text):
        """Runs SQL as superuser; rows as text, columns separated by '|'."""
        done = subprocess.run([self.bin / "psql", self.conninfo, "-XAtqv", "ON_ERROR_STOP=1", "-c", text],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Trouble(done.stderr.strip())
        return done.stdout.strip()

    def stop(self, mode="fast"):
        if (self.data / "postmaster.pid").exists():
            try:
                self.run(self.bin / "pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")
            except Trouble:
                pass


class Company:
    """One participant: its home folder, its connector, its command line."""

    def __init__(self, world, slug, ports, self_hosted):
        self.world, self.slug = world, slug
        self.home = world.folder / slug
        self.public_port, self.management_port = ports
        self.public_url = f"https://localhost:{self.public_port}"
        self.management_url = f"https://localhost:{self.management_port}"
        self.self_hosted = self_hosted
        self.connector = None

    @property
    def did(self):
        if self.self_hosted:
            return f"did:web:localhost%3A{self.public_port}"
        return f"{self.world.broker_did}:participants:{self.slug}"

    @property
    def api_key(self):
        return (self.home / "api-key").read_text().strip()

    def naru(self, *argv, check=True, as_json=True):
        return self.world.naru(*argv, home=self.home, check=check, as_json=as_json)

    def manage(self, method, path, body=None, headers=None):
        """One call of the connector's management API -> (status, parsed JSON or text)."""
        return self.world.http(method, self.management_url + path, body, {"X-Api-Key": self.api_key, **(headers or {})})


class World:
    """See the module's text. `ports` is the first of a block of ports, or None for any free ones."""

    def __init__(self, binaries, folder=None, ports=None, companies=3, durable=True):
        self.bin = Path(binaries).resolve()
        for program in ("naru", "naru-broker", "naru-connector"):
            if not (self.bin / program).exists():
                raise Trouble(f"{self.bin / program} is missing. Run: make RELEASE=1 all")
        self.own_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="naru-"))
        self.folder.chmod(0o755)
        wanted = 2 + 2 * companies
        self.ports = free_ports(wanted) if ports is None else list(range(ports, ports + wanted))
        for port in self.ports if ports is not None else ():
            if not port_is_free(port):
                raise Trouble(f"port {port} is in use by another program. Stop it, or choose other ports: DEMO_PORT=30000 make demo")
        self.durable = durable
        self.postgres = self.broker = None
        self.companies = {}
        self.operator = self.folder / "operator"

    # -- parts ------------------------------------------------------------------------------------------------------
    @property
    def broker_url(self):
        return f"https://localhost:{self.ports[0]}"

    @property
    def operator_url(self):
        return f"https://localhost:{self.ports[1]}"

    @property
    def broker_did(self):
        return f"did:web:localhost%3A{self.ports[0]}"

    @property
    def ca(self):
        return self.folder / "certs" / "ca.crt"

    def make_certificates(self, names):
        done = subprocess.run([ROOT / "certs" / "make-certs", self.folder / "certs", *names], capture_output=True, text=True)
        if done.returncode != 0:
            raise Trouble(f"certificates: {done.stderr.strip()}")

    def start_postgres(self):
        folder = Path(tempfile.mkdtemp(prefix="naru-pg-", dir="/tmp"))
        self.postgres = Postgres(folder, self.durable).start()

    def start_broker(self, **settings):
        certs = self.folder / "certs"
        if not self.operator.exists():
            self.naru("operator", "init", self.operator, "--database", self.postgres.conninfo,
                      "--listen", f"127.0.0.1:{self.ports[0]}", "--url", self.broker_url,
                      "--operator-listen", f"127.0.0.1:{self.ports[1]}",
                      "--cert", certs / "broker.crt", "--key", certs / "broker.key", "--ca", self.ca, "--allow", "127.0.0.0/8",
                      "--allow", "::1/128")
        argv = [self.bin / "naru-broker", "--config", self.operator / "broker.conf"]
        argv += [f"--{key}={value}" for key, value in settings.items()]
        self.broker = Program("broker", argv, self.operator).start()

    def add_company(self, slug, self_hosted=False):
        used = 2 + 2 * len(self.companies)
        company = Company(self, slug, self.ports[used:used + 2], self_hosted)
        certs = self.folder / "certs"
        argv = ["init", "--slug", slug, "--broker", self.broker_url, "--ca", self.ca,
                "--public-listen", f"127.0.0.1:{company.public_port}", "--public-url", company.public_url,
                "--management-listen", f"127.0.0.1:{company.management_port}", "--management-url", company.management_url,
                "--cert", certs / f"{slug}.crt", "--key", certs / f"{slug}.key",
                "--allow", "127.0.0.0/8", "--allow", "::1/128"]
        if self_hosted:
            argv += ["--did", company.did]
        self.naru(*argv, home=company.home)
        self.companies[slug] = company
        return company

    def start_connector(self, company, **settings):
        argv = [self.bin / "naru-connector", "--config", company.home / "connector.conf"]
        argv += [f"--{key}={value}" for key, value in settings.items()]
        company.connector = Program(f"connector-{company.slug}", argv, company.home).start()

    # -- calls ------------------------------------------------------------------------------------------------------
    def naru(self, *argv, home=None, check=True, as_json=True):
        """Runs the command line. With as_json the parsed answer, else its text; Failed if it does not end with 0."""
        command = [self.bin / "naru", *(["--home", home] if home else []), *(["--json"] if as_json else []), *argv]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
        if done.returncode != 0 and check:
            raise Failed(["naru", *argv], done.returncode, done.stdout, done.stderr)
        if not check:
            return done
        return json.loads(done.stdout) if as_json and done.stdout.strip() else done.stdout

    def operate(self, *argv, **options):
        return self.naru("operator", *argv, home=self.operator, **options)

    def http(self, method, url, body=None, headers=None):
        """One HTTPS call -> (status, parsed JSON or text)."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
        if data is not None:
            request.add_header("Content-Type", "application/json")
        context = ssl.create_default_context(cafile=self.ca)
        try:
            with urllib.request.urlopen(request, context=context, timeout=60) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as e:
            status, content = e.code, e.read()
        text = content.decode(errors="replace")
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text

    # -- the end ----------------------------------------------------------------------------------------------------
    def programs(self):
        return [c.connector for c in self.companies.values() if c.connector] + ([self.broker] if self.broker else [])

    def stop(self):
        codes = {p.name: p.stop() for p in self.programs()}
        if self.postgres:
            self.postgres.stop()
            shutil.rmtree(self.postgres.folder, ignore_errors=True)
        return codes

    def close(self):
        codes = self.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return codes

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        return self

    def __exit__(self, *_):
        self.close()
