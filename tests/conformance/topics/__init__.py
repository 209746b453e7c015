"""All rules, in the order in which the document lists them."""

from __future__ import annotations

from typing import Final

from tests.conformance.rule import AnyRule, Topic
from tests.conformance.topics import (
    codings,
    entity_tags,
    exchanges,
    negotiation,
    other_middleware,
    our_own,
    requests,
    responses,
    streams,
    values,
)

TOPICS: Final[tuple[Topic, ...]] = (
    negotiation.NEGOTIATION,
    negotiation.MEDIA_TYPES,
    requests.REQUESTS,
    values.DOCUMENTS,
    responses.FIELDS,
    responses.VARY,
    responses.STATUSES,
    entity_tags.ENTITY_TAGS,
    entity_tags.RANGES,
    codings.REQUEST_CODINGS,
    codings.RESPONSE_CODINGS,
    streams.STREAMS,
    streams.MESSAGES,
    exchanges.EXPECT,
    exchanges.DISCONNECTS,
    exchanges.EXCEPTIONS,
    exchanges.REFUSALS,
    exchanges.CONCURRENCY,
    other_middleware.OTHER_MIDDLEWARE,
    our_own.MODES,
    our_own.MEDIA_TYPES,
    our_own.LIMITS,
    our_own.REFUSALS,
    our_own.ENTITY_TAGS,
    our_own.WIRE_FORMAT,
    our_own.NESTING,
)


def rules(*, ours: bool) -> list[AnyRule]:
    """Return the rules of all topics, with or without those that are about this package alone."""
    return [rule for topic in TOPICS if ours or not topic.is_ours for rule in topic.rules]
