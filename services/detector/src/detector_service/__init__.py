"""The detector service of Pynomaly.

The API, from a request to a job in the queue:
    api          routes: parse, one call, return
    service      use cases, by noun, and what a job is to do, pinned when it is asked for
    repository   every SQL statement, on the tables of `tables`; `migrations` make them
    clients      the dataset and the model service, which the worker asks as well

The worker, from the queue to the result:
    worker       takes a job, fetches its rows, has a child compute in a sandbox, hands over what comes of it
    child        that process: reads rows, and does one kind of work on them

What a child computes with:
    training     what can be fitted, and the fit: all rows in memory, a stream of them, or a batch against itself
    estimators   detectors that complete PyOD's, neural networks among them
    compile      a fitted detector and its feature pipeline as one ONNX graph
    evaluation   figures of labelled rows, how sure they are, and thresholds that reach a target

What all of them know: `algorithms` (on offer, as `catalogue` declares them), `specs` (of jobs), `features` (of a data
set's columns), `domain` and `errors` (what is refused). `app` wires.
"""
