"""Each check of tools/check can fail: a small tree with one mistake, and what the check says about it."""

import os
import shutil
import subprocess
from pathlib import Path

from harness import ROOT, Skip, main, tap, temp_dir

BASE = {
    "lib/base/banned.h": "#pragma once\n#include <stdio.h>\n#include <string.h>\n#pragma GCC poison strcpy\n",
    "lib/base/good.h": "#pragma once\nint base_good(void);\n",
    "lib/base/good.c": '#include "lib/base/good.h"\n\n#include "lib/base/banned.h"\n',
}

# check, file, its content, what is said; None: nothing
CASES = [
    ("includes", "lib/base/good.c", '#include "lib/log/log.h"\n', "lib/base may not include lib/log"),
    ("includes", "lib/base/good.c", "#include <jansson.h>\n", "<jansson.h> belongs to lib/jdoc alone"),
    ("includes", "lib/http/a.c", "#include <gnutls/gnutls.h>\n", None),
    ("includes", "server/order/a.c", '#include "connector/app.h"\n', "server/order may not include connector"),
    ("includes", "server/order/a.c", '#include "server/audit/audit_private.h"\n', "is private to server/audit"),
    ("includes", "policy/a.c", '#include "lib/log/log.h"\n', "policy may not include lib/log"),
    ("includes", "lib/other/a.c", "\n", "folder lib/other is not in"),
    ("includes", "lib/base/good.c", '#include "good.h"\n', "is not named from the root"),
    ("sql", "sql/query/broker/a.sql", "-- name: a\nSELECT *\n  FROM t;\n", "list the columns"),
    ("sql", "sql/query/broker/a.sql", "-- name: a\nSELECT count(*)\n  FROM t;\n", None),
    ("sql", "sql/query/broker/a.sql", "-- name: a\nselect b FROM t;\n", "keyword 'select' in lower case"),
    ("sql", "sql/query/broker/a.sql", "SELECT b FROM t;\n-- name: a\nSELECT 1;\n", "before the first '-- name:'"),
    ("sql", "sql/query/broker/a.sql", "-- name: a\nSELECT b FROM t LIMIT 5;\n", "LIMIT without ORDER BY"),
    ("sql", "sql/query/broker/a.sql", "-- name: a\nSELECT ';' FROM t; SELECT 1;\n", "one statement"),
    ("sql", "sql/query/broker/a.sql", "-- name: a\nSELECT 'select * from' -- select\n  FROM t;\n", None),
    ("sql", "server/a.c", 'const char *a = "SELECT b FROM t";\n', "SQL text in C"),
    ("sql", "server/a.c", 'const char *a = " insert into t values (1)";\n', "SQL text in C"),
    ("sql", "server/a.c", '/* "SELECT b" */\nconst char *a = "update failed";\n', None),
    ("words", "a.md", "TO" "DO later\n", "open work"),
    ("words", "a.md", "TO" "DO(#12): later\n", None),
    ("words", "a.md", "FIX" "ME\n", "unfinished"),
    ("words", "a.md", "this is not imple" "mented\n", "announced"),
    ("words", "a.md", "see /ho" "me/someone/x\n", "one machine"),
    ("words", "a.md", "see https://example.org/ho" "me/x\n", None),
    ("words", "a.md", "end", "no newline"),
    ("words", "a.md", "end \n", "white space"),
    ("words", "a.c", "\tint a;\n", "a tab"),
    ("docs", "lib/log/counters.def", 'COUNTER(C_A, "naru_a", "", "x")\n', "metric 'naru_a'"),
    ("docs", "lib/base/errors.def", 'ERROR(E_NOT_FOUND, 404, NEVER, INFO, "x")\n', "error 'not-found'"),
    ("docs", "server/settings.c", '    {"log.level", CONF_STR, 0},\n', "setting 'log.level'"),
    ("docs", "server/settings.c", "\n", "has the form of its rows changed"),
    ("ban", "lib/base/banned.h", "#pragma once\n#include <stdio.h>\n#include <string.h>\n", "bans nothing"),
    ("ban", "lib/base/good.c", '#include "lib/base/banned.h"\n#include "lib/base/good.h"\n', "the last include is not"),
    ("ban", "lib/base/good.c", "int a;\n", "the last include is not"),
    ("headers", "lib/base/good.h", "#pragma once\nsize_t base_good(void);\n", "size_t"),
    ("python", "a.py", "def a(:\n", "SyntaxError"),
    ("shell", "a.sh", "#!/bin/sh\nrm $1\n", "SC2086"),
    ("format", "a.c", "int  a ;\n", "clang-format-violations"),
]
TOOLS = {"format": "clang-format", "shell": "shellcheck", "headers": "pkg-config"}


def tree(files):
    folder = temp_dir()
    shutil.copytree(ROOT / "tools" / "check", folder / "tools" / "check")
    shutil.copy(ROOT / ".clang-format", folder)
    (folder / "Makefile").write_text("build/gen/%.h:\n\t@mkdir -p build/gen && touch $@\n")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(folder)]
    subprocess.run(git + ["init", "-q"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(git + ["add", "-A"], check=True, stderr=subprocess.DEVNULL)
    return folder


def run_check(folder, name):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    done = subprocess.run([str(Path(folder) / "tools/check/check"), name], env=env, text=True, capture_output=True,
                          check=False)
    return done.returncode, done.stdout + done.stderr


def scenario():
    if not shutil.which("git"):
        raise Skip("git is not installed")
    for name in sorted({c[0] for c in CASES}):
        if name in ("format", "python", "shell"):
            files = {**BASE, "good.c": "int a;\n", "good.sh": "#!/bin/sh\necho\n", "good.py": "A = 1\n"}
        else:
            files = BASE
        if name in TOOLS and not shutil.which(TOOLS[name]):
            tap.skip(f"{name} on a good tree", f"{TOOLS[name]} is not installed")
            continue
        status, output = run_check(tree(files), name)
        tap.ok(status == 0 and output == f"ok   {name}\n", f"{name} on a good tree", output)

    for name, path, content, said in CASES:
        if name in TOOLS and not shutil.which(TOOLS[name]):
            continue
        status, output = run_check(tree({**BASE, path: content}), name)
        line = content.strip().splitlines()[-1] if content.strip() else "empty"
        if said is None:
            tap.ok(status == 0, f"{name} accepts {path}: {line}", output)
        else:
            tap.ok(status == 1 and said in output, f"{name} refuses {path}: {line}", output)

    env_path = temp_dir()
    for tool in ("sh", "git", "mktemp", "rm", "nproc", "dirname", "head", "sed", "wc"):
        os.symlink(shutil.which(tool), env_path / tool)
    done = subprocess.run([str(tree(BASE) / "tools/check/check"), "format"], env={"PATH": str(env_path)}, text=True,
                          capture_output=True, check=False)
    tap.ok(done.returncode == 1 and "in the package clang-format" in done.stdout, "a missing tool is a failure that names "
           "its package", done.stdout + done.stderr)


main(scenario)
