"""Ansible as a peer: the playbook beside this file, run by a release of Ansible from PyPI in a venv of its own.

The venv is ``.venv-ansible``, made of the lock file beside this file when the bench first wants it; ``make clean``
takes it away. Ansible comes as the account's root user: nobody has to prove here that its rights are few.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.aws.peers import (
    KEY,
    NODE_TYPE,
    PLACES,
    PRIVATE_KEY,
    bucket_policy,
    role_policy,
    trusting_nodes,
    wait_ssh_open,
)
from tests.world.aws.launches import image
from tests.worlds.aws.keys import root_key
from tests.worlds.aws.latencies import SSH_OPEN_S, STATES
from tests.worlds.aws_world import CUSTOMER, AwsWorld
from tests.worlds.own_venv import ROOT, installed

VENV = ROOT / ".venv-ansible"
LOCK = Path(__file__).with_suffix(".lock")
PLAYBOOK = Path(__file__).with_name("playbook.yml")
BUCKET = "bench-ansible"


def program() -> Path:
    """Return ansible-playbook.

    Raises:
        NotInstalled: Ansible cannot be had on this machine.
    """
    return installed(VENV, LOCK, "ansible-playbook")


def by_playbook(aws: AwsWorld, nodes: int) -> None:
    """Run the playbook for so many nodes, then wait until SSH is open: ``wait`` of its module ends with running.

    Raises:
        NotInstalled: Ansible cannot be had on this machine.
        RuntimeError: The playbook failed; with its last words.
    """
    told = {
        "places": PLACES,
        "public_key": KEY.decode(),
        "private_key": PRIVATE_KEY,
        "trust": trusting_nodes(),
        "policy": role_policy(),
        "bucket": BUCKET,
        "tls_only": bucket_policy(BUCKET),
        "image": image(aws.client("ec2")),
        "node_type": NODE_TYPE,
        "nodes": nodes,
    }
    with tempfile.TemporaryDirectory() as home:
        words = [str(program()), "-i", "localhost,", "-e", json.dumps(told), str(PLAYBOOK)]
        done = subprocess.run(words, env=_environment(aws, home), cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ansible-playbook: {(done.stdout + done.stderr)[-3000:]}")
    [launch] = [call for call in aws.calls("ec2:RunInstances") if 200 <= call["status"] < 300]
    since_s = time.time() - launch["at_s"]
    wait_ssh_open(time.monotonic() - since_s + STATES["instance_s"]["pending"] + SSH_OPEN_S)


def _environment(aws: AwsWorld, home: str) -> dict[str, str]:
    root = root_key(CUSTOMER)
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "LANG": "C.UTF-8",
        "ANSIBLE_HOME": home,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": str(VENV / "bin" / "python"),
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": root.access_key,
        "AWS_SECRET_ACCESS_KEY": root.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
