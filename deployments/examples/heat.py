"""How heat spreads in a plate: the 2-D heat equation, its rows shared out over all MPI ranks.

    mpiexec -n 8 python heat.py [ROWS COLUMNS STEPS]

Each rank holds a band of rows and one more row (a halo) above and below it, which it gets from its neighbours before
each step. At the end rank 0 gathers the bands, computes the same alone, compares, and draws ``heat.png`` into the
folder that GROUNDWORK_OUTPUT names. Exit code 1 means that the two differ.
"""

import os
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from PIL import Image

Plate = NDArray[np.float64]

ALPHA = 0.2  # share of the difference that flows in a step; stable below 0.25
REPORTS = 5


def cold_plate(rows: int, columns: int) -> Plate:
    """Return the plate at the start: cold, with a hot disc off its centre and a hot bar."""
    y, x = np.mgrid[0:rows, 0:columns]
    plate = np.zeros((rows, columns))
    plate[(y - rows * 0.35) ** 2 + (x - columns * 0.4) ** 2 < (min(rows, columns) * 0.18) ** 2] = 100.0
    plate[rows * 3 // 4 : rows * 3 // 4 + max(1, rows // 20), columns // 5 : columns * 4 // 5] = 80.0
    return plate


def step(band: Plate) -> Plate:
    """Return the inner rows of a band one step later; its first and last row are halos. Edges stay as they are."""
    inner = band[1:-1].copy()
    middle = band[1:-1, 1:-1]
    flow = band[:-2, 1:-1] + band[2:, 1:-1] + band[1:-1, :-2] + band[1:-1, 2:] - 4 * middle
    inner[:, 1:-1] = middle + ALPHA * flow
    return inner


def rows_of(rank: int, ranks: int, rows: int) -> tuple[int, int]:
    """Return the first row of a rank's band and the one after its last: as even as whole rows allow."""
    return rank * rows // ranks, (rank + 1) * rows // ranks


def spread(world: MPI.Intracomm, plate: Plate, steps: int) -> Plate:
    """Return this rank's band of the plate after some steps. The plate's first and last row never change."""
    rank, ranks, rows = world.rank, world.size, plate.shape[0]
    first, last = rows_of(rank, ranks, rows)
    band = np.zeros((last - first + 2, plate.shape[1]))
    band[1:-1] = plate[first:last]
    above = rank - 1 if rank > 0 else MPI.PROC_NULL
    below = rank + 1 if rank < ranks - 1 else MPI.PROC_NULL
    for number in range(1, steps + 1):
        world.Sendrecv(band[1], dest=above, recvbuf=band[-1], source=below)
        world.Sendrecv(band[-2], dest=below, recvbuf=band[0], source=above)
        later = step(band)
        top, bottom = int(first == 0), len(later) - int(last == rows)
        band[1 + top : 1 + bottom] = later[top:bottom]
        if rank == 0 and number % max(1, steps // REPORTS) == 0:
            print(f"step {number} of {steps}", flush=True)
    return band[1:-1]


def spread_alone(plate: Plate, steps: int) -> Plate:
    """Return the whole plate after some steps, computed without neighbours and halos."""
    plate = plate.copy()
    for _ in range(steps):
        plate[1:-1] = step(plate)
    return plate


def picture(plate: Plate) -> Image.Image:
    """Return the plate in colours from black over red and yellow to white."""
    heat = plate / max(plate.max(), 1e-9) * 3
    colours = [np.clip(heat - shift, 0, 1) * 255 for shift in range(3)]
    return Image.fromarray(np.stack(colours, axis=-1).astype(np.uint8))


def main() -> int:
    """Compute together, compare with the answer of one, and return the exit code."""
    rows, columns, steps = (int(word) for word in sys.argv[1:4]) if len(sys.argv) > 3 else (480, 640, 300)
    world = MPI.COMM_WORLD
    working = min(world.size, rows)  # a rank needs at least one row; further ranks have nothing to do
    team = world.Split(color=int(world.rank >= working), key=world.rank)
    code = 0
    if world.rank < working:
        start = cold_plate(rows, columns)
        bands = team.gather(spread(team, start, steps))
        if world.rank == 0:
            code = judge(np.vstack(bands), spread_alone(start, steps), world.size)
    team.Free()
    return int(world.bcast(code))


def judge(together: Plate, alone: Plate, ranks: int) -> int:
    """Draw the answer, say whether it is the one that a single rank gets, and return the exit code."""
    folder = Path(os.environ.get("GROUNDWORK_OUTPUT", "."))
    picture(together).save(folder / "heat.png")
    worst = float(np.abs(together - alone).max())
    if worst > 1e-9:
        print(f"WRONG: {ranks} ranks differ from one by {worst:g}", file=sys.stderr, flush=True)
        return 1
    print(f"{ranks} ranks agree with one; the plate's heat is {together.sum():.6f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
