"""What the protocol tells of the server and its models, and the model repository extension."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pynomaly_chassis.database import Database
from pynomaly_chassis.problems import Invalid, ProblemError

from model_service.open_inference.columns import described
from model_service.residency import Residency
from model_service.scoring import Scoring
from model_service.service import Registry

SERVER_NAME, PLATFORM = "pynomaly", "onnx_onnxv1"
EXTENSIONS = ("binary_tensor_data", "model_repository")


class Target(NamedTuple):
    """A model, and perhaps one of its versions."""

    tenant_id: str
    model_ref: str
    version_ref: str | None


class IndexEntry(NamedTuple):
    """A version in the repository. READY: in this process's memory; otherwise the first request brings it there."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """The use cases beside inference."""

    registry: Registry
    residency: Residency
    scoring: Scoring
    database: Database
    version: str

    async def is_ready(self) -> bool:
        """Whether the database answers, which is all that the service cannot do without."""
        return (await self.database.health()).status == "ok"

    def server(self) -> dict[str, Any]:
        """The server's metadata."""
        return {"name": SERVER_NAME, "version": self.version, "extensions": list(EXTENSIONS)}

    async def model(self, target: Target) -> dict[str, Any]:
        """A model's metadata: its columns are its inputs. Raises as `Scoring.model`."""
        found = await self.scoring.model(*target)
        inputs, outputs = described(found.columns)
        versions = await self.registry.version_numbers(target.tenant_id, found.model_id)
        return {"name": found.name, "versions": versions, "platform": PLATFORM, "inputs": inputs, "outputs": outputs}

    async def is_model_ready(self, target: Target) -> bool:
        """Whether an inference would be answered now: the model is loaded if need be.

        Raises NotFound; whatever else is in the way makes the model not ready.
        """
        try:
            await self.scoring.model(*target)
        except ProblemError as error:
            if error.status < 500:
                raise
            return False
        return True

    async def index(self, tenant_id: str, *, ready_only: bool) -> list[IndexEntry]:
        """Every version of every model, by name and number."""
        found = await self.registry.index(tenant_id)
        entries = [IndexEntry(item.name, str(item.number), *_state(loaded)) for item, loaded in found]
        return [entry for entry in entries if not ready_only or entry.state == "READY"]

    async def load(self, tenant_id: str, model_ref: str, *, with_parameters: bool) -> None:
        """The latest version into memory, here and in every replica. Raises Invalid, NotFound."""
        if with_parameters:
            raise Invalid.field("parameters", None, "a model is loaded as it was signed; leave the parameters out")
        await self.residency.load(tenant_id, model_ref, None)

    async def unload(self, tenant_id: str, model_ref: str) -> None:
        """Every version that is not pinned out of memory, here and in every replica. Raises NotFound."""
        await self.residency.unload(tenant_id, model_ref)


def _state(is_loaded: bool) -> tuple[Literal["READY", "UNAVAILABLE"], str]:
    return ("READY", "") if is_loaded else ("UNAVAILABLE", "not in memory; the first request loads it")
