"""Runs the shell blocks of a document in order and compares each answer with the block that follows it.

A ```sh block is a request; the ```json or ```text block right after it is its answer. In JSON other members may come too, "…" is any text, and
"$NAME" is remembered as a variable of the shell, or compared if it is known. The word *until* before a request repeats it until it is so answered.
"""

import json
import re
import subprocess

from harness import environment, tap, wait_until

BLOCK = re.compile(r"^(?:\*(until)\*\n\n)?```sh\n(.*?)\n```\n```(json|text)\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


class Different(AssertionError):
    pass


def exact(value):
    return value


def any_shape(value):
    """A JSON-LD value whatever its prefixes and lists of one: what is said is compared, not how."""
    if isinstance(value, list):
        return any_shape(value[0]) if len(value) == 1 else [any_shape(v) for v in value]
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            return any_shape(value["@id"])
        return {re.sub(r"^(dcat|odrl|dct|edc|dspace):", "", k): any_shape(v) for k, v in value.items()}
    return re.sub(r"^(dcat|odrl):", "", value) if isinstance(value, str) else value


def match(want, got, seen, at=""):
    """Compares; adds to `seen` what is to be remembered."""
    if isinstance(want, dict):
        if not isinstance(got, dict):
            raise Different(f"{at}: {got!r} is no object")
        for key, value in want.items():
            if key not in got:
                raise Different(f"{at}/{key} is missing in {got!r}")
            match(value, got[key], seen, f"{at}/{key}")
    elif isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            raise Different(f"{at}: {got!r} is no list of {len(want)}")
        for i, value in enumerate(want):
            match(value, got[i], seen, f"{at}/{i}")
    elif isinstance(want, str) and want.startswith("$"):
        if seen.setdefault(want[1:], got) != got or not isinstance(got, str):
            raise Different(f"{at}: {got!r} instead of {seen[want[1:]]!r}")
    elif want != got and not (want == "…" and isinstance(got, str)):
        raise Different(f"{at}: {got!r} instead of {want!r}")


def compare(kind, want, got, variables, shape):
    seen = dict(variables)
    if kind == "text":
        match(want, got.strip(), seen)
    else:
        match(shape(json.loads(want)), shape(json.loads(got)), seen)
    variables.update(seen)


def run(path, variables, shape=exact):
    """Runs the requests with these variables of the shell; one result each. Returns how many there were."""
    variables = dict(variables)
    count = 0
    for count, block in enumerate(BLOCK.finditer(path.read_text()), 1):
        until, request, kind, want = block.groups()
        name = f"{path.name}: {count}. {first_url(request)}"

        def once(request=request, kind=kind, want=want):
            done = subprocess.run(["sh", "-c", request], env=environment(variables), capture_output=True, text=True, check=False,
                                  timeout=60)
            compare(kind, want, done.stdout, variables, shape)
            return True

        try:
            wait_until(once, 60, name) if until else once()
        except Exception as e:  # noqa: BLE001 - what follows needs this answer
            tap.ok(False, name, e)
            return count
        tap.ok(True, name)
    return count


def first_url(request):
    verb = "DELETE" if "-X DELETE" in request else "POST" if " -d " in request else "GET"
    return verb + " $" + re.search(r'"\$(\S+?)"', request)[1]
