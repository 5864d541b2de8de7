"""``python -m tests.bench.aws``: a cluster in AWS beside its critical path and others. The last line is the verdict."""

import argparse
import sys

from tests.bench.aws.measuring import measure
from tests.bench.report import show


def main() -> int:
    """Read the options, measure, show."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.aws", description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[4, 32, 128], help="nodes of the clusters")
    options.add_argument("--without-peers", action="store_true", help="measure ours alone")
    asked = options.parse_args()
    runs, goals = measure(asked.sizes, with_peers=not asked.without_peers)
    return show(runs, goals)


if __name__ == "__main__":
    sys.exit(main())
