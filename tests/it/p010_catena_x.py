"""The samples of the Catena-X profile (../shared/spec/odrl/cx, else skipped): `naru policy lint` refuses exactly those constraints
that the profile's own schemas refuse, but for numbers that are written as text, as CX-Neptune has them."""

import json
import os
import subprocess

from harness import BIN, ROOT, main, tap, temp_dir

CX = ROOT.parent / "shared" / "spec" / "odrl" / "cx"
ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent"}
PLACES = {"UsageRestriction": "prohibition", "DataProvisioningEndDate": "obligation", "DataProvisioningEndDurationDays": "obligation"}
PROFILE, ACCESS = "https://w3id.org/catenax/2025/9/policy/", ("BusinessPartnerNumber", "BusinessPartnerGroup")
NUMBERS = ("DataUsageEndDurationDays", "DataProvisioningEndDurationDays", "WarrantyDurationMonths")
# what docs/policy.md lists: sample, constraint
FAULTY = {
    ("contract-termination-constraint-sample.json", ""),
    ("usage-policy-sample.json", "/permission/0/constraint/0/and/2"),
    ("usage-policy-comprehensive-sample.json", "/prohibition/0/constraint/0/and/0"),
}


def constraints(value, at=""):
    """Every constraint with its place."""
    if isinstance(value, dict) and "leftOperand" in value:
        yield at, value
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inside:
        yield from constraints(member, f"{at}/{key}")


def schemas(jsonschema):
    """Operand -> validator, from the profile's folder."""
    found = {}
    for path in sorted((CX / "constraint").glob("*.json")):
        schema = json.loads(path.read_text())
        for part in schema["definitions"].values():
            if "leftOperand" in part.get("properties", {}):
                found[part["properties"]["leftOperand"]["const"]] = jsonschema.Draft201909Validator(schema)
    return found


def as_written(constraint):
    """CX-Neptune writes numbers as text; the schemas are those of 2025-09."""
    value = constraint["rightOperand"]
    if constraint["leftOperand"] in NUMBERS and isinstance(value, str) and value.isdecimal():
        return {**constraint, "rightOperand": int(value)}
    return constraint


def refused_by(validators, sample):
    return {at for at, constraint in constraints(sample) if not validators[constraint["leftOperand"]].is_valid(as_written(constraint))}


def lint(path):
    done = subprocess.run([BIN / "naru", "--json", "--home", "/nonexistent", "policy", "lint", path], capture_output=True, text=True,
                          timeout=60, env=ENVIRONMENT, check=False)
    return done.returncode, done.stdout, done.stderr


def policy_of(sample):
    """The sample in a policy of the profile; those for access policies in one."""
    if "leftOperand" not in sample:
        return {**sample, "profile": PROFILE}
    operand = sample["leftOperand"]
    rule = {"action": "access" if operand in ACCESS else "use", "constraint": [sample]}
    return {"@type": "Set", "profile": PROFILE, PLACES.get(operand, "permission"): [rule]}


def check_sample(path, folder, faults):
    sample = json.loads(path.read_text())
    written = folder / path.name
    written.write_text(json.dumps(policy_of(sample)))
    code, out, why = lint(written)
    if not faults:
        tap.ok(out.startswith("{"), f"{path.name}: understood", (code, out, why))
        findings = [f["code"] for f in json.loads(out or "{}").get("findings", ())]
        wrong = [f for f in findings if f in ("cx-operand", "cx-operator", "cx-value", "cx-exclusive", "cx-action")]
        tap.equal(wrong, [], f"{path.name}: as CX-0152 says")
        return
    place = next(iter(faults)) or "/permission/0/constraint/0"
    tap.ok(code != 0 and place in out + why, f"{path.name}: refused with the place", (code, out, why))


def run():
    try:
        import jsonschema
    except ImportError:
        tap.skip("samples of Catena-X", "python3-jsonschema is not installed")
        return
    if not CX.is_dir():
        tap.skip("samples of Catena-X", "../shared/spec/odrl/cx is not there")
        return
    validators, folder, seen = schemas(jsonschema), temp_dir(), set()
    samples = sorted((CX / "samples").glob("*.json"))
    tap.ok(len(validators) == 29 and len(samples) == 33, "29 schemas, 33 samples", (len(validators), len(samples)))
    for path in samples:
        faults = refused_by(validators, json.loads(path.read_text()))
        seen |= {(path.name, at) for at in faults}
        check_sample(path, folder, faults)
    tap.equal(seen, FAULTY, "the list of faulty samples is complete")


main(run)
