"""Blocks of addresses: who may come to a cluster, and where a subnet may be."""

import ipaddress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.aws_cluster import Service
from blocks.errors import BadInput
from blocks.exposure import EVERYONE, Opening, becomes_everyone, is_everyone, normalised
from tasks.providers.aws.own_network import AWS_MASKS, OWN_MASKS, why_no_subnet
from tasks.providers.aws.ports import PORTS, ssh_from

FOURS = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
SIXES = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address).filter(lambda one: one.ipv4_mapped is None)
BLOCKS = st.one_of(
    st.tuples(FOURS, st.integers(0, 32)).map(lambda told: ipaddress.IPv4Network(told, strict=False)),
    st.tuples(SIXES, st.integers(0, 128)).map(lambda told: ipaddress.IPv6Network(told, strict=False)),
).filter(lambda block: block.version == 4 or block.network_address.ipv4_mapped is None)


@given(FOURS)
def test_one_address_of_ipv4(address: ipaddress.IPv4Address) -> None:
    """NET-10: it is a block of one, with its mask told or not."""
    assert normalised(str(address), field="f") == normalised(f"{address}/32", field="f") == f"{address}/32"


@given(SIXES, st.booleans())
def test_one_address_of_ipv6_has_one_form(address: ipaddress.IPv6Address, big: bool) -> None:
    """NET-10: written out, in capitals or with `::`, it is the same rule; AWS would refuse the second one."""
    spelled = [address.exploded, address.compressed, str(address)]
    forms = {normalised(f"{one.upper() if big else one}/128", field="f") for one in spelled}
    assert forms == {f"{address.compressed}/128"}


