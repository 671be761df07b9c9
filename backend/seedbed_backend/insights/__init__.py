"""What the report says about a whole set, beyond the funnel: one file each, found by `insights()`.

An insight looks; it never drops. Filters decide about candidates, insights tell people about sets.
"""

from __future__ import annotations

from collections.abc import Mapping

from seedbed import registry
from seedbed_backend.insights.base import Finding, Insight, ReportData

__all__ = ["Finding", "Insight", "ReportData", "insights"]


def insights() -> Mapping[str, Insight]:
    """Return every installed insight by name."""
    return registry.discover("seedbed_backend.insights", "INSIGHT", "seedbed.insights")
