"""The Dockerfiles' own steps without a Docker daemon: buildah in chroot isolation, on a base made by debootstrap.

Takes minutes and needs root, so it runs only when asked: NARU_SLOW=1 python3 tests/it/x010_docker_steps.py
"""
import json
import os
import shutil
import signal
import subprocess
import urllib.parse
from pathlib import Path

from harness import ROOT, Postgres, Skip, free_port, main, request, run, start, tap, temp_dir, wait_until

MINUTES = 60
USER = "10001:10001"
BUILD_TOOLS = ("gcc", "cc", "make", "ld", "git", "python3", "pkg-config")


def require():
    if os.environ.get("NARU_SLOW") != "1":
        raise Skip("takes minutes; NARU_SLOW=1 python3 tests/it/x010_docker_steps.py runs it")
    if os.geteuid() != 0:
        raise Skip("needs root for chroot and debootstrap")
    for program in ("buildah", "debootstrap", "git"):
        if not shutil.which(program):
            raise Skip(f"the program '{program}' is not installed (package {program})")


def must(argv, minutes=1, **options):
    status, out, err = run(argv, deadline_s=minutes * MINUTES, **options)
    if status:
        raise RuntimeError(f"{' '.join(map(str, argv[:6]))}: status {status}\n{(out + err)[-6000:]}")
    return out


class Buildah:
    """Images and containers of this test only, in its own folder."""

    def __init__(self):
        self.folder = temp_dir("naru-buildah-")
        self.driver = "overlay"
        try:
            self("rm", self("from", "scratch").strip())
        except RuntimeError:
            self.driver = "vfs"  # this file system cannot be stacked

    def argv(self, *words):
        return ["buildah", "--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver",
                self.driver, *words]

    def __call__(self, *words, minutes=1, **options):
        return must(self.argv(*words), minutes, **options)

    def done(self):
        """Containers keep mounts, which must be gone before the folder is removed."""
        run(self.argv("rm", "--all"), deadline_s=MINUTES)
        run(self.argv("rmi", "--all", "--force"), deadline_s=MINUTES)
        for mount in sorted(mounts_below(self.folder), reverse=True):
            run(["umount", mount])


def mounts_below(folder):
    paths = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    return [path for path in paths if path.startswith(f"{folder}/")]


