"""A tour of Pynomaly: find patients with a sick thyroid, from a CSV file to scored rows.

Run it against a suite that is up (`make run` does both):

    python examples/tour.py

Every HTTP request is printed as it is made, so that you can do the same with curl. It can run again and again: each
time it makes a data set, a detector and a model of its own, named after the time.
"""

import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray
from pynomaly import Client, Exchange, JobHandle, PynomalyError
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.jobs import EvaluateResult, TrainResult
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Floats = NDArray[np.float64]
Result = TypeVar("Result", TrainResult, EvaluateResult)

DATA = Path(__file__).parent / "data" / "thyroid.csv"
PICTURE = Path(os.environ.get("PYNOMALY_TOUR_PNG", "tour.png"))
FEATURES = ["age", "tsh", "t3", "tt4", "t4u", "fti"]
LABEL = "is_anomaly"
LINE = "#54287c"
GOOD_ENOUGH = 0.9  # ROC AUC on held-out patients; an Isolation Forest reaches about 0.96 here

console = Console(highlight=False, soft_wrap=True)
n_polls: Counter[str] = Counter()


def main() -> int:
    """The tour; 0 when the detector found what it should."""
    with Client(on_request=print_request) as client:
        name = f"thyroid-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
        train, test = prepare(client, name)
        trained, evaluation = train_and_evaluate(client, name, train, test)
        score_one_patient(client, trained.model_id, test)
        patients, scores, threshold = score_all_patients(client, trained.model_id, test)
    print_most_anomalous(patients, scores)
    draw(scores, patients[:, -1] == 1, threshold)
    print_where_to_go_next(client.url)
    return 0 if evaluation.roc_auc >= GOOD_ENOUGH else failed(evaluation.roc_auc)


def prepare(client: Client, name: str) -> tuple[Dataset, Dataset]:
    """From a file to two data sets: one to train on, one to check with."""
    step("Upload 3,772 patients. The label says who is sick; the detector will never see it.")
    dataset = client.datasets.upload(DATA, name, target_column=LABEL)
    console.print(f"  {dataset.n_rows} rows, features {', '.join(dataset.feature_columns)}")

    step("Look at the data before trusting it.")
    quality = client.datasets.quality(dataset.id)
    console.print(f"  {quality.n_missing} values missing")
    console.print(f"  labels {quality.target_counts}")
    for warning in quality.warnings:
        console.print(f"  [yellow]{escape(warning)}[/]")

    step("Hold 30 % of the patients out, with the same share of sick ones.")
    parts = client.datasets.split(dataset.id, {"train": 0.7, "test": 0.3}, stratify_by=LABEL)
    for part in parts.values():
        console.print(f"  {part.name}: {part.n_rows} rows")
    return parts["train"], parts["test"]


def train_and_evaluate(client: Client, name: str, train: Dataset, test: Dataset) -> tuple[TrainResult, EvaluateResult]:
    """From rows to a signed, versioned model, and how good it is."""
    step("Create an Isolation Forest that expects 2.5 % anomalies, and train it: a durable job.")
    detector = client.detectors.create(name, algorithm="IForest", contamination=0.025)
    trained = finished(client.detectors.train(detector.id, train.id))
    console.print(f"  model {trained.model_name}, version {trained.model_version}: signed and registered")

    step("Evaluate it on the patients it has never seen.")
    evaluation = finished(client.detectors.evaluate(detector.id, test.id))
    console.print(f"  ROC AUC           {with_interval(evaluation, 'roc_auc')}, with 95 % confidence")
    console.print(f"  average precision {with_interval(evaluation, 'average_precision')}")
    console.print(f"  precision at n    {with_interval(evaluation, 'precision_at_n')}   (n = {evaluation.n_anomalies})")
    console.print(f"  F1 at threshold   {with_interval(evaluation, 'f1')}")
    return trained, evaluation


def with_interval(evaluation: EvaluateResult, name: str) -> str:
    """A figure, and where it lies on other patients of the same kind."""
    low, high = evaluation.intervals[name]
    return escape(f"{getattr(evaluation, name):.3f} [{low:.3f}, {high:.3f}]")


def score_one_patient(client: Client, model_id: UUID, test: Dataset) -> None:
    """One row, as an application would ask."""
    step("Score one patient. The first request loads the model; the second shows the pace.")
    patient = client.datasets.sample(test.id, n=1).rows[0]
    row = {feature: patient[feature] for feature in FEATURES}
    client.predict(row, model_id=model_id)
    prediction = client.predict(row, model_id=model_id)
    verdict = "an anomaly" if prediction.is_anomaly else "no anomaly"
    console.print(f"  {verdict}: more unusual than {prediction.prediction:.1%} of the training patients")
    console.print(f"  scored in {prediction.latency_ms:.2f} ms")


def score_all_patients(client: Client, model_id: UUID, test: Dataset) -> tuple[Floats, Floats, float]:
    """(n_rows, features and label), the raw scores (n_rows,), and the model's threshold."""
    step("Score all held-out patients in one request.")
    patients = client.datasets.rows(test.id, [*FEATURES, LABEL]).to_numpy()
    batch = client.predict_batch(patients[:, : len(FEATURES)], model_id=model_id)
    console.print(f"  {batch.total_processed} rows at {batch.throughput_per_second:,.0f} rows per second")
    return patients, np.array([score.raw_score for score in batch.predictions]), batch.threshold


