"""The catalogue of algorithms."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Path
from pynomaly_chassis.app import json_router
from pynomaly_contracts.detectors import Algorithm, AlgorithmElsewhere, AlgorithmList
from pynomaly_contracts.problems import FieldProblem

from detector_service import algorithms
from detector_service.errors import AlgorithmNotFound

router = json_router("/algorithms", "algorithms")


@router.get("", summary="Algorithms on offer")
async def list_algorithms() -> AlgorithmList:
    """All by name, with the JSON Schema of their parameters; and PyOD's other detectors, with why they are not."""
    found = sorted((algorithms.ALGORITHMS | algorithms.BATCH).values(), key=lambda each: each.name.lower())
    items = [_offered(each) for each in found]
    elsewhere = [AlgorithmElsewhere.model_validate(asdict(found)) for found in algorithms.ELSEWHERE.values()]
    return AlgorithmList(items=items, elsewhere=elsewhere)


@router.get("/{name}", summary="One algorithm")
async def get_algorithm(name: Annotated[str, Path(max_length=64, examples=["IForest"])]) -> Algorithm:
    """An algorithm by its name, case and all."""
    try:
        return _offered(algorithms.get_algorithm(name))
    except algorithms.UnknownAlgorithm as error:
        wrong = FieldProblem(field="path.name", value=name, message=str(error))
        raise AlgorithmNotFound(str(error), errors=[wrong]) from error


def _offered(found: algorithms.Algorithm) -> Algorithm:
    return Algorithm(
        name=found.name,
        title=found.title,
        description=found.description,
        good_at=found.good_at,
        paper=found.paper,
        fit_cost=found.fit_cost,
        score_cost=found.score_cost,
        online=found.batch_only is None,
        max_rows=found.max_rows,
        parameters_schema=dict(found.parameters_schema),
    )
