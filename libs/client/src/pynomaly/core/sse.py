"""Server-sent events, of the WHATWG HTML standard, section 9.2: names and data."""

from collections.abc import AsyncGenerator, AsyncIterator


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[tuple[str, bytes], None]:
    """(name, data) of each event; comments and other fields are passed over."""
    name, data = "message", list[bytes]()
    async for line in _lines(chunks):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line and data:
            yield name, b"\n".join(data)
        if not line:
            name, data = "message", []
        elif field == b"event":
            name = value.decode()
        elif field == b"data":
            data.append(value)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
