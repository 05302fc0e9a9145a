"""What is kept between the making of an artefact and its registration, and what is swept."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from detector_service.repository import Lease, Repository
from detector_service.worker.stash import Stash, Trained
from obstore.store import LocalStore
from pynomaly_chassis.bucket import Bucket
from pynomaly_chassis.ids import new_id, utc_now
from pynomaly_chassis.jobs import sweep_folders
from pynomaly_chassis.jobs.attempt import FOLDER_PREFIX

FIRST, SECOND = Trained(b"zip\n1", {"fit_duration_s": 1.0}), Trained(b"zip\n2", {"fit_duration_s": 2.0})


async def leased(repository: Repository) -> Lease:
    async with repository.transaction() as tx:
        await tx.jobs.enqueue("default", "train", {}, headers={})
        lease = await tx.queue.claim(30)
    assert lease is not None
    return lease


async def test_of_two_tries_the_first_artefact_counts_for_both(tmp_path: Path, repository: Repository) -> None:
    stash, lease = Stash(Bucket(LocalStore(tmp_path))), await leased(repository)
    assert await stash.find(lease) is None
    assert await stash.keep(lease, FIRST) == FIRST
    assert await stash.keep(replace(lease, attempt=2), SECOND) == FIRST
    assert await stash.find(lease) == FIRST


def age(path: Path) -> None:
    """Make it a day and an hour old."""
    yesterday = (utc_now() - timedelta(hours=25)).timestamp()
    os.utime(path, (yesterday, yesterday))


async def test_the_sweep_takes_what_is_a_day_old_and_whose_job_has_ended(
    tmp_path: Path, repository: Repository
) -> None:
    stash = Stash(Bucket(LocalStore(tmp_path)))
    running = await leased(repository)
    old, new = replace(running, job_id=new_id()), replace(running, job_id=new_id())
    for lease in (running, old, new):
        await stash.keep(lease, FIRST)
    for lease in (running, old):
        age(tmp_path / "default" / "trained" / str(lease.job_id))
    unfinished = tmp_path / "default" / "trained" / f"{new_id()}#1"
    unfinished.write_bytes(b"left by a killed write")
    age(unfinished)
    await stash.sweep(repository)
    assert not unfinished.exists()
    left = [await stash.find(lease) is not None for lease in (running, old, new)]
    assert left == [True, False, True]


async def test_the_sweep_leaves_what_other_services_keep_in_the_same_bucket(
    tmp_path: Path, repository: Repository
) -> None:
    stash, lease = Stash(Bucket(LocalStore(tmp_path))), await leased(repository)
    ended = replace(lease, job_id=new_id())
    await stash.keep(ended, FIRST)
    swept = tmp_path / "default" / "trained" / str(ended.job_id)
    others = [tmp_path / "default" / name for name in (f"datasets/{new_id()}", f"models/{new_id()}/1.zip", "notes")]
    for path in others:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"theirs")
    for path in (swept, *others):
        age(path)
    await stash.sweep(repository)
    assert [path.exists() for path in (swept, *others)] == [False, True, True, True]


def test_the_folders_of_dead_workers_are_removed_and_no_others(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = (f"{FOLDER_PREFIX}{os.getppid()}-a", f"{FOLDER_PREFIX}{ended.pid}-b", "another")
    alive, dead, other = (tmp_path / name for name in names)
    for folder in (alive, dead, other):
        folder.mkdir()
    sweep_folders(tmp_path)
    assert (alive.exists(), dead.exists(), other.exists()) == (True, False, True)


def test_in_a_container_where_every_start_has_the_same_id_the_last_ones_folders_are_removed(tmp_path: Path) -> None:
    mine = tmp_path / f"{FOLDER_PREFIX}{os.getpid()}-a"
    mine.mkdir()
    sweep_folders(tmp_path)
    assert not mine.exists()


def test_what_cannot_be_removed_does_not_keep_a_worker_from_starting(tmp_path: Path) -> None:
    stuck, free = (tmp_path / f"{FOLDER_PREFIX}{os.getpid()}-{name}" for name in "ab")
    stuck.touch()  # no folder: removing it as one fails, as with another user's
    free.mkdir()
    sweep_folders(tmp_path)
    assert (stuck.exists(), free.exists()) == (True, False)
