"""One SELECT on a database that the operator has named, read through a cursor in blocks and kept as Parquet.

The types are the database's own: nothing is found out again. The transaction only reads, the server stops what takes
too long, and the extended protocol takes one statement; whatever else a query may reach is a matter of the role's
rights, so the operator's URL names a role that may read what is to be imported and nothing more.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from pydantic import SecretStr
from pynomaly_chassis.background import to_thread_whole
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.imports import SqlSource

from dataset_service.errors import ImportTimedOut, SourceRefused, SourceUnavailable
from dataset_service.imports.sources import Counted, SourceLimits

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset_service.imports.blocks import BlockWriter

FIRST_ROWS = 16  # of an unknown width
BLOCK_ROWS = 10_000
BLOCK_CELLS = 500_000
BLOCK_BYTES = 32 * 1024 * 1024
_COMMENTS = re.compile(r"\s+|--[^\n]*\n?|/\*.*?\*/", re.DOTALL)
_READS = re.compile(r"(select|with|values|table)\b|\(", re.IGNORECASE)
_INTEGERS = frozenset({"int2", "int4", "int8", "oid"})
_NUMBERS = frozenset({"float4", "float8", "numeric"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "char", "uuid", "json", "jsonb", "xml", "inet", "cidr"})
_LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.CannotConnectNowError, TimeoutError)


async def write_query(
    sql: SqlSource, url: SecretStr, target: Path, limits: SourceLimits, tell: Counted, *, timeout_s: float
) -> int:
    """Write the query's rows to `target` as Parquet; how many they are.

    Raises SourceRefused where the database refuses, SourceUnavailable, ImportTimedOut, BodyTooLarge, StorageFull.
    """
    _check_reads(sql)
    with _translated(sql):
        connection = await asyncpg.connect(
            _postgresql(url),
            timeout=limits.connect_timeout_s,
            server_settings={
                "application_name": "pynomaly-import",
                "default_transaction_read_only": "on",
                "statement_timeout": str(int(timeout_s * 1000)),
                "timezone": "UTC",
            },
        )
        try:
            return await _write(connection, sql, target, limits, tell)
        finally:
            connection.terminate()  # a polite end, or a rollback, would wait for a server that hangs


async def _write(
    connection: "asyncpg.Connection", sql: SqlSource, target: Path, limits: SourceLimits, tell: Counted
) -> int:
    from dataset_service.imports.blocks import BlockWriter  # noqa: PLC0415 - pyarrow: 40 MiB that only some need

    n_rows = 0
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")  # it ends with the connection
    statement = await connection.prepare(sql.query)
    if statement.get_parameters():
        raise SourceRefused.of("body.sql.query", sql.query, "takes parameters; write their values in place of $1, $2")
    with room_needed(), BlockWriter(target, _schema(sql, statement.get_attributes())) as writer:
        async for block in _blocks(sql, await statement.cursor(), writer):
            n_bytes = await to_thread_whole(writer.write, block)
            limits.check_size(n_bytes)
            n_rows += len(block)
            tell(n_bytes, n_rows)
    return n_rows


async def _blocks(sql: SqlSource, cursor: Any, writer: "BlockWriter") -> AsyncIterator[Sequence[Any]]:
    """As many rows at a time as memory has room for, by those that came before."""
    n_rows, most = FIRST_ROWS, max(1, min(BLOCK_ROWS, BLOCK_CELLS // writer.n_columns))
    while block := await _fetched(sql, cursor, min(n_rows, most)):
        yield block
        n_rows = max(1, BLOCK_BYTES // max(1, writer.row_bytes))


async def _fetched(sql: SqlSource, cursor: Any, n_rows: int) -> Sequence[Any]:
    try:
        rows: Sequence[Any] = await cursor.fetch(n_rows)
    except (ValueError, OverflowError) as error:  # of years before Christ, for one
        message = f"gives a value that cannot be read here: {error}; leave it out, or make it a text by CAST"
        raise SourceRefused.of("body.sql.query", sql.query, message) from error
    return rows


def _check_reads(sql: SqlSource) -> None:
    """A clear word for what the transaction would refuse anyway. Raises SourceRefused."""
    position = 0
    while found := _COMMENTS.match(sql.query, position):
        position = found.end()
    if not _READS.match(sql.query, position):
        raise SourceRefused.of("body.sql.query", sql.query, "is no query; send one SELECT")


def _schema(sql: SqlSource, attributes: Sequence[Any]) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - as above

    if not attributes:
        raise SourceRefused.of("body.sql.query", sql.query, "gives no columns; send one SELECT")
    names = [attribute.name for attribute in attributes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceRefused.of(
            "body.sql.query", twice, f"gives the column {twice!r} twice; name one of them AS another"
        )
    return pa.schema([(attribute.name, _type(attribute.name, attribute.type.name)) for attribute in attributes])


def _type(column: str, kind: str) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415 - as above

    if kind in _INTEGERS:
        return pa.int64()
    if kind in _NUMBERS:
        return pa.float64()
    if kind in _TEXTS:
        return pa.string()
    known = {
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    if kind not in known:
        message = f"gives the column {column!r} as {kind}; make it a number, text, boolean, date or timestamp by CAST"
        raise SourceRefused.of("body.sql.query", column, message)
    return known[kind]


def _postgresql(url: SecretStr) -> str:
    """As asyncpg wants it; SQLAlchemy's names of drivers mean the same server."""
    return re.sub(r"^postgres(ql)?(\+[a-z0-9]+)?://", "postgresql://", url.get_secret_value())


@contextmanager
def _translated(sql: SqlSource) -> Iterator[None]:
    """The server's words about a query are the caller's; about the connection they are the operator's."""
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise ImportTimedOut("the query takes longer than IMPORT_TIMEOUT_S allows; make it smaller") from error
    except _LOST as error:
        message = f"the connection {sql.connection!r} does not answer, or broke off"
        raise SourceUnavailable(message, retry_after_s=5) from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise SourceRefused(f"the connection {sql.connection!r} is refused; the operator's URL is not right") from error
    except asyncpg.PostgresError as error:
        raise SourceRefused.of("body.sql.query", sql.query, f"is refused by the database: {error}") from error
