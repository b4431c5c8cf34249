"""The conformance suite of the Dataspace Protocol, its counter-party played from the table of scenarios (../shared/tck, else skipped);
all tests, those too that the suite has disabled. docs/conformance.md says how to run the public suite."""

import sys

from harness import ROOT, main

sys.path.insert(0, str(ROOT / "tests" / "conformance"))
from run import play, scenarios  # pylint: disable=wrong-import-position
from subject import Subject  # pylint: disable=wrong-import-position


def scenario():
    play(Subject(scenarios(), delay_s=0.05), "replay", options=["-d"], name="replay")


main(scenario)
