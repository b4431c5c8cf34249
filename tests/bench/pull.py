"""Pulls through the data plane against nginx serving the same files in the same run: 1 GiB and 1 KiB, plain and TLS."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from load import Pair, catalogue, contract, offer, open_offers, transfer
from world import Trouble, free_ports, wait_until

BIG = 1 << 30
REPEAT = 5


class Nginx:
    """nginx on two ports of loopback, plain and TLS, two workers, sendfile."""

    def __init__(self, folder, data, cert, key):
        if not shutil.which("nginx"):
            raise Trouble("nginx is missing: tools/deps bench")
        self.folder = Path(folder)
        self.plain, self.tls = free_ports(2)
        user = "user root;" if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""{user} worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
daemon off; events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_body_temp_path {folder}; proxy_temp_path {folder};
fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen 127.0.0.1:{self.plain}; listen 127.0.0.1:{self.tls} ssl; ssl_certificate {cert}; ssl_certificate_key {key}; root {data}; }} }}
""")

    def __enter__(self):
        self.process = subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf", "-p", self.folder], stderr=subprocess.DEVNULL)
        wait_until(lambda: subprocess.run(["curl", "-s", f"http://127.0.0.1:{self.plain}/small"], capture_output=True).returncode == 0, 10,
                   "nginx")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def big(url, token=None):
    """MB/s of one download of BIG bytes by curl."""
    auth = ["-H", f"Authorization: {token}"] if token else []
    start = time.monotonic()
    done = subprocess.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{size_download} %{http_code}", *auth, url], capture_output=True, text=True)
    took = time.monotonic() - start
    size, code = done.stdout.split()
    if int(size) != BIG or code != "200":
        raise RuntimeError(f"{url}: {code}, {size} bytes")
    return BIG / 1e6 / took


def small(url, token=None):
    """Requests per second of wrk with 16 connections over 4 s."""
    auth = ["-H", f"Authorization: {token}"] if token else []
    done = subprocess.run(["wrk", "-t2", "-c16", "-d4s", *auth, url], capture_output=True, text=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))


def bench(ctx):
    for tls in (False, True):
        settings = {} if tls else {"public.certificate": "", "public.key": "", "fetch.http": "true", "did.http": "true"}
        yield from one(ctx, tls, settings)


def one(ctx, tls, settings):
    word = "TLS" if tls else "plain"
    pair = Pair(ctx, settings)
    if not tls:
        for c in (pair.provider, pair.consumer):
            c.dsp = c.dsp.replace("https:", "http:")
            conf = c.folder / "connector.conf"
            conf.write_text(conf.read_text().replace(f"public.url = https://", "public.url = http://"))
    with pair:
        data = pair.folder / "data"
        data.mkdir()
        with open(data / "big", "wb") as f:
            f.truncate(BIG)
        (data / "small").write_bytes(b"x" * 1024)
        pair.folder.chmod(0o755)
        open_offers(pair.provider)
        certs = pair.folder / "certs"
        with Nginx(pair.folder, data, certs / "provider.crt", certs / "provider.key") as nginx:
            base = f"https://127.0.0.1:{nginx.tls}" if tls else f"http://127.0.0.1:{nginx.plain}"
            for name, measure, need in (("big", big, 0.6 if tls else 0.7), ("small", small, 0.6 if tls else 0.7)):
                offer(pair.provider, name, {"type": "File", "path": str(data / name)})
                sets = catalogue(pair.consumer, pair.provider)
                dataset = next(d for d in as_list(sets) if d["@id"] == name)
                address = transfer(pair.consumer, pair.provider, contract(pair.consumer, pair.provider, dataset))[1]
                ours, theirs = [], []
                for _ in range(REPEAT):
                    theirs.append(measure(f"{base}/{name}"))
                    ours.append(measure(address["endpoint"], address["authorization"]))
                unit, what = ("MB/s", "pull of 1 GiB") if name == "big" else ("1/s", "pulls of 1 KiB, 16 connections")
                yield ctx.figure(f"{what} from file, {word}", ours, unit, better="higher", anchor=sorted(theirs)[REPEAT // 2], need=need)


def as_list(content):
    found = json.loads(content)["dcat:dataset"]
    return found if isinstance(found, list) else [found]
