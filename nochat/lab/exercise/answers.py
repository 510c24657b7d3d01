"""The answers of a student's service, before they are published."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nochat.protocol.envelope import Envelope
from nochat.service import Handler, Service


def show_answers(service: Service[Any], look: Callable[[Any, list[Envelope]], None]) -> None:
    """Let a function look at each event, or batch, and at the answer of its handler."""

    def shown(handler: Handler) -> Handler:
        async def call(events: Any, context: Any) -> list[Envelope]:
            returned = await handler.call(events, context)
            answer = [returned] if isinstance(returned, Envelope) else list(returned or ())
            look(events, answer)
            return answer

        return replace(handler, call=call)

    service.handlers = {kind: shown(handler) for kind, handler in service.handlers.items()}
