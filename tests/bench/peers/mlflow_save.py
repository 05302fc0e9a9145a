"""The forest as an MLflow model with named columns.

python mlflow_save.py FOLDER    makes FOLDER/model of forest.joblib and names.json
"""

import json
import sys
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema


class Scores(mlflow.pyfunc.PythonModel):
    """A custom model, as MLflow asks for where it has no flavour for a library."""

    def load_context(self, context):
        import joblib

        self.forest = joblib.load(context.artifacts["forest"])

    def predict(self, context, model_input, params=None):
        return self.forest.predict(model_input)


def main(folder: str) -> None:
    given = Path(folder)
    columns = [ColSpec(DataType.double, name) for name in json.loads((given / "names.json").read_text())]
    mlflow.pyfunc.save_model(
        given / "model",
        python_model=Scores(),
        artifacts={"forest": str(given / "forest.joblib")},
        code_paths=[str(Path(__file__).with_name("forest.py"))],
        signature=ModelSignature(Schema(columns), Schema([ColSpec(DataType.double)])),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
