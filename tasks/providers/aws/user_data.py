"""What a node does at its first boot: shows its host key, lets people in, mounts the shared folder.

It is a ``#cloud-config`` as cloud-init reads it (its documentation, "Module reference"), in JSON, which is YAML too.
"""

import json
import shlex
from collections.abc import Iterable

from blocks.aws_cluster import AwsGround
from blocks.errors import BadInput

MOST_BYTES = 16384
"""How long user data may be before it is encoded ("User data", Amazon EC2 User Guide)."""

_NFS = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"
"""How EFS wants to be mounted ("Recommended NFS mount settings", Amazon EFS User Guide)."""

_MOST_TRIES = 300
_WHOLE = "/mnt/groundwork"


def user_data(ground: AwsGround, host_key: tuple[str, str], people: Iterable[str]) -> str:
    """Return the user data of a launch; the same for the same arguments.

    Args:
        ground: What the cluster stands on.
        host_key: Private part in OpenSSH's text, and public part.
        people: Public keys that may come in beside the cluster's own, which the key pair brings.

    Raises:
        BadInput: It is longer than AWS takes.
    """
    private, public = host_key
    told = {
        "ssh_keys": {"ed25519_private": private, "ed25519_public": public},
        "ssh_authorized_keys": list(people),
        "runcmd": [["sh", "-c", mount_script(ground)]],
    }
    text = f"#cloud-config\n{json.dumps(told, sort_keys=True)}\n"
    if len(text.encode()) > MOST_BYTES:
        raise BadInput(
            f"with so many keys a node's user data has {len(text.encode())} bytes, and AWS takes {MOST_BYTES}",
            where="ssh_public_keys",
            advice="Give fewer.",
        )
    return text


def mount_script(ground: AwsGround) -> str:
    """Return the script that mounts the cluster's folder of the file system, now and at each boot.

    The mount target may come minutes after the node: until then the mount point is root's, so nobody writes beside the
    file system. The folder is made where it is missing, by whichever node is first.
    """
    source = f"{ground.file_system_id}.efs.{ground.region}.{_domain(ground.region)}"
    target, folder = shlex.quote(ground.shared), shlex.quote(f"{_WHOLE}{ground.folder}")
    line = f"{source}:{ground.folder} {ground.shared} nfs4 {_NFS},_netdev,nofail 0 0"
    return f"""sudo mkdir -p {target} {_WHOLE}
grep -q ' {ground.shared} nfs4 ' /etc/fstab || echo {shlex.quote(line)} | sudo tee -a /etc/fstab >/dev/null
for try in $(seq {_MOST_TRIES}); do
  if mountpoint -q {_WHOLE} || sudo mount -t nfs4 -o {_NFS},retry=0 {source}:/ {_WHOLE}; then
    sudo mkdir -p {folder} && sudo chown {shlex.quote(ground.user)} {folder} && sudo umount {_WHOLE} &&
      sudo mount {target} && exit 0
  fi
  sleep 2
done
echo "{ground.file_system_id} could not be mounted" >&2
exit 1
"""


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
