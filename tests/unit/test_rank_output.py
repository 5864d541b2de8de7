"""What is hidden in a rank's output, whatever pieces it comes in (JOB-20)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.on_node.rank_output import HIDDEN, Mask

SECRETS = st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=4)
# Few letters, so that beginnings of secrets, and secrets inside secrets, are common.
LETTERS = st.sampled_from([b"a", b"b", b"\n"])
NEAR = st.lists(st.lists(LETTERS, min_size=1, max_size=5).map(b"".join), min_size=1, max_size=4)


def shown(secrets: list[bytes], pieces: list[bytes]) -> bytes:
    mask = Mask(secrets)
    return b"".join([*map(mask.take, pieces), mask.take(b"", is_last=True)])


@given(secrets=NEAR, pieces=st.lists(st.lists(LETTERS, max_size=6).map(b"".join), max_size=8))
def test_no_secret_is_shown_however_it_is_cut(secrets: list[bytes], pieces: list[bytes]) -> None:
    """JOB-20: and the pieces make no difference."""
    found = shown(secrets, pieces)
    assert not any(secret in found.replace(HIDDEN, b"|") for secret in secrets)
    assert found == shown(secrets, [b"".join(pieces)])


@given(secrets=SECRETS, text=st.binary(max_size=200))
def test_what_is_no_secret_is_shown_byte_for_byte(secrets: list[bytes], text: bytes) -> None:
    """JOB-18: nothing else is lost or changed."""
    if not any(secret in text for secret in secrets):
        assert shown(secrets, [text]) == text


def test_output_is_not_held_back_longer_than_it_must_be() -> None:
    mask = Mask([b"hunter2"])
    assert mask.take(b"password: hun") == b"password: "
    assert mask.take(b"ger\n") == b"hunger\n"
    assert mask.take(b"hunter") == b""
    assert mask.take(b"2!") == b"***!"


@pytest.mark.parametrize("secrets", [[], [b""]])
def test_no_secret_hides_nothing(secrets: list[bytes]) -> None:
    assert shown(secrets, [b"all of ", b"it"]) == b"all of it"


def test_of_secrets_that_begin_alike_the_longest_is_hidden() -> None:
    text = b"token-long token"
    assert shown([b"token", b"token-long"], [text[:5], text[5:]]) == b"*** ***"


def test_a_long_secret_in_random_pieces() -> None:
    """A private key of many lines."""
    draw = random.Random(4)
    key = b"-----BEGIN-----\n" + bytes(draw.choices(b"abcdefgh\n", k=3000)) + b"\n-----END-----\n"
    text, pieces = key * 3 + b"after", []
    while text:
        length = draw.randint(1, 900)
        pieces, text = [*pieces, text[:length]], text[length:]
    assert shown([key], pieces) == HIDDEN * 3 + b"after"
