"""Parts for scenarios about the programs themselves: settings that start each of them, and what they say when they don't.

`connector()` and `broker()` give a folder with keys and secrets and the settings that name them; nothing runs yet.
"""

import os
import secrets
import socket
import subprocess

from harness import BIN, free_port, run, tap, temp_dir

PASSWORD = "canary-of-a-password"


def key_file(path, algorithm="EC"):
    more = ["-pkeyopt", "ec_paramgen_curve:P-256"] if algorithm == "EC" else []
    subprocess.run(["openssl", "genpkey", "-algorithm", algorithm, *more, "-out", path], check=True, capture_output=True)
    os.chmod(path, 0o600)


def secret_file(path, text=None):
    path.write_text(text or "secret-" + secrets.token_hex(16))
    path.chmod(0o600)


class Setup:
    """A program, its folder, its settings (`required` are those without default)."""

    def __init__(self, program, folder, settings, required):
        self.name, self.program = program, BIN / program
        self.folder, self.settings, self.required = folder, settings, required

    def argv(self, changes=None):
        """The command that starts it, with some settings changed (None: left out)."""
        values = {**self.settings, **(changes or {})}
        return [self.program, *(f"--{k}={v}" for k, v in values.items() if v is not None)]

    def run(self, *arguments, env=None, deadline_s=20):
        return run([self.program, *arguments], env=env, cwd=self.folder, deadline_s=deadline_s)


def connector(**settings):
    folder = temp_dir()
    key_file(folder / "company.pem")
    secret_file(folder / "api-key")
    (folder / "data").mkdir()
    values = {"participant.did": "did:web:company.test", "identity.key": folder / "company.pem", "management.api_key": folder / "api-key",
              "public.listen": f"127.0.0.1:{free_port()}", "management.listen": f"127.0.0.1:{free_port()}", "data.dir": folder / "data",
              "database": f"sqlite:{folder}/connector.db", **settings}
    return Setup("naru-connector", folder, values, ["participant.did"])


def broker(database, **settings):
    folder = temp_dir()
    key_file(folder / "broker.pem")
    key_file(folder / "log.pem", "ED25519")
    secret_file(folder / "operator-token")
    values = {"listen": f"127.0.0.1:{free_port()}", "operator.listen": f"127.0.0.1:{free_port()}", "database": database,
              "did": "did:web:bank.test", "key": folder / "broker.pem", "log.key": folder / "log.pem",
              "operator.token": folder / "operator-token", **settings}
    return Setup("naru-broker", folder, values, ["database", "did"])


# -- programs that cannot start -------------------------------------------------------------------------------------------
def cannot_start(setup, changes, parts, what):
    """Exit 1 within seconds, one line that holds all parts, also when only errors are logged."""
    status, out, err = run(setup.argv({"log.level": "error", **changes}), cwd=setup.folder)
    good = status == 1 and out == "" and err.count("\n") == 1 and "level=error" in err and all(p in err for p in parts)
    tap.ok(good, f"{setup.name}: {what}", f"exit {status}\n{out}{err}\nwant {parts}")
    tap.ok(PASSWORD not in err, "and shows no password", err)


def listeners_that_cannot_open(setup, certificate, key, *listeners):
    for listen, cert_name, key_name in listeners:
        port = free_port()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            cannot_start(setup, {listen: f"127.0.0.1:{port}"}, [f"127.0.0.1:{port}", "in use"], f"{listen}: port in use")
        cannot_start(setup, {listen: "127.0.0.1:http"}, ["127.0.0.1:http", "127.0.0.1:8443"], f"{listen}: no address")
        cannot_start(setup, {listen: "0.0.0.0:0"}, ["certificate", "0.0.0.0"], f"{listen}: open to all without TLS")
        cannot_start(setup, {cert_name: "/nonexistent/c.pem", key_name: key}, ["/nonexistent/c.pem"], f"{cert_name}: no such file")
        cannot_start(setup, {cert_name: certificate, key_name: "/nonexistent/k.pem"}, ["/nonexistent/k.pem"], f"{key_name}: no such file")
        cannot_start(setup, {cert_name: certificate}, ["key"], f"{cert_name} without {key_name}")
        other = setup.folder / "other.pem"
        key_file(other)
        cannot_start(setup, {cert_name: certificate, key_name: other}, [str(certificate), str(other)], f"{cert_name} of another key")
        other.unlink()