def copy_if_there(source, rootfs):
    for path in Path("/").glob(source):
        target = rootfs / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def make_base(buildah):
    """A minimal Debian 12 that has this machine's package sources, as the image 'localhost/base'."""
    mirror = must(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                   "Codename: bookworm"]).split("\n")[0]
    if not mirror:
        raise Skip("no package source for Debian 12 (bookworm) on this machine")
    rootfs = temp_dir("naru-base-") / "rootfs"
    must(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", rootfs, mirror], minutes=10)
    (rootfs / "etc/apt/sources.list").unlink(missing_ok=True)
    for source in ("etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources", "etc/apt/apt.conf.d/99*",
                   "etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates/*.crt"):
        copy_if_there(source, rootfs)
    container = buildah("from", "scratch").strip()
    buildah("add", container, rootfs, "/", minutes=5)
    buildah("commit", container, "localhost/base", minutes=5)
    buildah("rm", container)
    shutil.rmtree(rootfs)


def make_context():
    """The files of this work tree that git knows or would take, as a build context."""
    context = temp_dir("naru-context-")
    names = must(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"])
    kept = "\0".join(name for name in names.split("\0") if name and (ROOT / name).exists())
    archive = subprocess.run(["tar", "-C", ROOT, "--null", "-T", "-", "-cf", "-"], input=kept.encode(),
                             capture_output=True, check=True).stdout
    subprocess.run(["tar", "-C", context, "-xf", "-"], input=archive, check=True)
    return context


def build(buildah, context, name):
    buildah("bud", "--isolation", "chroot", "--format", "docker", "--build-arg", "BASE=localhost/base", "--build-arg",
            "REVISION=test", "-f", context / "docker" / f"{name}.Dockerfile", "-t", f"localhost/naru-{name}", context,
            minutes=20)
    tap.ok(True, f"{name}: the Dockerfile's steps succeed")


def check_config(buildah, name, port):
    """What the image tells a container engine; returns the command of the health check."""
    image = json.loads(buildah("inspect", "--type", "image", f"localhost/naru-{name}"))
    config = image["Docker"]["config"]
    tap.equal(config["User"], USER, f"{name}: does not run as root")
    tap.equal(config["Entrypoint"], [f"naru-{name}"], f"{name}: starts the program itself, no shell")
    tap.equal(config["Cmd"], ["--config", f"/etc/naru/{name}.conf"], f"{name}: settings come from /etc/naru")
    tap.equal(list(config["ExposedPorts"]), [f"{port}/tcp"], f"{name}: exposes the public listener only")
    labels = config["Labels"]
    tap.equal((labels["org.opencontainers.image.title"], labels["org.opencontainers.image.revision"]),
              (f"naru-{name}", "test"), f"{name}: labels")
    return config["Healthcheck"]["Test"][1:]


def check_files(buildah, container, name):
    rootfs = Path(buildah("mount", container).strip())
    programs = sorted(path.name for path in (rootfs / "usr/local/bin").iterdir())
    tap.equal(programs, ["naru", f"naru-{name}"], f"{name}: holds the program and the command line")
    tools = [tool for tool in BUILD_TOOLS if any((rootfs / folder / tool).exists() for folder in ("usr/bin", "bin"))]
    tap.equal(tools, [], f"{name}: no build tools")
    tap.ok(not (rootfs / "src").exists(), f"{name}: no sources")
    state = (rootfs / "var/lib/naru").stat()
    tap.equal((state.st_uid, state.st_gid, state.st_mode & 0o777), (10001, 10001, 0o700), f"{name}: owns its state")
    return rootfs


def make_keys(folder, *names):
    for name in names:
        kind = ["-algorithm", "ED25519"] if name == "log.pem" else ["-algorithm", "EC", "-pkeyopt",
                                                                    "ec_paramgen_curve:P-256"]
        must(["openssl", "genpkey", *kind, "-out", folder / name])
    (folder / "api-key").write_text("0123456789abcdef0123456789abcdef")
    (folder / "operator-token").write_text("naru_0123456789abcdef0123456789abcdef")


def settings_of(name, port, private_port):
    """A folder for /etc/naru: settings with free ports of this machine, which the chroot shares."""
    folder = temp_dir("naru-etc-")
    make_keys(folder, "company.pem", "broker.pem", "log.pem")
    if name == "broker":
        lines = [f"listen = 127.0.0.1:{port}", f"operator.listen = 127.0.0.1:{private_port}",
                 f"database = {Postgres().create('naru')}", f"did = did:web:localhost%3A{port}"]
    else:
        lines = [f"public.listen = 127.0.0.1:{port}", f"management.listen = 127.0.0.1:{private_port}",
                 f"participant.did = did:web:localhost%3A{port}", "database = sqlite:/var/lib/naru/connector.db",
                 "data.dir = /var/lib/naru"]
    (folder / f"{name}.conf").write_text("\n".join(lines) + "\n")
    for path in folder.iterdir():
        path.chmod(0o600)  # the programs take no secret that others may read
        shutil.chown(path, 10001, 10001)
    folder.chmod(0o755)
    return folder


def changed_since(rootfs, marker):
    """Files outside of the writable places that were written after the marker."""
    out = must(["find", rootfs, "-xdev", "-newer", marker, "-type", "f"])
    inside = (line[len(str(rootfs)):] for line in out.split("\n") if line)
    return [path for path in inside if not path.startswith(("/var/lib/naru/", "/tmp/", "/proc/", "/dev/", "/sys/"))]


def descendant(pid, name):
    """The process of this name below pid: what buildah runs, behind its own helpers."""
    threads = Path(f"/proc/{pid}/task").iterdir()  # any thread of buildah may be the parent
    for child in " ".join((thread / "children").read_text() for thread in threads).split():
        if Path(f"/proc/{child}/comm").read_text().strip() == name:
            return int(child)
        found = descendant(child, name)
        if found:
            return found
    return None


def check_running(in_container, name, health, base):
    path = urllib.parse.urlsplit(health[-1]).path
    url = base + path
    wait_until(lambda: request("GET", url).status == 200, 30, f"{name} is ready")
    tap.ok(True, f"{name}: starts as another user and is ready")
    status, out, err = run([*in_container, *health[:-1], url], deadline_s=30)
    tap.ok(path and status == 0, f"{name}: the health check is good", out + err)
    dead = f"http://127.0.0.1:{free_port()}{path}"
    tap.ok(run([*in_container, *health[:-1], dead], deadline_s=30)[0] != 0,
           f"{name}: the health check fails where nothing answers")


def check_start(buildah, container, rootfs, name, health):
    port, private_port = free_port(), free_port()
    folder = settings_of(name, port, private_port)
    in_container = buildah.argv("run", "--isolation", "chroot", "--user", USER, "-v", f"{folder}:/etc/naru:ro",
                                container, "--")
    marker = temp_dir() / "marker"
    marker.touch()
    program = start(name, [*in_container, f"naru-{name}", "--config", f"/etc/naru/{name}.conf"])
    try:
        check_running(in_container, name, health, f"http://127.0.0.1:{private_port}")
        tap.equal(changed_since(rootfs, marker), [], f"{name}: writes nothing but its state, so the root can be read-only")
        os.kill(descendant(program.pid, f"naru-{name}"), signal.SIGTERM)
        tap.equal(program.wait(), 0, f"{name}: ends cleanly when asked")
    finally:
        if program.alive:  # its folders are about to go
            program.kill()


def scenario():
    require()
    buildah = Buildah()
    try:
        make_base(buildah)
        context = make_context()
        for name, port in (("connector", 8443), ("broker", 9443)):
            build(buildah, context, name)
            health = check_config(buildah, name, port)
            container = buildah("from", f"localhost/naru-{name}").strip()
            rootfs = check_files(buildah, container, name)
            check_start(buildah, container, rootfs, name, health)
    finally:
        buildah.done()


main(scenario)
