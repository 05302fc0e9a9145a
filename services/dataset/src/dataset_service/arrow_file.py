"""Arrow's two forms, the file and the stream, as the one that Polars scans without holding it."""

from pathlib import Path

from pynomaly_chassis.storage import room_needed

from dataset_service.errors import InvalidFile

STREAM = b"\xff\xff\xff\xff"


def write_file(source: Path, target: Path) -> None:
    """Copy an IPC stream, checked, batch by batch into an IPC file. Raises InvalidFile, StorageFull."""
    import pyarrow as pa  # noqa: PLC0415 - 40 MiB that only some uploads need

    try:
        with (
            room_needed(),
            pa.OSFile(str(source)) as file,
            pa.ipc.open_stream(file) as batches,
            pa.ipc.new_file(str(target), batches.schema) as copy,
        ):
            for batch in batches:
                batch.validate(full=True)
                copy.write_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise InvalidFile.at(f"the file is not a readable Arrow stream: {error}") from error
