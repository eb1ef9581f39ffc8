"""What is typed, held to what the API takes: its own request models check it, so that no bound is written twice."""

from collections.abc import Mapping
from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from event_stream_engine.web.bodies import Body

B = TypeVar("B", bound=Body)

_BLANK = "Say why: it is kept with it, and blanks alone say nothing."
_SAID = {"string_too_short": _BLANK, "string_pattern_mismatch": _BLANK}  # a pattern's own message is the pattern


def asked(model: type[B], typed_as: Mapping[str, str], **given: Any) -> B:
    """The request to the API that means the same as what was typed.

    `typed_as`: field -> how the command names it; any other field is typed as its option, `per_second` as
    `--per-second`. Raises `typer.BadParameter` (status 2) for what the API refuses.
    """
    try:
        return model(**given)
    except ValidationError as error:
        wrong = error.errors()[0]
        fields = [part for part in wrong["loc"] if isinstance(part, str)]  # none: about the request as a whole
        hint = typed_as.get(fields[-1], f"--{fields[-1].replace('_', '-')}") if fields else None
        raise typer.BadParameter(_SAID.get(wrong["type"], wrong["msg"]), param_hint=hint) from None
