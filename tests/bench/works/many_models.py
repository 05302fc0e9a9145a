"""64 models in memory, asked in turn, against one."""

from dataclasses import replace

from artefacts import fetched
from dialects import MODEL, OURS_ONE, ours_one
from figures import Bar, Outcome, milliseconds
from stage import Stage, post

N_MODELS, MAX_RATIO = 64, 1.2


def measure(stage: Stage) -> Outcome:
    archive = fetched(stage, MODEL)
    names = [f"copy-{i}" for i in range(4 if stage.quick else N_MODELS)]
    for name in names:
        post(f"{stage.model_url}/api/v1/models/{name}/versions", archive, "content-type: application/zip\r\n")
    row = stage.rows[:1]
    one = stage.turn(stage.model_url, OURS_ONE, row, warm=2 * len(names))
    bodies = [stage.turn(stage.model_url, ours_one(name), row).bodies[0] for name in names]
    found = stage.generator.interleaved(
        {"one": one, "all": replace(one, bodies=tuple(bodies))}, 3 if stage.quick else 7
    )
    ratio = found["all"].p50_ms / found["one"].p50_ms
    figure = f"{ratio:.2f} ({milliseconds(found['all'].p50_ms)} / {milliseconds(found['one'].p50_ms)})"
    bar = Bar(f"{len(names)} models in turn / one model, p50", figure, f"<= {MAX_RATIO}", ratio <= MAX_RATIO)
    return Outcome([bar], numbers={name: each.p50_ms for name, each in found.items()})