def step(title: str) -> None:
    """A heading."""
    console.print(f"\n[bold cyan]{title}[/]")


def finished(job: JobHandle[Result]) -> Result:
    """The job's result. While it runs, the client asks how far it is and moves the progress bar."""
    result = job.wait(progress=True)
    path = f"/api/v1/jobs/{job.id}"
    console.print(f"[dim]  GET   {path}  →  200, asked {n_polls[path]} times until it had succeeded[/]")
    return result


def print_request(exchange: Exchange) -> None:
    """What the client has just sent, and how long the answer took."""
    if exchange.path.startswith("/api/v1/jobs/"):
        n_polls[exchange.path] += 1  # `finished` says how many there were
        return
    status = exchange.status or "no answer"
    line = f"  {exchange.method:<5} {exchange.path}  →  {status}, {exchange.duration_ms:.1f} ms"
    console.print(f"[dim]{escape(line)}[/]")
    if exchange.sent:
        console.print(f"[dim]        {escape(exchange.sent)}[/]")


def print_most_anomalous(patients: Floats, scores: Floats, n: int = 10) -> None:
    """The rows with the highest scores, and whether they are sick."""
    table = Table(title=f"The {n} most anomalous held-out patients", title_justify="left")
    for column in ["score", *FEATURES, "label"]:
        table.add_column(column, justify="right")
    for place in np.argsort(-scores, kind="stable")[:n]:
        *values, label = patients[place]
        cells = [f"{scores[place]:.4f}", *(f"{value:.4f}" for value in values)]
        table.add_row(*cells, "[red]sick[/]" if label == 1 else "well")
    console.print()
    console.print(table)


def curves(scores: Floats, labels: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """False-positive rate, true-positive rate and precision at every threshold, from the strictest down.

    scores, labels: (n_rows,). Returns three of (n_thresholds,), in [0, 1].
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    true_positives, n_flagged = hits[last_of_ties], last_of_ties + 1
    false_positives = n_flagged - true_positives
    return false_positives / (~labels).sum(), true_positives / labels.sum(), true_positives / n_flagged


def draw(scores: Floats, labels: NDArray[np.bool_], threshold: float) -> None:
    """The picture: who scores how, and how well the scores order the patients."""
    plt.style.use("seaborn-v0_8-whitegrid")
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    draw_histogram(left, scores, labels, threshold)
    false_rate, recall, precision = curves(scores, labels)
    draw_roc(middle, false_rate, recall)
    draw_precision(right, recall, precision, share=float(labels.mean()))
    for panel in (left, middle, right):
        panel.legend(frameon=True, loc="best")
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Isolation Forest on held-out thyroid patients", fontsize=14, fontweight="bold")
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)
    console.print(f"\n  picture: {PICTURE.resolve()}")


def draw_histogram(panel: Axes, scores: Floats, labels: NDArray[np.bool_], threshold: float) -> None:
    bins = np.linspace(scores.min(), scores.max(), 25).tolist()
    for who, chosen, colour in (("well", ~labels, "#4c78a8"), ("sick", labels, "#e45756")):
        panel.hist(scores[chosen], bins, density=True, color=colour, alpha=0.75, label=f"{who} ({chosen.sum()})")
    panel.axvline(threshold, color="black", linestyle="--", linewidth=1.2, label=f"threshold {threshold:.3f}")
    panel.set(title="Scores by label", xlabel="raw score, higher = more anomalous", ylabel="density")


def draw_roc(panel: Axes, false_rate: Floats, recall: Floats) -> None:
    x, y = np.append(0.0, false_rate), np.append(0.0, recall)
    panel.plot(x, y, color=LINE, linewidth=2, label=f"area {np.trapezoid(y, x):.4f}")
    panel.fill_between(x, y, color=LINE, alpha=0.08)
    panel.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance 0.5")
    panel.set(title="ROC", xlabel="false-positive rate", ylabel="true-positive rate")


def draw_precision(panel: Axes, recall: Floats, precision: Floats, share: float) -> None:
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    x, y = np.append(0.0, recall), np.append(precision[0], precision)
    panel.step(x, y, where="pre", color=LINE, linewidth=2, label=f"area {area:.4f}")
    panel.fill_between(x, y, step="pre", color=LINE, alpha=0.08)
    panel.axhline(share, color="grey", linestyle=":", label=f"chance {share:.4f}")
    panel.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.05))


def print_where_to_go_next(url: str) -> None:
    """What to try now."""
    step("Where to go next, while the suite runs")
    for what, why in {
        f"{url}/docs": "every endpoint, to try in the browser",
        "pynomaly detect YOUR.csv": "the same on a file of yours",
        "pynomaly detect examples/data/cardio.csv --target is_anomaly": "another real one, with its labels",
        "pynomaly models list": "what this tour has left behind",
        "examples/tour.py": "the code you have just seen at work",
    }.items():
        console.print(f"  {what:<62} {why}")


def failed(roc_auc: float) -> int:
    """Say what is wrong; the exit code."""
    console.print(f"[red]ROC AUC on held-out patients is {roc_auc:.4f}; at least {GOOD_ENOUGH} was expected.[/]")
    return 1


if __name__ == "__main__":
    plt.switch_backend("Agg")  # draws into the file; needs no screen
    try:
        sys.exit(main())
    except PynomalyError as error:
        sys.exit(f"The tour ends here: {error}")
