"""How the peers are called."""

from pathlib import Path
from uuid import UUID

import pytest
from detector_service.clients import API_CALLS, WORKER_CALLS, DatasetClient
from detector_service.errors import PeerUnavailable
from pynomaly_chassis.pressure import TooLate
from pynomaly_resilience import Resilience, ResilientSession, deadline_scope
from pynomaly_resilience.testing import FaultServer, Step, hang, late, reset, respond

DATASET = UUID("01890000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(("is_batch", "priority"), [(True, "batch"), (False, None)])
async def test_a_job_comes_after_what_somebody_waits_for(tmp_path: Path, is_batch: bool, priority: str | None) -> None:
    async with FaultServer(respond(200, b"rows")) as peer, ResilientSession() as session:
        client = DatasetClient(session, peer.url, is_batch=is_batch)
        await client.download_rows(DATASET, "1", tmp_path / "rows")
        headers = peer.seen[0].headers
    assert headers.get("x-pynomaly-priority") == priority
    assert (tmp_path / "rows").read_bytes() == b"rows"


async def test_an_inner_hop_sends_nothing_twice(tmp_path: Path) -> None:
    async with FaultServer(reset(), respond(200, b"rows")) as peer, ResilientSession() as session:
        with pytest.raises(PeerUnavailable):
            await DatasetClient(session, peer.url).download_rows(DATASET, "1", tmp_path / "rows")
        assert len(peer.seen) == 1


@pytest.mark.parametrize("step", [hang(), late(0.06, respond(504))], ids=["hangs", "is late"])
async def test_when_the_callers_time_is_over_it_is_said_to_be_and_no_peer_is_blamed(step: Step) -> None:
    async with FaultServer(step) as peer, ResilientSession() as session:
        with deadline_scope(0.1), pytest.raises(TooLate):
            await DatasetClient(session, peer.url).get(str(DATASET))


async def test_a_peer_is_not_asked_when_there_is_no_time_for_its_answer() -> None:
    async with FaultServer() as peer, ResilientSession() as session:
        with deadline_scope(0.04), pytest.raises(TooLate):
            await DatasetClient(session, peer.url).get(str(DATASET))
        assert peer.seen == []


async def test_a_peer_that_is_late_by_itself_is_unavailable() -> None:
    async with FaultServer(respond(504)) as peer, ResilientSession() as session:
        with pytest.raises(PeerUnavailable):
            await DatasetClient(session, peer.url).get(str(DATASET))


def test_each_call_has_a_policy_that_fits_the_settings_for_all() -> None:
    resilience = Resilience()
    for (dependency, operation), policy in (API_CALLS | WORKER_CALLS).items():
        resilience.target(dependency, operation, policy)
    assert {status["dependency"] for status in resilience.breakers.snapshot()} == {"dataset", "model"}
