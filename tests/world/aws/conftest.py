"""One world for all tests of this folder, new and empty for each."""

from tests.worlds.aws_fixtures import _one_aws_world, aws  # noqa: F401
