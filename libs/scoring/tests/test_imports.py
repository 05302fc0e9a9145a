import json
import subprocess
import sys

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
