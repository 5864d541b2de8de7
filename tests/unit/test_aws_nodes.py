"""What nodes in AWS are asked for and read from: texts only, no cloud (CLU-11)."""

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from hypothesis import given
from hypothesis import strategies as st

from blocks.aws_cluster import AwsGround
from blocks.errors import BadInput
from tasks.providers.aws.host_keys import host_key
from tasks.providers.aws.node_listing import LONGEST_TAG, chunks, indexes_in, ranges
from tasks.providers.aws.user_data import MOST_BYTES, user_data

GROUND = AwsGround(
    user="ec2-user",
    shared="/shared",
    python="/opt/groundwork/bin/python",
    mpiexec="/opt/groundwork/bin/mpiexec",
    region="us-east-1",
    subnets=(("us-east-1a", "subnet-1"),),
    security_groups=("sg-1",),
    image_id="ami-1",
    root_device="/dev/xvda",
    instance_profile="p",
    key_name="k",
    disk_key="arn",
    file_system_id="fs-1",
    folder="/clusters/u",
)


@given(st.sets(st.integers(1, 600), min_size=1))
def test_indexes_survive_their_tag(indexes: set[int]) -> None:
    """CLU-11: a node's index is in no other place than this text, which AWS cuts off nowhere but refuses."""
    assert indexes_in(ranges(indexes)) == tuple(sorted(indexes))
    parts = list(chunks(sorted(indexes)))
    assert [index for part in parts for index in part] == sorted(indexes)
    assert all(len(ranges(part)) <= LONGEST_TAG for part in parts)


@pytest.mark.parametrize("text", ["", "a", "1-", "1,,2", "-3", "1;2"])
def test_a_tag_that_somebody_changed_tells_no_index(text: str) -> None:
    """CLU-12: better no node than another one's index."""
    assert indexes_in(text) == ()


def test_ranges_are_short() -> None:
    """A tag has 256 letters."""
    assert ranges([1, 3, 4, 5, 9, 8]) == "1,3-5,8-9"


@given(st.text(min_size=1), st.text())
def test_host_keys_are_made_again_the_same(secret: str, launch: str) -> None:
    """CLU-11: AWS refuses a token with other user data; and OpenSSH must be able to read what we wrote."""
    private, public = host_key(secret, launch)
    assert host_key(secret, launch) == (private, public)
    read = load_ssh_private_key(private.encode(), None).public_key()
    assert read.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() == public
    assert len({public, host_key(secret + "x", launch)[1], host_key(secret, launch + "x")[1]}) == 3


def test_user_data_that_is_too_long_is_refused_with_the_field() -> None:
    """AWS would refuse it with words of its own, after all else was made."""
    key = host_key("s", "l")
    told = json.loads(user_data(GROUND, key, ["ssh-ed25519 AAAA me"]).removeprefix("#cloud-config\n"))
    assert told["ssh_authorized_keys"] == ["ssh-ed25519 AAAA me"]
    assert told["ssh_keys"] == {"ed25519_private": key[0], "ed25519_public": key[1]}
    with pytest.raises(BadInput, match="ssh_public_keys"):
        user_data(GROUND, key, ["ssh-rsa " + "A" * 1000] * (MOST_BYTES // 1000))
