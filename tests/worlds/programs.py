"""Small MPI programs, as a user would have them in a repository."""

HELLO = """
import os, sys
from mpi4py import MPI
comm = MPI.COMM_WORLD
total = comm.allreduce(1)
print("rank", comm.Get_rank(), "of", total, "says", sys.argv[1:], flush=True)
comm.Barrier()
if comm.Get_rank() == 0:
    with open(os.environ["GROUNDWORK_OUTPUT"] + "/answer.txt", "w") as file:
        file.write("%d %s" % (total, os.environ.get("WISH", "")))
"""

FAILS = """
import os, sys
from mpi4py import MPI
if MPI.COMM_WORLD.Get_rank() == 1:
    print("the stove is cold", file=sys.stderr, flush=True)
    with open(os.environ["GROUNDWORK_OUTPUT"] + "/partial.txt", "w") as file:
        file.write("half")
    sys.exit(7)
MPI.COMM_WORLD.Barrier()
"""

# Counts its own starts, says that it runs, and goes on until it is told to finish (60 s at most).
LASTS = """
import os, sys, time
from mpi4py import MPI
comm, folder = MPI.COMM_WORLD, sys.argv[1]
if comm.Get_rank() == 0:
    with open(folder + "/starts", "a") as file:
        file.write("started by %d\\n" % os.getppid())
comm.Barrier()
print("rank", comm.Get_rank(), "is at work", flush=True)
deadline = time.time() + 60
while not os.path.exists(folder + "/finish") and time.time() < deadline:
    time.sleep(0.1)
comm.Barrier()
print("rank", comm.Get_rank(), "is done", flush=True)
"""

FILES = {"hello.py": HELLO, "fails.py": FAILS, "deep/lasts.py": LASTS}
