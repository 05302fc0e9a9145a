"""What the service must not need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "package", ["sklearn", "pyod", "model_signing", "detector_service", "pandas", "grpc", "pyarrow", "websockets"]
)
def test_the_service_starts_without_what_trains_models_and_what_it_may_not_be_asked_for(package: str) -> None:
    program = f"import sys, model_service.app; sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
