"""Lists and single objects over HTTP, with 100 objects in their tables and with 100,000."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import asdict
from uuid import UUID

import asyncpg
from dialects import MODEL
from figures import Bar, Outcome, markdown, milliseconds
from generator import Figures
from load import Turn
from stage import Stage

FEW, MANY = 100, 100_000
MAX_TIMES = 2
# Copies of one real row; an id says which number it has, in the order of the numbers.
COPIED = """
INSERT INTO {table} SELECT copy.* FROM {table} AS original, generate_series({first}, {last}) AS n,
LATERAL jsonb_populate_record(original, jsonb_build_object(
    'id', '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), {changes})) AS copy
WHERE original.id = (SELECT id FROM {table} WHERE {which} ORDER BY id DESC LIMIT 1)
"""
NAMED = "'name', 'copy-' || n"
STORED = "'object_key', 'copies/' || n"
TABLES = {
    "datasets": ("dataset", f"{NAMED}, {STORED}", f"name = '{MODEL}'"),
    "detectors": ("detector", NAMED, f"name = '{MODEL}'"),
    "jobs": ("detector", "'state', 'succeeded'", "state = 'succeeded'"),
    "models": ("model", NAMED, f"name = '{MODEL}'"),
    "model_versions": ("model", f"'number', 100 + n, {STORED}", "number = 1"),
}


def measure(stage: Stage) -> Outcome:
    """p99 of each address, few against many."""
    paths, found = _paths(stage), {}
    for first, last in ((1, FEW), (FEW + 1, MANY)):
        asyncio.run(_fill(stage, first, last))
        turns = {name: _turn(stage, *address, last) for name, address in paths.items()}
        found[last] = stage.generator.interleaved(turns, 1 if stage.quick else 3)
    ratios = {name: found[MANY][name].p99_ms / found[FEW][name].p99_ms for name in paths}
    worst = max(ratios, key=lambda name: ratios[name])
    name = f"{len(paths)} lists and objects, p99 with {MANY:,} in the table / with {FEW}"
    bar = Bar(name, f"{ratios[worst]:.2f} ({worst})", f"<= {MAX_TIMES}", ratios[worst] <= MAX_TIMES)
    numbers = {str(count): {name: asdict(each) for name, each in figures.items()} for count, figures in found.items()}
    return Outcome([bar], [_table(found, ratios)], numbers)


def _paths(stage: Stage) -> dict[str, tuple[str, str]]:
    """What is asked for, by name: of which service, where."""
    job = next(iter(stage.client.jobs.list()))
    return {
        "datasets": ("dataset", "/datasets"),
        "datasets, from the middle": ("dataset", "/datasets?cursor={middle}"),
        "datasets by prefix": ("dataset", "/datasets?name=bench"),
        "a data set by name": ("dataset", "/datasets/copy-50"),
        "detectors": ("detector", "/detectors"),
        "detectors, from the middle": ("detector", "/detectors?cursor={middle}"),
        "a detector by name": ("detector", "/detectors/copy-50"),
        "jobs": ("detector", "/jobs"),
        "jobs, from the middle": ("detector", "/jobs?cursor={middle}"),
        "failed jobs": ("detector", "/jobs?state=failed"),
        "evaluations among jobs": ("detector", "/jobs?kind=evaluate"),
        "a job": ("detector", f"/jobs/{job.id}"),
        "models": ("model", "/models"),
        "models, from the middle": ("model", "/models?cursor={middle}"),
        "a model by name": ("model", "/models/copy-50"),
        "versions of a model": ("model", f"/models/{MODEL}/versions"),
        "versions, from the middle": ("model", f"/models/{MODEL}/versions?cursor={{middle}}"),
        "a version": ("model", f"/models/{MODEL}/versions/1"),
    }


def _turn(stage: Stage, service: str, path: str, n_objects: int) -> Turn:
    middle = base64.urlsafe_b64encode(UUID(f"01900000-0000-7000-8000-{n_objects // 2:012x}").bytes).decode().rstrip("=")
    url = f"{stage.suite.ports.url(service)}/api/v1{path.format(middle=middle)}"
    return Turn(
        url, (), seconds=0.2 if stage.quick else 0.7, at_least=50 if stage.quick else 200, warm=10, method="GET"
    )


async def _fill(stage: Stage, first: int, last: int) -> None:
    """Objects of these numbers into each table, and the planner told of them."""
    for table, (service, changes, which) in TABLES.items():
        connection = await asyncpg.connect(stage.suite.database_url(service))
        await connection.execute(COPIED.format(table=table, changes=changes, which=which, first=first, last=last))
        await connection.execute(f"ANALYZE {table}")
        await connection.close()


def _table(found: Mapping[int, Mapping[str, Figures]], ratios: Mapping[str, float]) -> str:
    few, many = found[FEW], found[MANY]
    times = {name: [each.p50_ms, each.p99_ms, many[name].p50_ms, many[name].p99_ms] for name, each in few.items()}
    cells = [[name, *map(milliseconds, times[name]), f"{ratio:.2f}"] for name, ratio in ratios.items()]
    head = ["asked for", f"{FEW}: p50", "p99", f"{MANY:,}: p50", "p99", "p99 / p99"]
    return f"Lists and single objects over HTTP, by the number of objects in the table:\n\n{markdown(head, cells)}"
