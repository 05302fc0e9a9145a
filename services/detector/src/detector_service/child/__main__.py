"""Runs one piece of work: request.json and files in, answer.json or problem.json and files out."""

import os
import sys
from importlib import import_module
from pathlib import Path

from detector_service.child.confinement import OUT_OF_MEMORY, end_with_parent, limit_memory, private_stdout


def main(kind: str, folder: Path, memory_limit_mb: int) -> None:
    """Do it. A crash is left to be one: the parent sees how this process ended."""
    end_with_parent()
    limit_memory(memory_limit_mb)
    channel = private_stdout()
    try:
        from detector_service.child.exchange import answer  # noqa: PLC0415 - only now, under the limit

        answer(lambda: import_module(f"detector_service.child.{kind}").work, folder, channel)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # at once: there may be no memory left to say more
    os._exit(0)  # native libraries have nothing left to say, and some crash when they say it


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
