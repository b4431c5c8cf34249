"""Start to ready, and resident memory, of both programs with a new, empty database."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from load import Connector
from world import Postgres, Program, free_ports

REPEAT = 9


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


def broker(ctx, folder, postgres):
    """A broker with keys and settings in `folder`."""
    mask = os.umask(0o077)
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / "broker.pem"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", folder / "log.pem"], check=True, capture_output=True)
    (folder / "operator-token").write_text("operator-token-0123456789")
    os.umask(mask)
    a, b = free_ports(2)
    (folder / "broker.conf").write_text(f"listen = 127.0.0.1:{a}\noperator.listen = 127.0.0.1:{b}\ndatabase = {postgres.conninfo}\n"
                                        f"did = did:web:localhost%3A{a}\nlog.level = warning\n")
    return Program("broker", [ctx.bin / "naru-broker", "--config", folder / "broker.conf"], folder)


def bench(ctx):
    times, memory = [], []
    for _ in range(REPEAT):
        with tempfile.TemporaryDirectory(prefix="naru-bench-") as folder:
            connector = Connector(ctx.bin, folder, "one")
            start = time.monotonic()
            connector.start()
            times.append((time.monotonic() - start) * 1000)
            memory.append(connector.memory_mib())
            connector.program.stop()
    yield ctx.figure("connector: start to ready, new database", times, "ms", goal=100)
    yield ctx.figure("connector: resident memory idle", memory, "MiB", goal=20)
    times, memory = [], []
    pg = Postgres(tempfile.mkdtemp(prefix="naru-pg-", dir="/tmp")).start()
    try:
        with tempfile.TemporaryDirectory(prefix="naru-bench-") as folder:
            program = broker(ctx, Path(folder), pg)
            program.start()  # first start: migrations
            program.stop()
            for _ in range(REPEAT):
                start = time.monotonic()
                program.start()
                times.append((time.monotonic() - start) * 1000)
                memory.append(rss_mib(program.process.pid))
                program.stop()
    finally:
        pg.stop()
    yield ctx.figure("broker: start to ready, schema present", times, "ms", goal=100)
    yield ctx.figure("broker: resident memory idle", memory, "MiB")
