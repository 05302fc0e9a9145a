"""What the service must not need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["sklearn", "pyod", "model_signing", "detector_service", "pandas"])
def test_the_service_runs_without_what_trains_models(package: str) -> None:
    program = f"import sys, model_service.app; sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
