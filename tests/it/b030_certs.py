#!/usr/bin/python3
"""certs/make-certs: the throw-away keys are what TLS needs, are kept while good, and are refused where wrong."""
import os
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "certs", "make-certs")


def run(*words, folder=None):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@unittest.skipUnless(shutil.which("openssl"), "the program 'openssl' is not installed")
class Certs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="naru-certs-")
        self.addCleanup(scratch.cleanup)
        self.folder = os.path.join(scratch.name, "keys")

    def make(self, *words):
        done = run(TOOL, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def text(self, name, *what):
        done = run("openssl", "x509", "-in", f"{name}.crt", "-noout", *what, folder=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def verify(self, name, *options):
        return run("openssl", "verify", "-CAfile", "ca.crt", *options, f"{name}.crt", folder=self.folder)

    def serials(self):
        return {name: self.text(name, "-serial") for name in ("ca", "broker", "steel", "tester")}

    def test_openssl_verifies_them(self):
        self.make(self.folder, "broker", "steel", "--", "tester")
        for name, purpose in (("broker", "sslserver"), ("steel", "sslserver"), ("tester", "sslclient")):
            done = self.verify(name, "-x509_strict", "-purpose", purpose)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.verify("broker", "-purpose", "sslclient").returncode, 0)
        self.assertNotEqual(self.verify("tester", "-purpose", "sslserver").returncode, 0)
        for name in ("ca", "broker", "steel", "tester"):
            self.assertIn("ASN1 OID: prime256v1", self.text(name, "-text"))

    def test_names(self):
        self.make("-n", "broker.test,192.0.2.7,2001:db8::1", self.folder, "broker")
        for option, good in (("-verify_hostname", ["localhost", "broker", "broker.test"]),
                             ("-verify_ip", ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"])):
            for name in good:
                self.assertEqual(self.verify("broker", option, name).returncode, 0, name)
        self.assertNotEqual(self.verify("broker", "-verify_hostname", "other.test").returncode, 0)
        self.assertNotEqual(self.verify("broker", "-verify_ip", "127.0.0.2").returncode, 0)

    def test_thirty_days_unless_told(self):
        self.make(self.folder, "broker")
        for name in ("ca", "broker"):
            day = 86400
            self.assertEqual(run("openssl", "x509", "-in", f"{name}.crt", "-noout", "-checkend", str(29 * day),
                                 folder=self.folder).returncode, 0)
            self.assertEqual(run("openssl", "x509", "-in", f"{name}.crt", "-noout", "-checkend", str(31 * day),
                                 folder=self.folder).returncode, 1)

    def test_keys_are_private(self):
        self.make(self.folder, "broker", "--", "tester")
        keys = [name for name in os.listdir(self.folder) if name.endswith(".key")]
        self.assertEqual(len(keys), 3)
        for name in keys:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode), 0o600, name)

    def test_what_is_good_is_kept(self):
        words = ("-d", "1", self.folder, "broker", "steel", "--", "tester")
        self.assertEqual(len(self.make(*words).splitlines()), 4)
        before = self.serials()
        self.assertEqual(self.make(*words), "")
        self.assertEqual(self.serials(), before)
        left = [n for n in os.listdir(self.folder) if not n.endswith((".crt", ".key", ".ext"))]
        self.assertEqual(left, [])

    def test_what_is_missing_or_wrong_is_made_anew(self):
        words = (self.folder, "broker", "steel", "--", "tester")
        self.make(*words)
        before = self.serials()
        os.remove(os.path.join(self.folder, "steel.key"))
        shutil.copy(os.path.join(self.folder, "broker.key"), os.path.join(self.folder, "tester.key"))
        self.assertEqual(self.make(*words), "made steel.crt\nmade tester.crt\n")
        after = self.serials()
        self.assertEqual((after["ca"], after["broker"]), (before["ca"], before["broker"]))
        self.assertEqual(self.verify("tester").returncode, 0)

    def test_one_more_name_renews_the_server(self):
        self.make(self.folder, "broker", "--", "tester")
        self.assertEqual(self.make("-n", "broker.test", self.folder, "broker", "--", "tester"), "made broker.crt\n")

    def test_new_ca_renews_all(self):
        words = (self.folder, "broker", "--", "tester")
        self.make(*words)
        os.remove(os.path.join(self.folder, "ca.key"))
        self.assertEqual(self.make(*words), "made ca.crt\nmade broker.crt\nmade tester.crt\n")
        self.assertEqual(self.verify("broker").returncode, 0)

    def test_tls_between_two_programs(self):
        self.make(self.folder, "broker", "--", "tester")
        path = lambda name: os.path.join(self.folder, name)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(path("broker.crt"), path("broker.key"))
        server.load_verify_locations(path("ca.crt"))
        server.verify_mode = ssl.CERT_REQUIRED
        client = ssl.create_default_context(cafile=path("ca.crt"))
        client.load_cert_chain(path("tester.crt"), path("tester.key"))
        seen = []

        def serve(listener):
            with listener, listener.accept()[0] as raw, server.wrap_socket(raw, server_side=True) as tls:
                seen.append(dict(pair for part in tls.getpeercert()["subject"] for pair in part)["commonName"])
                tls.sendall(b"ok")

        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=10) as raw:
            with client.wrap_socket(raw, server_hostname="localhost") as tls:
                self.assertEqual(tls.recv(2), b"ok")
        thread.join(10)
        self.assertEqual(seen, ["tester"])

    def test_refused(self):
        cases = [
            ((), 2, "usage:"),
            ((self.folder,), 2, "usage:"),
            (("-x", self.folder, "broker"), 2, "unknown option '-x'"),
            (("-d", "0", self.folder, "broker"), 2, "0 days: expected 1 to 365"),
            (("-d", "366", self.folder, "broker"), 2, "366 days"),
            (("-d", "ten", self.folder, "broker"), 2, "'ten' is not a number"),
            ((self.folder, "../broker"), 2, "'../broker' is not a name"),
            ((self.folder, "a,IP:1.2.3.4"), 2, "is not a name"),
            ((self.folder, "ca"), 2, "name of the authority"),
            (("-n", "under_score", self.folder, "broker"), 2, "neither a DNS name nor an IP address"),
            (("/dev/null/keys", "broker"), 1, "cannot make the folder"),
        ]
        for words, status, message in cases:
            done = run(TOOL, *words)
            self.assertEqual(done.returncode, status, words)
            self.assertIn(message, done.stderr)
            self.assertFalse(os.path.exists(self.folder), f"{words}: something was made")

    def test_help(self):
        done = run(TOOL, "--help")
        self.assertEqual(done.returncode, 0)
        for word in ("FOLDER", "SERVER", "CLIENT", "-d DAYS", "-n NAMES"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
