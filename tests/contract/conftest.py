"""The worlds that this folder's tests stand in; one starts when a test first asks for it."""

from tests.worlds.aws_clusters_fixtures import _place, place  # noqa: F401
from tests.worlds.aws_fixtures import _one_aws_world, aws, prefect_worker  # noqa: F401
