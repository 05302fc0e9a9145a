"""A training that cannot fit ends before it begins."""

from typing import Any

import numpy as np
import pyarrow as pa


async def test_a_training_too_large_for_a_job_fails_before_a_row_is_fetched(service: Any) -> None:
    points = np.random.default_rng(0).normal(size=(60_000, 2))
    await service.peers.add_dataset("many", pa.table({"a": points[:, 0], "b": points[:, 1]}))
    await service.create_detector("kernels", algorithm="KPCA", parameters={})
    job_id = await service.submit("detectors/kernels/train", dataset_id="many")
    async with service.worker_here():
        job = await service.finished(job_id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.problem.type == "/problems/job-memory-limit"
    assert job.problem.model_extra["limit_mb"] == 4096
    assert job.problem.model_extra["estimate_mb"] > 4096
    assert "KPCA on 60,000 rows of 2 columns needs about" in job.problem.detail
    assert service.peers.n_row_requests == 0
