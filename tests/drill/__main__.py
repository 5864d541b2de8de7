"""``python -m tests.drill``: each flow is killed at each of its calls to AWS. The last line is the verdict."""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.drill.lives import LIVES
from tests.drill.points import Result, Spoilt, Undisturbed, plans
from tests.drill.side_by_side import Lanes, lanes
from tests.drill.snapshot import difference
from tests.drill.storms import STORMS
from tests.worlds.aws.noting import FOLDER
from tests.worlds.aws_exactness import found_in


def rehearse(opened: Lanes, names: Sequence[str]) -> dict[str, list[Undisturbed]]:
    """Live each life twice undisturbed: both have to end in the same world, or there is nothing to compare with."""
    found: dict[str, list[Undisturbed]] = {}
    for number, known in opened.do([("undisturbed", name) for name in [*names, *names]]):
        name = names[number % len(names)]
        first = found.setdefault(name, known)
        for one, other in zip(first, known, strict=True):
            if one.world != other.world:
                raise Spoilt(f"{name}: {one.act} ends differently each time: {difference(one.world, other.world)}")
    for name, known in found.items():
        for each in known:
            print(f"{name}: {each.act:<16} {len(each.points):>4} points, {each.took_s:.1f} s undisturbed", flush=True)
    return found


def drill(opened: Lanes, known: dict[str, list[Undisturbed]], sample: int, seed: int) -> list[Result]:
    """Kill each act at each of its points, or at some that a seed draws; then the storms."""
    jobs: list[tuple[Any, ...]] = []
    for name, acts in known.items():
        lives = plans(acts)
        lives = random.Random(seed).sample(lives, min(sample, len(lives))) if sample else lives
        jobs += [("disturbed", name, acts, plan) for plan in lives]
    jobs += [
        ("storm", storm.life.name, number, known[storm.life.name])
        for number, storm in enumerate(STORMS)
        if storm.life.name in known
    ]
    results: list[Result] = []
    began = time.monotonic()
    for count, (_, found) in enumerate(opened.do(jobs), 1):
        results += found
        for result in found:
            if not result.is_good:
                print(result, flush=True)
        if count % 20 == 0:
            print(f"{count} of {len(jobs)} lives, {time.monotonic() - began:.0f} s", flush=True)
    return results


def verdict(results: Sequence[Result]) -> int:
    """Print what the last line has to say; the exit code."""
    points = [result for result in results if result.reached]
    good = [result for result in points if result.is_good]
    left = sum(len(result.left) for result in results)
    bad = [result for result in results if not result.is_good]
    for result in results:
        if not result.reached:
            print(f"not reached this time: {result.act}, {result.point}")
    if bad:
        print(*bad, sep="\n")
    word = "FAILED" if bad or not points else "OK"
    print(f"{word}: {len(points)} points, {len(good)} converged, {left} leaked")
    return 0 if word == "OK" else 1


def main() -> int:
    """Read the options, drill, say how it went."""
    options = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    options.add_argument("--lives", nargs="+", choices=list(LIVES), default=list(LIVES))
    options.add_argument("--lanes", type=int, default=3, help="how many worlds side by side")
    options.add_argument("--sample", type=int, default=0, help="so many lives of each kind instead of all")
    options.add_argument("--seed", type=int, default=1, help="which ones")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gw-calls-") as folder:
        os.environ[FOLDER] = folder
        with lanes(asked.lanes) as opened:
            results = drill(opened, rehearse(opened, asked.lives), asked.sample, asked.seed)
        print(*found_in(Path(folder)).lines(), sep="\n")
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
