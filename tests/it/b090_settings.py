"""Settings of both programs: help, version, printing, checking; mistakes name the setting and end with 2; what cannot start
says why in one line and ends with 1.
"""

import re

import kit
from harness import Authority, ROOT, free_port, main, tap

HELP = re.compile(r"^  --([a-z0-9_.]+) +.*\[(?:required|default: ([^;]*?))(?:; ([^;\]]*))?(?:; on reload)?\]$", re.MULTILINE)
RANGE = re.compile(r"^(-?\d+)([a-z]*)\.\.(?:(\d+)([a-z]*))?$")


def keys_of(setup):
    """name -> range, as the help gives it."""
    status, out, err = setup.run("--help")
    tap.ok(status == 0 and err == "", f"{setup.name} --help")
    keys = {name: range_ or "" for name, _, range_ in HELP.findall(out)}
    tap.ok(len(keys) >= 25 and "log.level" in keys, "the help lists the settings", out)
    return keys


def refused(setup, arguments, parts, what, env=None):
    """Exit 2, one line on standard error that holds all parts, nothing on standard output."""
    status, out, err = setup.run(*arguments, env=env)
    good = status == 2 and out == "" and err.count("\n") == 1 and all(p in err for p in parts)
    tap.ok(good, f"{setup.name}: {what}", f"exit {status}\n{out}{err}\nwant {parts}")


def needed(setup):
    return [f"--{name}={setup.settings[name]}" for name in setup.required]


def check_information(setup):
    for option in ("--help", "-h", "--version"):
        status, out, err = setup.run(option, "--no.such.setting=1")
        tap.ok(status == 0 and out and err == "", f"{setup.name} {option} needs no settings")
    status, out, _ = setup.run("--version")
    tap.ok(re.fullmatch(rf"{setup.name} \d+\.\d+\.\d+\n", out), "the version in one line", out)
    for name in setup.required:
        others = [a for a in needed(setup) if not a.startswith(f"--{name}=")]
        refused(setup, [*others, "--check-config"], [name, "required"], f"'{name}' is required")


def check_printing(setup, keys):
    """What is printed is a file that loads to the same, for defaults and for other values."""
    others = {"http.threads": "3", "log.level": "error", "log.format": "json", "shutdown.grace": "1500ms", "fetch.allow": "10.0.0.0/8, fd00::/8"}
    for what, more in (("defaults", []), ("other values", [f"--{k}={v}" for k, v in others.items()])):
        status, out, err = setup.run(*needed(setup), *more, "--print-config")
        tap.ok(status == 0 and err == "", f"{setup.name} --print-config: {what}", err)
        tap.equal(set(re.findall(r"^([a-z0-9_.]+) = ", out, re.MULTILINE)), set(keys), f"every setting is printed: {what}")
        file = setup.folder / "printed.conf"
        file.write_text(out)
        again = setup.run("--config", file, "--print-config")
        tap.ok(again == (0, out, ""), f"it loads to the same: {what}", again[2])
        status, said, err = setup.run("--config", file, "--check-config")
        tap.ok((status, err) == (0, "") and "valid" in said, f"--check-config accepts it: {what}", err)
    tap.ok("1500ms" in out and "10.0.0.0/8, fd00::/8" in out and "= json" in out, "values in their units and forms", out)


def bad_values(range_):
    """Values that the range of a setting does not allow, with what the message must say."""
    bounds = RANGE.match(range_)
    if bounds:
        low, unit, high, high_unit = bounds.groups()
        yield f"{int(low) - 1}{unit}", range_ if int(low) > 0 else ""
        if high:
            yield f"{int(high) + 1}{high_unit}", range_
        yield "5x", "unit" if unit else "number"
        yield "", ""
        yield "99999999999999999999999" + unit, ""
    elif "|" in range_:
        yield "nonsense", range_.split("|")[0]
        yield range_, ""


