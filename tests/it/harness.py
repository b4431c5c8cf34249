"""What scenarios share: results, waiting, ports, folders, processes, PostgreSQL, HTTP, certificates.

A scenario is one file:

    from harness import main, start, tap, wait_until

    def scenario():
        broker = start("broker", [BIN / "naru-broker", "--config", conf])
        wait_until(lambda: broker.client().get("/health").status == 200, 10, "broker answers")
        tap.equal(status, 201, "an order is accepted")

    main(scenario)

Whatever a scenario starts or makes is ended and removed when it is over, however it ends. A program of ours that
does not stop cleanly, or whose log holds a sanitizer report or an alarm that was not announced, fails it.
"""

import atexit
import contextlib
import glob
import http.client
import json as json_module
import os
import pwd
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(os.environ.get("NARU_BIN", ROOT / "build" / "release"))
PATIENCE = float(os.environ.get("NARU_PATIENCE", "1"))  # deadlines are longer under sanitizers


# -- results ------------------------------------------------------------------------------------------------------------
class Skip(Exception):
    """Raised when something that the scenario needs is not there; the text names it."""


class Tap:
    """Prints results as they come; no plan is needed."""

    def __init__(self):
        self.count = 0
        self.failures = 0

    def _print(self, good, name, mark=""):
        self.count += 1
        self.failures += not good
        name = " ".join(str(name).split()).replace("#", "\\#")
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}{mark}", flush=True)

    def ok(self, condition, name, detail=""):
        """One result; returns whether it was good. The detail is printed if it was not."""
        self._print(bool(condition), name)
        if not condition and detail != "":
            self.note(detail)
        return bool(condition)

    def equal(self, got, want, name):
        return self.ok(got == want, name, f"got  {got!r}\nwant {want!r}")

    def contains(self, text, part, name):
        return self.ok(part in text, name, f"{part!r} is not in {text!r}")

    def status(self, response, want, name):
        """The HTTP status, and what was answered if it is another one."""
        return self.ok(response.status == want, name, f"got {response.status}, want {want}: {response.text[:2000]}")

    def skip(self, name, reason):
        self._print(True, name, f" # SKIP {reason}")

    def note(self, text):
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    @contextlib.contextmanager
    def case(self, name):
        """One result for a block: not ok if it raises, and the scenario goes on."""
        try:
            yield
        except Skip as e:
            self.skip(name, e)
        except Exception as e:  # a scenario may raise anything; it is reported, not hidden
            self.ok(False, f"{name}: {type(e).__name__}", traceback.format_exc())
        else:
            self.ok(True, name)


tap = Tap()


def main(scenario):
    """Runs the scenario, cleans up, and exits with 0 only if there were results and all were good."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    try:
        scenario()
    except Skip as e:
        tap.skip(Path(sys.argv[0]).stem, e)
    except Exception as e:
        tap.ok(False, f"scenario ends early: {type(e).__name__}: {e}", traceback.format_exc())
    finally:
        stop_everything()
    sys.exit(1 if tap.failures or not tap.count else 0)


# -- waiting ------------------------------------------------------------------------------------------------------------
class TooLate(Exception):
    pass


def wait_until(condition, deadline_s, what):
    """Returns the first true value of condition(); an exception in it counts as "not yet"."""
    until = time.monotonic() + deadline_s * PATIENCE
    pause_s = 0.01
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except (OSError, http.client.HTTPException, ValueError, LookupError, AssertionError) as e:
            seen = e
        for process in processes:
            if process.must_live and process.popen.poll() is not None:
                raise TooLate(f"{what}: '{process.name}' ended with {process.popen.returncode}\n{process.log_tail()}")
        if time.monotonic() > until:
            raise TooLate(f"{what}: not within {deadline_s * PATIENCE:g} s; last seen: {seen!r}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)


# -- ports and folders --------------------------------------------------------------------------------------------------
_claims = []


def free_port():
    """A TCP port that is free now and that no other scenario of this machine is given while we run."""
    while True:
        port = random.randrange(20000, 32000)  # below the range of outbound connections
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            claim.bind(f"\0naru-test-port-{port}")  # abstract: gone with the process
            probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        finally:
            probe.close()
        _claims.append(claim)
        return port


_folders = []


def temp_dir(prefix="naru-"):
    """A short path that other users may pass through, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("TMPDIR", "/tmp")))
    folder.chmod(0o711)
    _folders.append(folder)
    return folder


