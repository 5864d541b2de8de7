#!/bin/sh
# rank_guard.sh PYTHON PROGRAMS JOB_FOLDER WORKDIR PROGRAM [ARGUMENT...]: what mpiexec starts for every rank.
#
# After a program's bad end it notes the rank and has mpiexec end all others. hydra itself does so for signals only;
# after a code the others would wait for ever. A shell, because that costs a rank 1 ms and Python would cost 7.

python=$1 programs=$2 folder=$3 workdir=$4
shift 4
# The folder of the job's own programs, where it has one: they are found before the node's.
[ "$programs" = - ] || export PATH="$programs:$PATH"
# hydra sends signals to the rank's whole group: the program gets them too, and the guard lives to tell its end.
trap : HUP INT TERM USR1 USR2
# exec, for PROGRAM is a program, never a word of the shell's. Without the /dev/null any rank but the first that reads
# its standard input would wait for ever.
cd "$workdir" && (exec "$@" </dev/null)
code=$?
[ "$code" -eq 0 ] && exit 0
# A line for each rank that fails: rank, code (below 0: a signal's number) and node. Before anything else is started,
# for its peers may crash a moment later, of its silence.
noted=$code
[ "$code" -le 128 ] || [ "$code" -gt 192 ] || noted=$((128 - code))
{ echo "${PMI_RANK:--1} $noted ${PMI_HOSTNAME:-$(uname -n)}" >>"$folder/failed"; } 2>/dev/null
exec "$python" -I -S "${0%/*}/rank_failed.py" "$code"
