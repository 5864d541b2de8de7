"""``python -m tests.bench``: what we cost beside doing it by hand. The last line is the verdict."""

import argparse
import os
import sys
import tempfile

from tests.bench import creating, launching, output, prefect_share
from tests.bench.aws import measuring
from tests.bench.report import Goal, Row, show


def measure(
    launch: list[int], create: list[int], rounds: int, *, output_mb: int = 0, prefect: bool = False
) -> tuple[list[Row], list[Goal]]:
    """Measure launches and creations on clusters of these sizes, output coming home, and what Prefect costs a job."""
    launches = [launching.measure(nodes, rounds) for nodes in launch]
    creations = [creating.measure(nodes, max(rounds // 2, 1)) for nodes in create]
    goals = [goal for row in launches for goal in launching.goals(row)] + creating.goals(creations)
    homes = [output.measure(max(rounds // 2, 1), output_mb * 1_000_000)] if output_mb else []
    goals += [goal for row in homes for goal in output.goals(row)]
    shares = [prefect_share.measure(4, rounds)] if prefect else []
    return [*launches, *creations, *homes, *shares], goals


def main() -> int:
    """Read the options, measure in a home of its own, show."""
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument("--launch", type=int, nargs="*", default=[4, 16, 64], help="sizes of clusters to launch on")
    options.add_argument("--create", type=int, nargs="+", default=[4, 32, 128], help="sizes of clusters to create")
    options.add_argument("--output", type=int, default=200, help="MB of output to bring home; 0: none")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--without-prefect", action="store_true", help="leave out what needs a Prefect server")
    options.add_argument("--aws", type=int, nargs="*", default=[4, 32, 128], help="sizes of clusters in the AWS world")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gw-") as home:
        os.environ["GROUNDWORK_HOME"] = home
        rows, goals = measure(
            asked.launch, asked.create, asked.rounds, output_mb=asked.output, prefect=not asked.without_prefect
        )
    runs, more = measuring.measure(asked.aws) if asked.aws else ([], [])
    return show([*rows, *runs], [*goals, *more])


if __name__ == "__main__":
    sys.exit(main())
