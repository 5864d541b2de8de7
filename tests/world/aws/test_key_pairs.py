"""Key pairs in the world: they go by id as well as by name (OPS-24)."""

from tests.world.aws.refusals import refused
from tests.worlds.aws_world import AwsWorld


def test_key_pairs_by_id(aws: AwsWorld) -> None:
    """Moto answers yes to a deletion by id, and keeps the key."""
    ec2 = aws.client("ec2")
    one, two = (ec2.create_key_pair(KeyName=name, KeyType="ed25519")["KeyPairId"] for name in ("one", "two"))
    refused("InvalidKeyPair.Duplicate", ec2.create_key_pair, KeyName="one")
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyPairIds=["key-00000000000000000"])
    refused("MissingParameter", ec2.delete_key_pair)
    assert [pair["KeyName"] for pair in ec2.describe_key_pairs(KeyPairIds=[two])["KeyPairs"]] == ["two"]
    assert ec2.delete_key_pair(KeyPairId=one)["KeyPairId"] == one
    assert [pair["KeyPairId"] for pair in ec2.describe_key_pairs()["KeyPairs"]] == [two]
    ec2.delete_key_pair(KeyPairId=one)
    ec2.delete_key_pair(KeyName="never-there")
    ec2.delete_key_pair(KeyName="two")
    assert ec2.describe_key_pairs()["KeyPairs"] == []
