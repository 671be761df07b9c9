"""Which engines a process has loaded: all that fit into memory together, else the one in use."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping

from seedbed_backend.engine.base import Engine
from seedbed_backend.engine.memory import RESERVE

_logger = logging.getLogger(__name__)


class ModelSlot:
    """Opens engines by name on first use, and closes the others first where memory is short.

    `openers` load them. `sizes` are their bytes in memory, 0 for those without weights of their
    own. `available_bytes` says what the process may still take, None where nobody knows. With
    `is_exclusive`, asked when a second one is wanted, they never share (the GPU's memory). What is
    known of memory is careful rather than exact: pages of a mapped file may be counted twice.
    """

    def __init__(
        self,
        openers: Mapping[str, Callable[[], Engine]],
        sizes: Mapping[str, int],
        available_bytes: Callable[[], int | None],
        is_exclusive: Callable[[], bool],
    ) -> None:
        self._openers = openers
        self._sizes = sizes
        self._available_bytes = available_bytes
        self._is_exclusive = is_exclusive
        self._loaded: dict[str, Engine] = {}
        self.n_loads: Counter[str] = Counter()
        """How often each was loaded."""

    @property
    def loaded(self) -> tuple[str, ...]:
        """Name the engines that are loaded."""
        return tuple(self._loaded)

    def take(self, name: str) -> Engine:
        """Return the engine, loaded. Those it does not fit beside are closed: do not keep it.

        Raises ModelError naming the file and what is wrong with it.
        """
        if name not in self._loaded:
            self._make_room(name)
            self._loaded[name] = self._openers[name]()
            self.n_loads[name] += 1
        return self._loaded[name]

    def close(self) -> None:
        """Close all of them; a later `take` loads anew."""
        while self._loaded:
            self._loaded.popitem()[1].close()

    def _make_room(self, name: str) -> None:
        if not self._loaded or self._fits(name):
            return
        _logger.info("swapping models: %s makes room for %s", ", ".join(self._loaded), name)
        self.close()

    def _fits(self, name: str) -> bool:
        if not self._sizes[name] or not any(self._sizes[other] for other in self._loaded):
            return True
        if self._is_exclusive():
            return False
        # Mapped weights count as available: the file's pages can be dropped at any time.
        need = self._sizes[name] + sum(self._sizes[other] for other in self._loaded)
        available = self._available_bytes()
        return available is not None and need <= available * (1 - RESERVE)