# -- processes ----------------------------------------------------------------------------------------------------------
def environment(extra=None):
    """Ours without NARU_*, which programs would take for settings, plus the given ones."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NARU_")}
    env.update({k: str(v) for k, v in (extra or {}).items()})
    return env


processes = []
REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|check failed: ")


class Process:
    """A program that runs beside the scenario; its output is in `log`."""

    def __init__(self, name, argv, env=None, cwd=None, user=None, end_signal=signal.SIGTERM, end_status=(0,)):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log = temp_dir() / f"{name}.log"
        self.end_signal = end_signal
        self.end_status = end_status
        self.must_live = True
        self.expected_lines = []
        self.cwd = cwd
        self.user = user
        self.env = environment(env)
        self.popen = None
        self.begin()

    def begin(self):
        """Starts the program (again); its log is continued."""
        argv = self.argv
        if shutil.which("setpriv"):  # dies with the thread that starts it (the main one, please), even if that is killed
            identity = ["--reuid", self.user, "--regid", self.user_group(), "--clear-groups"] if self.user else []
            argv = ["setpriv", "--pdeathsig", "KILL", *identity, "--", *argv]
        elif self.user:
            argv = ["runuser", "-u", self.user, "--", *argv]
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(argv, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=subprocess.STDOUT)
        self.must_live = True
        if self not in processes:
            processes.append(self)

    def user_group(self):
        return str(pwd.getpwnam(self.user).pw_gid)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def alive(self):
        return self.popen.poll() is None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines=40):
        return "\n".join(f"{self.name}| {line}" for line in self.log_text().splitlines()[-lines:])

    def expect_log(self, pattern):
        """Announces that alarms and reports which match are part of the scenario."""
        self.expected_lines.append(re.compile(pattern))

    def signal(self, sig):
        self.popen.send_signal(sig)

    def kill(self):
        """Ends it as a power cut would; no clean end is expected."""
        self.must_live = False
        self.popen.kill()
        self.popen.wait()

    def wait(self, deadline_s=20):
        self.must_live = False
        return self.popen.wait(deadline_s * PATIENCE)

    def stop(self, deadline_s=20):
        """Asks it to end; returns the exit status. One result if it does not end as it should."""
        self.must_live = False
        if not self.alive:
            return self.popen.returncode
        self.popen.send_signal(self.end_signal)
        try:
            status = self.popen.wait(deadline_s * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            tap.ok(False, f"{self.name} stops within {deadline_s * PATIENCE:g} s", self.log_tail())
            return self.popen.returncode
        if status not in self.end_status:
            tap.ok(False, f"{self.name} stops cleanly", f"status {status}\n{self.log_tail(80)}")
        return status

    def check_log(self):
        for line in self.log_text().splitlines():
            bad = REPORT.search(line) or "level=alarm" in line or '"level":"alarm"' in line
            if bad and not any(p.search(line) for p in self.expected_lines):
                tap.ok(False, f"{self.name} logs no alarm", f"{line}\n{self.log_tail(80)}")
                return


def start(name, argv, env=None, cwd=None, **options):
    """Starts a program; see Process."""
    return Process(name, argv, env, cwd, **options)


def run(argv, env=None, cwd=None, input_text=None, deadline_s=30):
    """Runs a command to its end; returns (status, stdout, stderr)."""
    done = subprocess.run([str(a) for a in argv], env=environment(env), cwd=cwd, input=input_text, text=True,
                          errors="replace", capture_output=True, timeout=deadline_s * PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


def stop_everything():
    while processes:
        process = processes.pop()  # the last one needs the earlier ones
        process.stop()
        process.check_log()
        if tap.failures and process.log_text():
            tap.note(f"log of {process.name}, its end:")
            tap.note(process.log_tail())
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


atexit.register(stop_everything)


# -- PostgreSQL ---------------------------------------------------------------------------------------------------------
def _postgres_bin():
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda f: int(f.split("/")[4]))
    for folder in reversed(folders):
        if os.access(f"{folder}/initdb", os.X_OK):
            return Path(folder)
    found = shutil.which("initdb")
    if not found:
        raise Skip("PostgreSQL is not installed (package postgresql)")
    return Path(found).parent


class Postgres:
    """A private cluster: unix socket in a short path, TCP on loopback, user 'naru' without password."""

    def __init__(self, durable=False, settings=None):
        self.bin = _postgres_bin()
        self.folder = temp_dir("npg-")
        self.port = free_port()
        self.user = None
        if os.geteuid() == 0:  # the server refuses to run as root
            names = {p.pw_name for p in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.folder, self.user)
        data = self.folder / "data"
        self._run([self.bin / "initdb", "-D", data, "-U", "naru", "-A", "trust", "-E", "UTF8", "--locale=C",
                   "--no-sync", "--no-instructions"])
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
                   "max_connections": 200, "shared_buffers": "64MB", "log_min_messages": "warning",
                   "timezone": "UTC", **(settings or {})}
        if not durable:
            options.update(fsync="off", full_page_writes="off")
        arguments = [part for k, v in options.items() for part in ("-c", f"{k}={v}")]
        self.process = start("postgres", [self.bin / "postgres", "-D", data, *arguments], cwd=self.folder,
                             user=self.user, end_signal=signal.SIGINT)
        wait_until(self._ready, 30, "PostgreSQL accepts connections")

    def _run(self, argv):
        identity = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        done = subprocess.run([str(a) for a in argv], cwd=self.folder, text=True, capture_output=True, check=False,
                              **identity)
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stdout}{done.stderr}")

    def _ready(self):
        status, _, _ = run([self.bin / "pg_isready", "-q", "-h", self.folder, "-p", self.port])
        return status == 0

    def url(self, database="postgres"):
        return f"postgresql://naru@127.0.0.1:{self.port}/{database}"

    def create(self, database):
        """A new database; returns its URL."""
        self.psql(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def psql(self, sql, database="postgres"):
        """Runs SQL; returns the rows as lists of texts."""
        status, out, err = run([self.bin / "psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-h",
                                self.folder, "-p", self.port, "-U", "naru", "-d", database, "-c", sql])
        if status:
            raise RuntimeError(f"psql: {err.strip()}")
        return [line.split("\x1f") for line in out.splitlines()]

    def restart(self, crash=False):
        """Stops (or crashes) the server and starts it again on the same data and port."""
        self.process.must_live = False
        self.process.signal(signal.SIGQUIT if crash else signal.SIGINT)
        self.process.popen.wait(30)
        self.process.begin()
        wait_until(self._ready, 30, "PostgreSQL is back")


# -- HTTP ---------------------------------------------------------------------------------------------------------------
class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # case-insensitive
        self.body = body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json_module.loads(self.body)


def request(method, url, json=None, body=None, headers=None, ca=None, timeout_s=20):
    """One request on its own connection; any status is returned. `ca` is a file of trusted certificates."""
    parts = urllib.parse.urlsplit(url)
    timeout_s *= PATIENCE
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    all_headers = {"Connection": "close", **(headers or {})}
    if json is not None:
        body = json_module.dumps(json).encode()
        all_headers.setdefault("Content-Type", "application/json")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with contextlib.closing(connection):
        try:
            connection.request(method, target, body=body, headers=all_headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass  # answered before all of it was sent: the answer is there to be read
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())


class Client:
    """Requests to one base URL with headers that are always sent."""

    def __init__(self, base, ca=None, headers=None):
        self.base = base.rstrip("/")
        self.ca = ca
        self.headers = headers or {}

    def request(self, method, path, json=None, body=None, headers=None, **options):
        return request(method, self.base + path, json, body, {**self.headers, **(headers or {})}, self.ca, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, json=None, **options):
        return self.request("POST", path, json, **options)

    def put(self, path, json=None, **options):
        return self.request("PUT", path, json, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)


def raw_exchange(port, data, ca=None, timeout_s=10):
    """Sends bytes as they are and returns all that comes back: for framing that no client library would send."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout_s * PATIENCE))
        if ca:
            context = ssl.create_default_context(cafile=str(ca))
            connection = stack.enter_context(context.wrap_socket(connection, server_hostname="localhost"))
        answer = b""
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                answer += chunk
        except (ConnectionError, ssl.SSLError, TimeoutError):
            pass  # the other side hung up or waits for more; what came until then counts
        return answer


# -- certificates -------------------------------------------------------------------------------------------------------
class Authority:
    """A throw-away certificate authority; `ca` is its certificate file."""

    def __init__(self):
        self.folder = temp_dir()
        self.ca = self.folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=naru test authority", "-keyout", self.folder / "ca.key", "-out", self.ca)

    def _openssl(self, *arguments):
        status, _, err = run(["openssl", *arguments])
        if status:
            raise RuntimeError(f"openssl {arguments[0]}: {err}")

    def issue(self, name="localhost", addresses=("127.0.0.1",)):
        """A certificate for the name and addresses; returns (certificate file, key file)."""
        cert, key, csr = (self.folder / f"{name}.{ext}" for ext in ("pem", "key", "csr"))
        names = ",".join([f"DNS:{name}"] + [f"IP:{a}" for a in addresses])
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", csr)
        self._openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-days", "2",
                      "-extfile", extensions, "-out", cert)
        return cert, key
