"""Runs one piece of work: request.json and files in, answer.json or problem.json and files out.

What to do comes as a line of JSON on standard input: the kind of work, its folder and the file for what is said.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

from detector_service.child.confinement import (
    OUT_OF_MEMORY,
    die_with_parent,
    limit_memory,
    private_stdout,
    read_order,
    say_into,
    watch_lifeline,
)
from detector_service.child.libraries import leave_out_frames, read_libraries


def main(memory_limit_mb: int, *, is_reserve: bool) -> None:
    """Do it. A crash is left to be one: the parent sees how this process ended."""
    die_with_parent()
    limit_memory(memory_limit_mb)
    channel = private_stdout()
    leave_out_frames()
    try:
        if is_reserve:
            read_libraries()
        kind, folder, errors = json.loads(read_order())
        os.write(channel, b"\n")  # the order is taken
        watch_lifeline()
        say_into(Path(errors))
        from detector_service.child.exchange import answer  # noqa: PLC0415 - only now, under the limit

        answer(lambda: import_module(f"detector_service.child.{kind}").work, Path(folder), channel)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # at once: there may be no memory left to say more
    os._exit(0)  # native libraries have nothing left to say, and some crash when they say it


if __name__ == "__main__":
    main(int(sys.argv[1]), is_reserve="reserve" in sys.argv[2:])
