"""For all tests: what is gathered over a whole run."""

pytest_plugins = ["tests.worlds.aws_exactness"]