@given(BLOCKS)
def test_blocks_are_as_ipaddress_knows_them(block: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    """NET-10: a larger block keeps its mask; normalising twice changes nothing."""
    once = normalised(str(block), field="f")
    assert ipaddress.ip_network(once) == block
    assert normalised(once, field="f") == once


@given(BLOCKS.filter(lambda block: block.num_addresses > 1), st.data())
def test_an_address_with_a_wide_mask_is_refused(
    block: ipaddress.IPv4Network | ipaddress.IPv6Network, data: st.DataObject
) -> None:
    """NET-10: 203.0.113.7/24 may mean one address or 256: guessing would open 255 too many."""
    inside = block.network_address + data.draw(st.integers(1, block.num_addresses - 1))
    with pytest.raises(BadInput, match=r"addresses: .* is no block of addresses"):
        normalised(f"{inside}/{block.prefixlen}", field="addresses")


@pytest.mark.parametrize(
    "wrong",
    ["", "me", "203.0.113.7/33", "2001:db8::1/129", "203.0.113.300/32", "010.0.0.1/32", "1.2.3/32", "::1::/128"],
)
def test_what_is_no_address(wrong: str) -> None:
    """NET-10: refused with the field, before AWS is asked."""
    with pytest.raises(BadInput, match="allowed_addresses"):
        normalised(wrong, field="allowed_addresses")


def test_ipv4_in_ipv6s_words() -> None:
    """NET-10: a rule for ::ffff:203.0.113.7 lets nobody in: packets of IPv4 do not match it."""
    with pytest.raises(BadInput, match="IPv4 address in IPv6's words"):
        normalised("::ffff:203.0.113.7/128", field="addresses")


@pytest.mark.parametrize("everyone", ["0.0.0.0/0", "::/0", "0:0::0/0", "0.0.0.0/00"])
def test_everyone_by_any_name(everyone: str) -> None:
    """NET-11."""
    assert is_everyone([normalised(everyone, field="f")])


@given(BLOCKS, st.integers(1, 4))
def test_the_parts_of_a_block_are_everyone_where_it_is(
    block: ipaddress.IPv4Network | ipaddress.IPv6Network, deeper: int
) -> None:
    """NET-11: two halves of the internet are the internet, and so are four quarters; one less is not."""
    parts = [str(one) for one in block.subnets(min(deeper, block.max_prefixlen - block.prefixlen))]
    assert is_everyone(parts) is (block.prefixlen == 0)
    whole = [str(one) for one in ipaddress.ip_network(EVERYONE).subnets(deeper)]
    assert is_everyone(whole)
    assert not is_everyone(whole[1:])


def test_what_becomes_everyone_by_being_added() -> None:
    """NET-11: the second half is asked about; a single address beside a confirmed everyone is not."""
    assert becomes_everyone(["0.0.0.0/1"], ["128.0.0.0/1"])
    assert not becomes_everyone([EVERYONE], ["203.0.113.7/32"])
    assert becomes_everyone([EVERYONE], [EVERYONE])
    assert not becomes_everyone(["0.0.0.0/1"], ["::/1", "8000::/2"])
    assert not becomes_everyone([], [])


@given(st.lists(BLOCKS, max_size=8))
def test_everyone_is_what_ipaddress_says(blocks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
    """NET-11: by counting addresses."""
    counted = any(
        sum(one.num_addresses for one in ipaddress.collapse_addresses(own)) == 2**bits
        for own, bits in (
            ([one for one in blocks if one.version == 4], 32),
            ([one for one in blocks if one.version == 6], 128),
        )
    )
    assert is_everyone(map(str, blocks)) is counted


def test_an_opening_ends_in_whole_seconds_of_utc() -> None:
    """NET-10: what is written into a description is what is read from it again, wherever the machine stands."""
    local = datetime(2030, 1, 1, 2, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    [one] = ssh_from(["203.0.113.7/32", "203.0.113.7"], local)
    assert one == Opening(
        service=Service.SSH, port=22, address="203.0.113.7/32", until=datetime(2030, 1, 1, tzinfo=UTC)
    )
    assert not one.is_over(datetime(2029, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert one.is_over(datetime(2030, 1, 1, tzinfo=UTC))
    assert not ssh_from(["203.0.113.7"], None)[0].is_over(local)


def test_the_ports_of_all_services() -> None:
    """NET-07: as Hopsworks names them."""
    assert {service.value: ports for service, ports in PORTS.items()} == {
        "ui": (443,),
        "certificate": (80,),
        "ssh": (22,),
        "feature-store": (8020, 30010, 9083, 9085),
        "online-feature-store": (3306,),
        "kafka": (9092,),
        "arrow-flight": (5005,),
        "search": (9200,),
    }
    assert set(PORTS) == set(Service)


# ------------------------------------------------------------------------------------------------------ subnets

NETWORKS = st.tuples(FOURS, st.integers(14, 30)).map(lambda told: ipaddress.IPv4Network(told, strict=False))


@st.composite
def near(draw: st.DrawFn) -> tuple[ipaddress.IPv4Network, list[ipaddress.IPv4Network], list[ipaddress.IPv4Network]]:
    """A block, a VPC's blocks, and subnets of it: close enough to each other that all answers come up."""
    vpc = draw(st.lists(NETWORKS, min_size=1, max_size=2))

    def inside() -> ipaddress.IPv4Network:
        whole = draw(st.sampled_from(vpc))
        mask = draw(st.integers(max(whole.prefixlen - 1, 0), 32))
        offset = draw(st.integers(0, whole.num_addresses - 1))
        return ipaddress.IPv4Network((int(whole.network_address) + offset, mask), strict=False)

    return inside(), vpc, [inside() for _ in range(draw(st.integers(0, 4)))]


@given(near(), st.sampled_from([AWS_MASKS, OWN_MASKS]))
def test_where_a_subnet_may_be(
    told: tuple[ipaddress.IPv4Network, list[ipaddress.IPv4Network], list[ipaddress.IPv4Network]],
    masks: tuple[int, int],
) -> None:
    """NET-04: inside the network, of a size that is taken, over no other: by first and last addresses."""
    block, vpc, taken = told
    first, last = int(block[0]), int(block[-1])
    fits = masks[0] <= block.prefixlen <= masks[1]
    inside = any(int(one[0]) <= first and last <= int(one[-1]) for one in vpc)
    clear = all(last < int(one[0]) or int(one[-1]) < first for one in taken)
    why = why_no_subnet(str(block), [str(one) for one in vpc], [str(one) for one in taken], masks=masks)
    assert (why == "") is (fits and inside and clear), why
    assert ("not between" in why) is not fits
    assert ("overlaps" in why) is (fits and inside and not clear)


@pytest.mark.parametrize("wrong", ["10.0.0.1/24", "10.0.0.0/33", "fd00::/64", "ten", ""])
def test_what_is_no_block_for_a_subnet(wrong: str) -> None:
    """NET-04."""
    assert "no block of IPv4 addresses" in why_no_subnet(wrong, ["10.0.0.0/16"], [])


@pytest.mark.parametrize(("cidr", "is_awss", "is_taken"), [
    ("10.0.0.0/15", False, False),
    ("10.0.0.0/16", True, False),
    ("10.0.0.0/17", True, True),
    ("10.0.0.0/26", True, True),
    ("10.0.0.0/27", True, False),
    ("10.0.0.0/28", True, False),
    ("10.0.0.0/29", False, False),
])  # fmt: skip
def test_sizes(cidr: str, is_awss: bool, is_taken: bool) -> None:
    """NET-04: AWS makes /16 to /28; a subnet of the user's is /17 to /26."""
    assert (why_no_subnet(cidr, ["10.0.0.0/8"], []) == "") is is_awss
    assert (why_no_subnet(cidr, ["10.0.0.0/8"], [], masks=OWN_MASKS) == "") is is_taken
