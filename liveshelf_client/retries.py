"""When a request is sent again."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx
import tenacity

from liveshelf_client.calls import Busy

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 5.0


class Patience(NamedTuple):
    """How often, and for how long, something is tried."""

    tries: int
    seconds: float
    """No try begins later than that after the first one; no wait is longer."""

    def policy(self) -> dict[str, Any]:
        """Return the arguments for tenacity. Every request of this client may be sent twice: events carry their ids."""
        return {
            "retry": tenacity.retry_if_exception_type((httpx.TransportError, Busy)),
            "wait": self._wait,
            "stop": tenacity.stop_after_attempt(self.tries) | tenacity.stop_before_delay(self.seconds),
            "reraise": True,
        }

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Busy) and error.after_s is not None:
            return error.after_s
        grown: float = _BACK_OFF(state)
        return grown


_BACK_OFF = tenacity.wait_exponential_jitter(initial=_FIRST_WAIT_S, max=_LONGEST_WAIT_S, jitter=_FIRST_WAIT_S)
