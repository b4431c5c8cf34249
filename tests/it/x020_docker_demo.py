"""docker/demo.sh without a Docker daemon: the services of compose.yaml as processes, each with the mounts of its container.

Network and mounts are namespaces of this test, so the files that docker/prepare makes serve unchanged: same host names,
addresses, ports and paths. Only one thing differs: all share one network, so a connector listens on its own address and not on localhost.
"""
import os
import re
import shutil
import sys

from harness import BIN, ROOT, Postgres, Skip, main, run, start, tap, temp_dir, wait_until

INSIDE = "X020_INSIDE"
ADDRESSES = {"broker": "172.30.77.2", "steel": "172.30.77.3", "machining": "172.30.77.4", "buyer": "172.30.77.5"}
CONNECTORS = ("steel", "machining", "buyer")

# what a container of the service sees: its secrets, its state, the data, the other hosts' names
CONTAINER = """set -eu
box=$1 state=$2 data=$3 user=$4 group=$5
shift 5
mount --bind "$box/hosts" /etc/hosts
mount -t tmpfs none /run
mkdir /run/secrets
mount --bind "$box/secrets" /run/secrets
mount -o remount,bind,ro /run/secrets
mount -t tmpfs none /srv
mkdir /srv/data
mount --bind "$data" /srv/data
mount -t tmpfs none /var/lib
mkdir /var/lib/naru
mount --bind "$state" /var/lib/naru
cd /var/lib/naru
unset TMPDIR
exec setpriv --pdeathsig KILL --reuid "$user" --regid "$group" --clear-groups --no-new-privs -- "$@"
"""


def enter_namespaces():
    """Starts this test anew in a network and mounts of its own, and sets the network up."""
    if os.environ.get(INSIDE) == "1":
        for argv in (["link", "set", "lo", "up"],
                     *(["addr", "add", f"{address}/24", "dev", "lo"] for address in ADDRESSES.values())):
            status, _, err = run(["ip", *argv])
            if status:
                raise RuntimeError(f"ip {' '.join(argv)}: {err}")
        return
    if os.geteuid() != 0:
        raise Skip("needs root for namespaces of network and mounts")
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2"), ("openssl", "openssl")):
        if not shutil.which(program):
            raise Skip(f"the program '{program}' is not installed (package {package})")
    status, _, err = run(["unshare", "--net", "--mount", "true"])
    if status:
        raise Skip(f"this machine gives no namespaces: {err.strip()}")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--", sys.executable, *sys.argv])


