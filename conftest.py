"""What the tests of every house share."""

pytest_plugins = ["pynomaly_suite.pytest_plugin"]
