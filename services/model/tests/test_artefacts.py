"""A version's bytes, as files are offered: digests, ranges, HEAD."""

import base64
import hashlib

import pytest


@pytest.fixture
def path(name) -> str:
    return f"/api/v1/models/{name}/versions/1/artefact"


async def test_the_head_tells_size_and_digest_and_no_bytes(client, register, make_artefact, path) -> None:
    await register(3.0)
    digest = hashlib.sha256(make_artefact(3.0)).digest()
    structured = f"sha-256=:{base64.b64encode(digest).decode()}:"
    whole = await client.get(path)
    head = await client.head(path)
    assert head.content == b""
    for name in ("etag", "repr-digest", "content-digest", "content-length", "content-type", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]
    assert (head.headers["repr-digest"], head.headers["content-digest"]) == (structured, structured)
    assert (head.headers["etag"], int(head.headers["content-length"])) == (f'"{digest.hex()}"', len(whole.content))


@pytest.mark.parametrize(
    ("said", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=100-", slice(100, None)), ("bytes=-7", slice(-7, None))],
    ids=["first", "rest", "last"],
)
async def test_a_part_is_given_by_range(*, client, register, make_artefact, path, said: str, part: slice) -> None:
    await register()
    answer = await client.get(path, headers={"range": said})
    assert (answer.status_code, answer.content) == (206, make_artefact()[part])
    first = part.indices(len(make_artefact()))[0]
    last = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(make_artefact())}"
    assert "content-digest" not in answer.headers


async def test_a_download_goes_on_only_with_the_same_bytes(client, register, make_artefact, path) -> None:
    await register()
    etag = (await client.head(path)).headers["etag"]
    same = await client.get(path, headers={"range": "bytes=10-", "if-range": etag})
    other = await client.get(path, headers={"range": "bytes=10-", "if-range": '"0"'})
    assert (same.status_code, same.content) == (206, make_artefact()[10:])
    assert (other.status_code, other.content) == (200, make_artefact())


async def test_a_range_beyond_the_end_is_refused_with_the_size(client, register, make_artefact, path) -> None:
    await register()
    answer = await client.get(path, headers={"range": "bytes=99999999-"})
    assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(make_artefact())}"
