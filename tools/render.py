"""Write what deploy/ has that follows from elsewhere, or with --check tell what is not current.

The URL table into the charts' values, the charts' value schemas, and the rendered examples: deploy/istio for reading,
deploy/kubernetes for those without Helm or Istio. Needs Helm 3.18 or later, on PATH or from the tool in CLUSTER.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pynomaly_contracts.routes import GRPC_ROUTES, ROUTES, Service

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
CHARTS = DEPLOY / "helm"
TABLE = ROUTES + GRPC_ROUTES
SERVICES = [str(service) for service in Service]
NAMESPACE = "pynomaly"
GENERATED = "# generated: the URL table of pynomaly_contracts.routes, by tools/render.py\n"
HEADER = "# Generated from deploy/helm by tools/render.py; change the charts instead.\n"
ISTIO = ("networking.istio.io/", "security.istio.io/")
CANARY = ("--set=canary.enabled=true", "--set=canary.tag=next", "--set=canary.weight=10")
PLAIN = ("--set=mesh.enabled=false", "--set=migrations.by=init")


def main() -> int:
    """Exit code 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path, text in tables() if differs(path, text, check=check)]
    stale += [path for path, text in rendered() if differs(path, text, check=check)]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is not current: run tools/render.py' if check else 'written'}")  # noqa: T201
    return 1 if check and stale else 0


def differs(path: Path, text: str, *, check: bool) -> bool:
    """Whether the file was not so; it is so afterwards, unless `check`."""
    if path.exists() and path.read_text() == text:
        return False
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return True


def tables() -> Iterator[tuple[Path, str]]:
    """The values and the schemas of the charts, as they should be."""
    yield with_table("platform", [f"routes:\n{rows()}"])
    for service in SERVICES:
        paths = [route.prefix for route in TABLE if route.owner == service]
        if paths:
            yield with_table(service, ["paths:\n" + "".join(f"- {path}\n" for path in paths)])
        yield CHARTS / service / "values.schema.json", schema(service)


def rows() -> str:
    return "".join(f"- {{prefix: {route.prefix}, owner: {route.owner}}}\n" for route in TABLE)


def with_table(chart: str, blocks: list[str]) -> tuple[Path, str]:
    """The chart's values, ending in the generated part."""
    path = CHARTS / chart / "values.yaml"
    return path, path.read_text().partition(GENERATED)[0] + GENERATED + "".join(blocks)


def schema(service: str) -> str:
    """What every service's chart takes, and what this one takes beside."""
    found: Object = json.loads((CHARTS / "common" / "service.schema.json").read_text())
    own: Object = json.loads((CHARTS / service / "own.schema.json").read_text())
    found["required"] += own.get("required", [])
    found["properties"] |= own.get("properties", {})
    return json.dumps(found, indent=2) + "\n"


def rendered() -> Iterator[tuple[Path, str]]:
    """The examples, one file a chart."""
    istio = DEPLOY / "istio"
    yield istio / "platform.yaml", text(only_istio(template("platform")))
    for service in SERVICES:
        yield istio / f"{service}.yaml", text(only_istio(template(service, *CANARY)))
    kubernetes = DEPLOY / "kubernetes"
    for service in SERVICES:
        yield kubernetes / "services" / f"{service}.yaml", text(template(service, *PLAIN))
    yield kubernetes / "trial" / "backing.yaml", text(template("dev-backing", "--set=secrets.create=false"))


def only_istio(objects: list[Object]) -> list[Object]:
    return [each for each in objects if each["apiVersion"].startswith(ISTIO)]


def template(chart: str, *arguments: str) -> list[Object]:
    """The objects of a chart, without what only Helm reads."""
    release = chart.removeprefix("dev-")
    command = [helm(), "template", release, str(CHARTS / chart), "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return [of_nobody(each) for each in yaml.safe_load_all(done.stdout) if each]


def of_nobody(rendered_object: Object) -> Object:
    labels = rendered_object["metadata"].get("labels", {})
    for name in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        labels.pop(name, None)
    return rendered_object


def text(objects: list[Object]) -> str:
    ordered = sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"]))
    return HEADER + "---\n".join(yaml.safe_dump(each, sort_keys=False, width=120) for each in ordered)


def helm() -> str:
    """Helm's path; ends the process where there is none."""
    found = shutil.which("helm")
    if found is None and (cluster := os.environ.get("CLUSTER")):
        told = subprocess.run([cluster, "env"], capture_output=True, text=True, check=True).stdout  # noqa: S603
        place = re.search(r"PATH=([^:\s]+)", told)
        found = shutil.which("helm", path=place[1] if place else "")
    return found or sys.exit("there is no helm: install 3.18 or later, or name the tool that has one in CLUSTER")


if __name__ == "__main__":
    sys.exit(main())