def check_mistakes(setup, keys):
    for name, range_ in keys.items():
        refused(setup, [*needed(setup), f"--{name[:-1]}=x"], [name[:-1], f"'{name}'"], f"--{name[:-1]} names {name}")
        for value, part in bad_values(range_):
            refused(setup, [*needed(setup), f"--{name}={value}", "--check-config"], [name, part, "command line"], f"{name} = '{value}'")
    prefix = setup.name.upper().replace("-", "_")
    refused(setup, needed(setup), ["http.threads", "environment"], "a bad value of the environment", {f"{prefix}_HTTP_THREADS": "0"})
    refused(setup, needed(setup), ["http.thread", "'http.threads'"], "an unknown name of the environment", {f"{prefix}_HTTP_THREAD": "1"})
    refused(setup, ["naked"], ["naked"], "a word that is no option")
    refused(setup, ["--log.level"], ["--log.level", "value"], "an option without value")
    refused(setup, ["--config", "/nonexistent/x.conf"], ["/nonexistent/x.conf", "No such file"], "a file that is not there")
    file = setup.folder / "bad.conf"
    for text, parts in (("log.level = info\nhttp.thread = 2\n", ["bad.conf:2", "'http.threads'"]),
                        ("log.level = info\nlog.level = info\n", ["bad.conf:2", "bad.conf:1", "log.level"]),
                        ("# fine\n\nlog.level info\n", ["bad.conf:3", "key = value"]),
                        ("http.threads = many\n", ["bad.conf:1", "http.threads", "many"]),
                        ("log.level = \x01\n", ["bad.conf:1", "control"])):
        file.write_text(text)
        refused(setup, [*needed(setup), "--config", file], parts, f"file with {text!r}")


# -- programs that cannot start -------------------------------------------------------------------------------------------
def secrets_that_cannot_be_used(setup, names):
    for name in names:
        path = setup.settings[name]
        kit.cannot_start(setup, {name: "/nonexistent/x"}, ["/nonexistent/x", "No such file"], f"{name}: no such file")
        kit.cannot_start(setup, {name: setup.folder}, [str(setup.folder), "regular file"], f"{name}: a folder")
        path.chmod(0o644)
        kit.cannot_start(setup, {}, [str(path), "0644", "chmod 600"], f"{name}: readable by others")
        path.chmod(0o600)
        empty = setup.folder / "empty"
        kit.secret_file(empty, " ")
        kit.cannot_start(setup, {name: empty}, [str(empty)], f"{name}: empty")
        empty.unlink()


def databases_that_cannot_be_used(setup):
    away = f"postgresql://naru:{kit.PASSWORD}@127.0.0.1:{free_port()}/x?connect_timeout=3"
    kit.cannot_start(setup, {"database": away}, ["database", "127.0.0.1", "refused"], "PostgreSQL that is away")
    kit.cannot_start(setup, {"database": f"nonsense:{kit.PASSWORD}"}, ["database"], "a database of no known form")


def scenario():
    certificate, key = Authority().issue()
    connector = kit.connector()
    broker = kit.broker(f"host={connector.folder} dbname=x")
    for setup in (connector, broker):
        keys = keys_of(setup)
        check_information(setup)
        check_printing(setup, keys)
        check_mistakes(setup, keys)
        manual = (ROOT / "man" / f"{setup.name}.conf.5").read_text()
        tap.equal(re.findall(r"^\.It Cm (\S+)$", manual, re.MULTILINE), list(keys), f"the manual of {setup.name} lists the settings")
    secrets_that_cannot_be_used(connector, ["identity.key", "management.api_key"])
    secrets_that_cannot_be_used(broker, ["key", "log.key"])
    kit.listeners_that_cannot_open(connector, certificate, key, ("public.listen", "public.certificate", "public.key"),
                               ("management.listen", "management.certificate", "management.key"))
    databases_that_cannot_be_used(connector)
    databases_that_cannot_be_used(broker)
    kit.cannot_start(connector, {"database": "sqlite:/nonexistent/x.db"}, ["database", "/nonexistent/x.db"], "SQLite in a folder that is not there")
    kit.cannot_start(connector, {"identity.mode": "static"}, ["identity.static_tokens"], "static identity without tokens")
    kit.cannot_start(connector, {"fetch.ca": "/nonexistent/ca.pem"}, ["/nonexistent/ca.pem"], "CA certificates that are not there")
    kit.cannot_start(connector, {"fetch.allow": "10.0.0.0/99"}, ["10.0.0.0/99"], "an address block that is none")


main(scenario)
