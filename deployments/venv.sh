#!/bin/sh
# Makes .venv from requirements.lock, or brings it up to date. With nothing to do it ends in milliseconds.
# Which package index is asked is the user's own setting of pip and uv.
set -eu
cd "$(dirname "$0")/.."

refuse() {
    echo "groundwork: $1" >&2
    exit 1
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$python" >/dev/null 2>&1 && is_new_enough "$python"; then
            command -v "$python"
            return
        fi
    done
    # `|| echo`: python3 may be a version manager's shim that has nothing behind it.
    found=$("${PYTHON:-python3}" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo none)
    refuse "Python: found $found, 3.11 or newer is needed. Install one, or name it with PYTHON=/path/to/python3.11."
}

make_venv() {
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        refuse "Python: $python has no venv module. Install it (Debian: apt-get install python3-venv)."
    "$python" -m venv --clear .venv
}

install_uv() {
    sed -n '/^uv==/,/^[a-z]/p' requirements.lock | sed '$d' >.venv/uv.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
}

install_all() {
    # --system-certs: uv trusts what the system trusts, as pip does. Compiled once here, Prefect starts seconds sooner
    # each time. uv does not read pip's settings: where it finds no index, pip may.
    .venv/bin/uv pip sync --quiet --system-certs --compile-bytecode --require-hashes \
        --python .venv/bin/python requirements.lock 2>.venv/uv.log || {
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock &&
            { .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null || true; }
    } || {
        cat .venv/uv.log >&2
        refuse "requirements.lock: the packages could not be installed (see above). Check pip's and uv's index settings."
    }
}

command -v git >/dev/null 2>&1 || refuse "git: not found. Install it (Debian: apt-get install git)."

hash=$(sha256sum requirements.lock)
if [ "$(cat .venv/stamp 2>/dev/null)" != "$hash $PWD" ] || [ ! -x .venv/bin/python ]; then
    # A moved folder makes a new one: the scripts in .venv/bin name their interpreter by its path.
    if [ ! -x .venv/bin/python ] || ! is_new_enough .venv/bin/python || ! grep -qsF " $PWD" .venv/stamp; then
        echo "Making .venv from requirements.lock ..."
        make_venv
        install_uv
    fi
    install_all
    echo "$hash $PWD" >.venv/stamp
fi
