"""What a score is called."""

from detector_service import domain


def test_a_score_column_whose_name_is_taken_gets_a_prefix_until_it_is_free() -> None:
    names = domain.score_columns(["prediction", "is_anomaly", "pynomaly_is_anomaly"])
    assert names == {
        "raw_score": "raw_score",
        "prediction": "pynomaly_prediction",
        "is_anomaly": "pynomaly_pynomaly_is_anomaly",
    }
