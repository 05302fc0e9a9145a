import json
import os
import subprocess
import sys
from pathlib import Path

PROBE = """
import json, sys
before = set(sys.modules)
import pynomaly_scoring
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""
CRYPTOGRAPHYS_OWN = {"_cffi_backend", "_openssl"}
OWN = {"pynomaly_scoring", "numpy", "onnxruntime", "cryptography"} | CRYPTOGRAPHYS_OWN


def test_importing_loads_nothing_beyond_numpy_onnxruntime_and_cryptography() -> None:
    ran = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    loaded = {name for name in json.loads(ran.stdout) if name not in sys.stdlib_module_names}
    assert {"pynomaly_scoring", "onnxruntime"} <= loaded
    assert loaded - OWN == set()


def test_onnx_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    unset = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    quiet = {**unset, "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import pynomaly_scoring"], env=quiet, check=True)
    assert not list(tmp_path.iterdir())  # the reporter opens a session file and a device id as it starts
