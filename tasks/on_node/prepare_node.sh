#!/bin/sh
# prepare_node.sh [nfs]: make a node of any place ready for MPI. May be repeated; what is there already is kept.
#
# It looks for mpiexec (hydra's: MPICH or Intel MPI) and for a Python 3.10 or newer that has mpi4py, in PATH and in
# /opt/*/bin; for the OpenSSH client; with `nfs`, for what mounts shared folders. What is missing is installed: by dnf or
# apt-get, and MPI with mpi4py from Python's wheels into a folder of its own. Then $GROUNDWORK_PREFIX/bin (usually
# /opt/groundwork/bin) gets mpiexec and python, and two ranks have to find each other.
#
# Standard output: what was found, a `name: value` in each line. The last line is `ready: ...` with code 0; or, on
# standard error, `not ready: ...` with code 1. Run it over SSH as root, not as user data: it waits for cloud-init.

set -u
LC_ALL=C
export LC_ALL
prefix=${GROUNDWORK_PREFIX:-/opt/groundwork}
wheels=${GROUNDWORK_WHEELS:-mpich==5.0.2 mpi4py==4.1.2}
shared=${1:-}
has_mpi='import sys, mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; sys.exit(sys.version_info < (3, 10))'
meet='from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))'

not_ready() {
  echo "not ready: $*" >&2
  exit 1
}

# Where programs are looked for, one folder a line. Our own links are no answer to where they should lead.
folders() {
  { echo "$PATH" | tr ':' '\n'; ls -d /opt/*/bin /usr/local/bin /usr/lib64/mpich/bin "$prefix/mpi/bin" 2>/dev/null; } |
    grep -v -x -F -e "$prefix/bin" -e ''
}

# find_with TEST NAME...: print the first program of these names that passes a test.
find_with() {
  good=$1
  shift
  folders | while read -r folder; do
    for name in "$@"; do
      if [ -f "$folder/$name" ] && [ -x "$folder/$name" ] && "$good" "$folder/$name"; then
        echo "$folder/$name"
        break 2
      fi
    done
  done
}

is_there() { true; }
is_hydra() { "$1" --version </dev/null 2>&1 | grep -q -e HYDRA -e Intel; }
is_new() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' </dev/null >/dev/null 2>&1; }
is_python() { "$1" -I -c "$has_mpi" </dev/null >/dev/null 2>&1; }

look() {
  mpiexec=$(find_with is_hydra mpiexec.hydra mpiexec)
  python=$(find_with is_python python3.13 python3.12 python3.11 python3.10 python3 python)
}

# install DNF_PACKAGES APT_PACKAGES: what they say goes to standard error, so that the last line there is ours.
install() {
  if command -v dnf >/dev/null; then
    # shellcheck disable=SC2086 # several packages in one word
    dnf --quiet --assumeyes install $1 </dev/null >&2 || not_ready "dnf could not install $1: is there a way to its mirrors?"
  elif command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # shellcheck disable=SC2086
    { apt-get -q -o DPkg::Lock::Timeout=300 update && apt-get -q -y -o DPkg::Lock::Timeout=300 install $2; } \
      </dev/null >&2 || not_ready "apt-get could not install $2: is there a way to its mirrors, and are we root?"
  else
    not_ready "$1 is missing, and there is neither dnf nor apt-get to install it"
  fi
}

install_mpi() {
  python=$(find_with is_new python3.13 python3.12 python3.11 python3.10 python3)
  if [ -z "$python" ] || ! "$python" -I -c 'import ensurepip' </dev/null >/dev/null 2>&1; then
    install python3.11 "python3 python3-venv"
    python=$(find_with is_new python3.13 python3.12 python3.11 python3.10 python3)
    [ -n "$python" ] || not_ready "no Python 3.10 or newer, though one was installed"
  fi
  # A folder that an earlier run left half done is made anew.
  "$python" -m venv --clear "$prefix/mpi" </dev/null >&2 || not_ready "$python could not make $prefix/mpi"
  # shellcheck disable=SC2086
  "$prefix/mpi/bin/python" -m pip install --quiet --disable-pip-version-check $wheels </dev/null >&2 ||
    not_ready "pip could not install $wheels: is there a way to Python's package index?"
  mpiexec=$prefix/mpi/bin/mpiexec python=$prefix/mpi/bin/python
}

# A file that starts a program by its own path: hydra and Python look for their parts beside it, and not beside a link.
put() {
  part=$prefix/bin/.$2.$$
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$1" >"$part" && chmod 755 "$part" && mv -f "$part" "$prefix/bin/$2" ||
    not_ready "cannot write $prefix/bin/$2"
}

if command -v cloud-init >/dev/null; then
  cloud-init status --wait </dev/null >/dev/null 2>&1
fi
mkdir -p "$prefix/bin" 2>/dev/null || not_ready "cannot make $prefix/bin: are we root?"

if [ -z "$(find_with is_there ssh)" ]; then
  install openssh-clients openssh-client
fi
mounter=
if [ "$shared" = nfs ]; then
  PATH=$PATH:/sbin:/usr/sbin
  mounter=$(find_with is_there mount.nfs4)
  if [ -z "$mounter" ]; then
    install nfs-utils nfs-common
    mounter=$(find_with is_there mount.nfs4)
    [ -n "$mounter" ] || not_ready "no mount.nfs4, though it was installed"
  fi
fi
look
if [ -z "$mpiexec" ] || [ -z "$python" ]; then
  install_mpi
fi
put "$mpiexec" mpiexec
put "$python" python

met=$("$prefix/bin/mpiexec" -n 2 "$prefix/bin/python" -I -c "$meet" </dev/null 2>&1 | tr '\n' ' ')
[ "$met" = "2 2 " ] || not_ready "two ranks of $mpiexec with $python did not find each other: $met"

echo "system: $(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-}") $(uname -m)"
echo "python: $python ($("$python" -I -c 'import platform; print(platform.python_version())' </dev/null))"
echo "mpiexec: $mpiexec ($("$mpiexec" --version </dev/null 2>&1 | sed -n 's/^ *Version: *//p' | head -n 1))"
echo "ssh: $(ssh -V </dev/null 2>&1)"
[ -z "$mounter" ] || echo "mount.nfs4: $mounter"
echo "ready: $prefix/bin/mpiexec $prefix/bin/python"
