"""A new detector, set up as another one but for what is said otherwise. Pure."""

from typing import Any

from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.base import from_storage
from pynomaly_contracts.detectors import CloneRequest, Detector, DetectorCreate, Preprocessing
from pynomaly_contracts.thresholds import ThresholdChoice

_AS_IT_IS = ("algorithm", "contamination", "parameters", "feature_columns", "seed", "description")


def cloned(source: Detector, wanted: CloneRequest) -> DetectorCreate:
    """What is null in the changes is as it is there, but for the description. Raises Invalid: parameters of another
    algorithm mean nothing, so they must be said."""
    sent = {name: getattr(wanted.changes, name) for name in wanted.changes.model_fields_set}
    changes = {name: value for name, value in sent.items() if value is not None or name == "description"}
    algorithm = changes.get("algorithm", source.algorithm)
    if algorithm != source.algorithm and source.parameters and "parameters" not in changes:
        message = (
            f"the parameters of {source.name!r} ({', '.join(sorted(source.parameters))}) are those of "
            f"{source.algorithm}; say those of {algorithm}, or {{}} for its defaults"
        )
        raise Invalid.field("body.changes.parameters", None, message)
    kept: dict[str, Any] = {name: getattr(source, name) for name in _AS_IT_IS}
    kept["preprocessing"] = from_storage(Preprocessing, source.preprocessing)
    kept["threshold"] = from_storage(ThresholdChoice, source.threshold)
    return DetectorCreate(name=wanted.name, **(kept | changes))
