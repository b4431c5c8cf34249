"""certs/make-certs: the throw-away keys are what TLS needs, are kept while good, and are refused where wrong."""
import shutil
import socket
import ssl
import stat
import threading
import unittest

from harness import ROOT, Skip, main, run, tap, temp_dir

TOOL = ROOT / "certs" / "make-certs"
DAY_S = 86400
check = unittest.TestCase()


def make(*words):
    """Runs the tool; returns what it says that it made."""
    status, out, err = run([TOOL, *words])
    check.assertEqual(status, 0, err)
    return out


def text(folder, name, *what):
    status, out, err = run(["openssl", "x509", "-in", folder / f"{name}.crt", "-noout", *what])
    check.assertEqual(status, 0, err)
    return out


def expires_within(folder, name, seconds):
    return run(["openssl", "x509", "-in", folder / f"{name}.crt", "-noout", "-checkend", seconds])[0] == 1


def verifies(folder, name, *options):
    return run(["openssl", "verify", "-CAfile", folder / "ca.crt", *options, folder / f"{name}.crt"])[0] == 0


def serials(folder):
    return {name: text(folder, name, "-serial") for name in ("ca", "broker", "steel", "tester")}


def openssl_verifies_them(folder):
    make(folder, "broker", "steel", "--", "tester")
    for name, purpose in (("broker", "sslserver"), ("steel", "sslserver"), ("tester", "sslclient")):
        check.assertTrue(verifies(folder, name, "-x509_strict", "-purpose", purpose), name)
    check.assertFalse(verifies(folder, "broker", "-purpose", "sslclient"))
    check.assertFalse(verifies(folder, "tester", "-purpose", "sslserver"))
    for name in ("ca", "broker", "steel", "tester"):
        check.assertIn("ASN1 OID: prime256v1", text(folder, name, "-text"))


def names(folder):
    make("-n", "broker.test,192.0.2.7,2001:db8::1", folder, "broker")
    for option, good in (("-verify_hostname", ["localhost", "broker", "broker.test"]),
                         ("-verify_ip", ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"])):
        for name in good:
            check.assertTrue(verifies(folder, "broker", option, name), name)
    check.assertFalse(verifies(folder, "broker", "-verify_hostname", "other.test"))
    check.assertFalse(verifies(folder, "broker", "-verify_ip", "127.0.0.2"))


def thirty_days_unless_told(folder):
    make(folder, "broker")
    for name in ("ca", "broker"):
        check.assertFalse(expires_within(folder, name, 29 * DAY_S))
        check.assertTrue(expires_within(folder, name, 31 * DAY_S))


def keys_are_private(folder):
    make(folder, "broker", "--", "tester")
    keys = list(folder.glob("*.key"))
    check.assertEqual(len(keys), 3)
    for key in keys:
        check.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600, key.name)


def what_is_good_is_kept(folder):
    words = ("-d", "1", folder, "broker", "steel", "--", "tester")
    check.assertEqual(len(make(*words).splitlines()), 4)
    before = serials(folder)
    check.assertEqual(make(*words), "")
    check.assertEqual(serials(folder), before)
    check.assertEqual({path.suffix for path in folder.iterdir()}, {".crt", ".key", ".ext"})


def what_is_missing_or_wrong_is_made_anew(folder):
    words = (folder, "broker", "steel", "--", "tester")
    make(*words)
    before = serials(folder)
    (folder / "steel.key").unlink()
    shutil.copy(folder / "broker.key", folder / "tester.key")
    check.assertEqual(make(*words), "made steel.crt\nmade tester.crt\n")
    after = serials(folder)
    check.assertEqual((after["ca"], after["broker"]), (before["ca"], before["broker"]))
    check.assertTrue(verifies(folder, "tester"))


def one_more_name_renews_the_server(folder):
    make(folder, "broker", "--", "tester")
    check.assertEqual(make("-n", "broker.test", folder, "broker", "--", "tester"), "made broker.crt\n")


def new_ca_renews_all(folder):
    words = (folder, "broker", "--", "tester")
    make(*words)
    (folder / "ca.key").unlink()
    check.assertEqual(make(*words), "made ca.crt\nmade broker.crt\nmade tester.crt\n")
    check.assertTrue(verifies(folder, "broker"))


def tls_between_two_programs(folder):
    make(folder, "broker", "--", "tester")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "broker.crt", folder / "broker.key")
    server.load_verify_locations(folder / "ca.crt")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    client.load_cert_chain(folder / "tester.crt", folder / "tester.key")
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
            check.assertEqual(tls.recv(2), b"ok")
    thread.join(10)
    check.assertEqual(seen, ["tester"])


def refused(folder):
    cases = [
        ((), 2, "usage:"),
        ((folder,), 2, "usage:"),
        (("-x", folder, "broker"), 2, "unknown option '-x'"),
        (("-d", "0", folder, "broker"), 2, "0 days: expected 1 to 365"),
        (("-d", "366", folder, "broker"), 2, "366 days"),
        (("-d", "ten", folder, "broker"), 2, "'ten' is not a number"),
        ((folder, "../broker"), 2, "'../broker' is not a name"),
        ((folder, "a,IP:1.2.3.4"), 2, "is not a name"),
        ((folder, "ca"), 2, "name of the authority"),
        (("-n", "under_score", folder, "broker"), 2, "neither a DNS name nor an IP address"),
        (("/dev/null/keys", "broker"), 1, "cannot make the folder"),
    ]
    for words, status, message in cases:
        got, _, err = run([TOOL, *words])
        check.assertEqual(got, status, words)
        check.assertIn(message, err)
        check.assertFalse(folder.exists(), f"{words}: something was made")


def help_is_there(folder):
    status, out, _ = run([TOOL, "--help"])
    check.assertEqual(status, 0)
    for word in ("FOLDER", "SERVER", "CLIENT", "-d DAYS", "-n NAMES"):
        check.assertIn(word, out)
    check.assertFalse(folder.exists())


def scenario():
    if not shutil.which("openssl"):
        raise Skip("the program 'openssl' is not installed (package openssl)")
    for case in (openssl_verifies_them, names, thirty_days_unless_told, keys_are_private, what_is_good_is_kept,
                 what_is_missing_or_wrong_is_made_anew, one_more_name_renews_the_server, new_ca_renews_all,
                 tls_between_two_programs, refused, help_is_there):
        with tap.case(case.__name__.replace("_", " ")):
            case(temp_dir("naru-certs-") / "keys")


main(scenario)
