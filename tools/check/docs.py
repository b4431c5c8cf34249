"""Documents in step with code: every setting, metric and error of the tables is mentioned in docs/ or man/.

A table that does not exist is not looked for. A name counts as mentioned if it stands by itself: "log.level" is not
mentioned by "log.levels".
"""

import re
import sys
from pathlib import Path

SETTING = re.compile(r'^\s*\{\s*"([a-z0-9_.-]+)",\s*CONF_', re.MULTILINE)
METRIC = re.compile(r'^(?:COUNTER|GAUGE|HISTOGRAM)\(\w+,\s*"(\w+)"', re.MULTILINE)
ERROR = re.compile(r"^ERROR\(E_(\w+),", re.MULTILINE)


def slug(name):
    return name.lower().replace("_", "-")


# what, file, pattern, name in documents, where it may be mentioned (a manual page, once there is one, must have it)
TABLES = [
    ("setting", "connector/settings.c", SETTING, str, ["man/naru-connector.conf.5", "docs"]),
    ("setting", "server/settings.c", SETTING, str, ["man/naru-broker.conf.5", "docs"]),
    ("metric", "lib/log/counters.def", METRIC, str, ["docs", "man"]),
    ("error", "lib/base/errors.def", ERROR, slug, ["docs", "man"]),
]


def read_all(places):
    text = []
    for place in map(Path, places):
        files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
        text += [p.read_text(errors="replace") for p in files]
    # mdoc writes a literal '-' as '\-'
    return "\n".join(text).replace("\\-", "-")


def main():
    mistakes = []
    for what, path, pattern, public, places in TABLES:
        if not Path(path).exists():
            continue
        names = [public(n) for n in pattern.findall(Path(path).read_text())]
        if not names:
            mistakes.append(f"{path}: no {what} found; has the form of its rows changed?")
        if Path(places[0]).is_file():
            places = places[:1]
        documents = read_all(places)
        for name in names:
            if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", documents):
                mistakes.append(f"{path}: {what} '{name}' is not mentioned in {' or '.join(places)}")
    print("\n".join(mistakes))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
