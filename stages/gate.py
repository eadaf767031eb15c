"""Fail if the workspace's results are worse than another commit's: `python -m stages.gate main`.

Worse is what `python -m stages.compare` calls so, on the test or the validation split. Results
on other images cannot be compared, and fail too: a person has to decide.
"""

import argparse
import sys

from stages.compare import SPLITS, WORKSPACE, compare_revisions, describe
from stages.shared.params import load_params


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("against", metavar="REV", help="commit, branch or tag")
    against = parser.parse_args().against
    confidence = load_params().evaluate.confidence
    verdicts = []
    for split in SPLITS:
        compared = compare_revisions(against, WORKSPACE, split, confidence)
        print(describe(against, WORKSPACE, split, compared, confidence))
        verdicts.append(compared.verdict(confidence))
    return int("worse" in verdicts)


if __name__ == "__main__":
    sys.exit(main())
