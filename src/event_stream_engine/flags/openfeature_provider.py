"""OpenFeature's provider over `Flags`: code written against that neutral API asks our flags. The only importer of its
SDK, which is an extra: `pip install 'event-stream-engine[openfeature]'`.

`targeting_key` of the context is our sticky key; the other attributes are passed as they are."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from event_stream_engine.flags.api import Evaluation, Flags

T = TypeVar("T")

_CODES = {
    "FLAG_NOT_FOUND": ErrorCode.FLAG_NOT_FOUND,
    "TYPE_MISMATCH": ErrorCode.TYPE_MISMATCH,
    "INVALID_CONTEXT": ErrorCode.INVALID_CONTEXT,
}


class Provider(AbstractProvider):
    """Answers from memory, so the async methods are the sync ones. Never raises."""

    def __init__(self, flags: Flags) -> None:
        super().__init__()
        self._flags = flags
        flags.when_staleness_changes(self.tell)

    def get_metadata(self) -> Metadata:
        return Metadata(name="event-stream-engine")

    def tell(self) -> None:
        """Emit PROVIDER_STALE or PROVIDER_READY as the flags are now."""
        status = self._flags.status()
        if status.is_stale:
            self.emit_provider_stale(ProviderEventDetails(message=f"{status.source}, {status.age_seconds} s old"))
        else:
            self.emit_provider_ready(ProviderEventDetails())

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return self._resolve(flag_key, float(default_value), evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        plain: Any = dict(default_value) if isinstance(default_value, Mapping) else list(default_value)
        return self._resolve(flag_key, plain, evaluation_context)

    def _resolve(self, name: str, fallback: Any, context: EvaluationContext | None) -> FlagResolutionDetails[Any]:
        return _resolution(self._flags.details(name, fallback, _attributes(context)))


def _attributes(context: EvaluationContext | None) -> dict[str, Any]:
    if context is None:
        return {}
    key = {} if context.targeting_key is None else {"targeting_key": context.targeting_key}
    return {**context.attributes, **key}


def _resolution(answer: Evaluation) -> FlagResolutionDetails[Any]:
    metadata: dict[str, bool | int | float | str] = {"version": answer.version}
    if answer.detail is not None:
        metadata["detail"] = answer.detail
    return FlagResolutionDetails(
        value=answer.value,
        reason=Reason(answer.reason),
        variant=answer.variant,
        flag_metadata=metadata,
        error_code=_CODES[answer.error_code] if answer.error_code else None,
        error_message=answer.detail if answer.error_code else None,
    )
