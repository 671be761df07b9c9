"""Prometheus metrics, computed from the store and the queues when asked."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from seedbed_backend.app import get_services
from seedbed_backend.services import Services

blueprint = Blueprint("metrics", __name__)


class _Collector:
    def __init__(self, services: Services) -> None:
        self.services = services

    def collect(self) -> Iterator[Metric]:
        completions = GaugeMetricFamily(
            "seedbed_completions",
            "Completions by project, stage and reason; survivors have stage 'survivor'.",
            labels=["project", "stage", "reason"],
        )
        for project in self.services.store.projects():
            funnel = self.services.store.funnel(project_id=project.id)
            for row in funnel.rows:
                completions.add_metric([project.id, row.stage, row.reason], row.n)
            completions.add_metric([project.id, "survivor", ""], funnel.n_survivors)
            completions.add_metric([project.id, "pending", ""], funnel.n_pending)
        yield completions
        depth = GaugeMetricFamily("seedbed_queue_depth", "Waiting jobs.", labels=["queue"])
        for name, n in self.services.queues.depth().items():
            depth.add_metric([name], n)
        yield depth


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(get_services()))
    return Response(generate_latest(registry), mimetype="text/plain")
