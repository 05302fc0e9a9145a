"""What this process took, as the contracts tell of it: Usage."""

import resource
import sys
import time
from typing import Any

_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10
"""The unit of ru_maxrss is the byte there, and the kibibyte elsewhere."""


def usage(n_rows: int, began_s: float) -> dict[str, Any]:
    """Of work on n_rows that began at began_s of the performance counter."""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MIB
    rows_per_s = n_rows / max(time.perf_counter() - began_s, 1e-9)
    return {"peak_memory_mb": round(peak_mb, 1), "rows_per_s": round(rows_per_s, 1)}