class Compose:
    """What docker/compose.yaml says of its services; its lines have a fixed form."""

    def __init__(self, folder):
        self.folder = folder / "docker"
        self.text = (self.folder / "compose.yaml").read_text()
        self.user, self.group = map(int, (self.folder / ".env").read_text().removeprefix("NARU_USER=").split(":"))
        self.files = dict(re.findall(r"^  ([\w-]+): \{file: (\S+)\}$", self.text, re.M))
        self.bin = temp_dir("naru-bin-")
        for name in ("naru", "naru-broker", "naru-connector"):
            shutil.copy(BIN / name, self.bin)  # the services' user may not get to the place where they were built

    def block(self, name):
        """The lines below a heading that are indented deeper than it is."""
        heading = re.search(rf"^((?:  )?){name}:.*\n", self.text, re.M)
        below = re.compile(rf"(?:{heading.group(1)}  .*\n|\n)*")
        return below.match(self.text, heading.end()).group()

    def secrets(self, name):
        """Target -> file, of one service."""
        pairs = re.findall(r"\{source: (\S+), target: (\S+)\}", self.block(name))
        return {target: self.folder / self.files[source] for source, target in pairs}

    def environment(self, name):
        return dict(re.findall(r"^      (NARU_\w+): (\S+)$", self.block(name), re.M))

    def health(self, name):
        test = re.search(r"test: \[(.*)\]", self.block("x-connector" if name in CONNECTORS else name)).group(1)
        return [word.replace("localhost", name) for word in re.findall(r'"([^"]*)"', test)[1:]]

    def make_box(self, name):
        """The folder of what is mounted: files keep owner and mode, as bind mounts do."""
        box = temp_dir(f"naru-{name}-")
        (box / "secrets").mkdir()
        (box / "state").mkdir()
        for target, source in self.secrets(name).items():
            kept = box / "secrets" / target.rpartition("/")[2]
            shutil.copy2(source, kept)
            shutil.chown(kept, source.stat().st_uid, source.stat().st_gid)
        lines = ["127.0.0.1 localhost postgres", *(f"{a} {host}" for host, a in ADDRESSES.items())]
        (box / "hosts").write_text("\n".join(lines) + "\n")
        return box

    def argv(self, name, box, *command):
        state = re.search(r"- \./(run/state/\S+):/var/lib/naru$", self.block(name), re.M)
        return ["unshare", "--mount", "--", "sh", "-c", CONTAINER, "sh", box,
                self.folder / state.group(1) if state else box / "state", self.folder / "run" / "data", self.user,
                self.group, *command]

    def environ(self, extra):
        return {"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "HOME": "/var/lib/naru", **extra}


def prepare():
    """docker/prepare in a copy of what it needs, so that it leaves nothing in the work tree; run twice, as users do."""
    folder = temp_dir("naru-compose-")
    for part in ("docker", "certs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("run", ".env"))
    shutil.copytree(ROOT / "tools" / "demo", folder / "tools" / "demo")
    for attempt in ("first", "second"):
        status, out, err = run([folder / "docker" / "prepare"], deadline_s=60)
        tap.ok(status == 0 and "ready: " in out, f"docker/prepare: {attempt} run", out + err)
    tap.ok("made " not in out, "docker/prepare: the second run keeps what is there", out)
    (folder / "docker" / "run").chmod(0o711)  # a mount does not ask who may pass through its source's folders
    return Compose(folder)


def check_secrets(compose):
    """Programs refuse secrets that others may read."""
    modes = {path.name: (path.stat().st_mode & 0o777, path.stat().st_uid)
             for name in ("broker", *CONNECTORS, "demo") for path in compose.secrets(name).values()
             if not path.name.endswith(".crt")}
    tap.equal({k: v for k, v in modes.items() if v != (0o600, compose.user)}, {}, "secrets are readable by their owner only")
    tap.ok(compose.user != 0, "their owner, as whom the programs run, is not root")


def start_service(compose, name, program, config, extra=None):
    box = compose.make_box(name)
    if not config.is_absolute():
        config = box / "secrets" / config
    env = compose.environ({**compose.environment(name), **(extra or {})})
    process = start(name, compose.argv(name, box, program, "--config", config), env=env)
    check = compose.argv(name, box, *compose.health(name))

    def healthy():
        status, out, err = run(check, env=compose.environ({}))
        if status:
            raise ValueError(f"status {status}: {out}{err}")
        return True

    wait_until(healthy, 30, f"{name}: the health check is good")
    tap.ok(True, f"{name}: starts with the files of compose.yaml; its health check is good")
    return process


def trade(compose, postgres):
    config = compose.folder / "connector.conf"
    start_service(compose, "broker", "naru-broker", type(config)("broker.conf"), {"PGPORT": postgres.port})
    for name in CONNECTORS:
        listen = {"NARU_CONNECTOR_PUBLIC_LISTEN": f"{ADDRESSES[name]}:8443",
                  "NARU_CONNECTOR_MANAGEMENT_LISTEN": f"{ADDRESSES[name]}:8444"}
        start_service(compose, name, "naru-connector", config, listen)
    demo = compose.argv("demo", compose.make_box("demo"), "sh", compose.folder / "demo.sh")
    status, out, err = run(demo, env=compose.environ({}), deadline_s=120)
    lines = out.strip().splitlines() or [""]
    tap.ok(status == 0 and lines[-1] == "demo: ok", "docker/demo.sh ends with demo: ok", f"status {status}\n{out}{err}")
    for word, times in (("search", 3), ("fetch", 3), ("refused", 1), ("usage", 1), ("audit", 1), ("tamper", 1)):
        tap.equal(sum(line.startswith(f"  {word} ") for line in lines), times, f"docker/demo.sh shows: {word}")
    status, out, err = run(demo, env=compose.environ({}), deadline_s=60)
    tap.ok(status == 1 and "to begin anew" in err, "a second run says that the data space is in use", f"{status}\n{out}{err}")


def scenario():
    for name in ("naru", "naru-broker", "naru-connector"):
        if not (BIN / name).exists():
            raise Skip(f"{BIN / name} is not built")
    enter_namespaces()
    compose = prepare()
    check_secrets(compose)
    postgres = Postgres()
    postgres.create("naru")
    trade(compose, postgres)


main(scenario)
