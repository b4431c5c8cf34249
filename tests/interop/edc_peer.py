"""Stock EDC connectors as processes of a run: built by the kit in ../shared/peers/edc, each with its own ports, keys and folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "it"))

from harness import Skip, free_port, request, start, temp_dir, wait_until  # noqa: E402

KIT = Path(os.environ.get("EDC_PEER", ROOT.parent / "shared" / "peers" / "edc"))
OUT = ROOT / "build" / "edc"
PORT = re.compile(r"\b[12]9[12]9\d\b")
MEMORY, SQL = ("0.14.0", "mem"), ("0.15.1", "sql")


def load_client():
    """The kit's client of the management API; it is not part of this repository."""
    if not (KIT / "edcapi.py").exists():
        raise Skip(f"the kit with the stock connector is not at {KIT} (EDC_PEER names another place)")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(KIT))
    import edcapi  # noqa: PLC0415 - only known now
    return edcapi


def build(variant):
    """Fetches EDC of this (version, store) unless it is there; returns the folder of its jars."""
    version, store = variant
    jars = OUT / "target" / f"{version}-{store}" / "lib"
    if not shutil.which("java"):
        raise Skip("Java is not installed (package openjdk-17-jre-headless)")
    if any(jars.glob("*.jar")):
        return jars
    if not shutil.which("mvn"):
        raise Skip("Maven is not installed (package maven)")
    print(f"# fetching EDC {version} ({store}) into {OUT.relative_to(ROOT)}", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([KIT / "run.sh", "build"], env={**os.environ, "OUT": str(OUT), "EDC": version, "STORE": store},
                          capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(jars, ignore_errors=True)
        raise Skip(f"EDC {version} could not be fetched, is Maven Central out of reach? {(done.stdout + done.stderr).strip()[-400:]}")
    return jars


def _one_line(path):
    return path.read_text().replace("\n", "\\n")


class Edc:
    """One connector: control plane and data plane, mock identity, plain HTTP on loopback."""

    def __init__(self, name, variant=MEMORY, tuned=True, database=None, java_options=()):
        client = load_client()
        self.name = self.id = name
        self.folder = temp_dir()
        jars = build(variant)
        text = (KIT / f"{name}.properties").read_text() + ((KIT / "tuned.properties").read_text() if tuned else "")
        ports = {p: str(free_port()) for p in sorted(set(PORT.findall(text)))}
        text = PORT.sub(lambda m: ports[m[0]], text) + self._keys()
        if database:
            text += (f"edc.datasource.default.url=jdbc:{database[0]}\nedc.datasource.default.user={database[1]}\n"
                     "edc.datasource.default.password=none\nedc.sql.schema.autocreate=true\n")
        conf = self.folder / "edc.properties"
        conf.write_text(text)
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        self.ready_url = f"http://127.0.0.1:{values['web.http.port']}/api/check/readiness"
        self.management = f"http://127.0.0.1:{values['web.http.management.port']}/management"
        self.dsp = f"http://127.0.0.1:{values['web.http.protocol.port']}/protocol/2025-1"
        self.key = "password"
        self.starts = 0
        self.process = start(f"edc-{name}", ["java", *java_options, f"-Dedc.fs.config={conf}", "-cp", f"{jars}/*",
                                             "org.eclipse.edc.boot.system.runtime.BaseRuntime"],
                             cwd=self.folder, end_status=(0, 143, -15))
        self.api = client.Api(self.management, self.key)
        self.wait_ready()

    def _keys(self):
        """Its data plane signs pull tokens."""
        private, public = self.folder / "private.pem", self.folder / "public.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private],
                       check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
        return f"private-key={_one_line(private)}\nedc.iam.publickeys.dp.value={_one_line(public)}\n"

    def wait_ready(self):
        """It says that it is ready before its listeners are (they answer 404 and 405 then); its log says so afterwards."""
        self.starts += 1
        wait_until(lambda: self.process.log_text().count(" ready\x1b") >= self.starts
                   and request("GET", self.ready_url).status == 200, 300, f"EDC {self.name} is ready")

    def restart(self):
        self.process.kill()
        self.process.begin()
        self.wait_ready()
