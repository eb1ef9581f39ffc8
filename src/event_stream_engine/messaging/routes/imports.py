"""Imports: upload a file, see what it holds, decide where its columns go, follow it, read what was refused."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from fastapi import Request
from fastapi.responses import StreamingResponse

from event_stream_engine import audit, clock
from event_stream_engine.errors import BadRequest
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions import imports as actions
from event_stream_engine.messaging.files import FileUnreadable, Shape, inspect, open_rows
from event_stream_engine.messaging.files.consents import count_consent
from event_stream_engine.messaging.files.sampling import Sample, looks_like_data, path_of, sample
from event_stream_engine.messaging.files.uploads import OVERHEAD_BYTES, removed_unless_kept, save_upload, too_large
from event_stream_engine.messaging.model import imports as rules
from event_stream_engine.messaging.model.dates import date_column, read_date
from event_stream_engine.messaging.model.import_columns import looks_like_consent, suggest
from event_stream_engine.messaging.model.import_rows import Refused
from event_stream_engine.messaging.routes.csv_safe import attachment, harmless
from event_stream_engine.messaging.routes.import_schemas import (
    AttributeTarget,
    ColumnMapping,
    ColumnPreview,
    ConsentCounts,
    DatesFound,
    Import,
    ImportChangeList,
    ImportPreview,
    ImportStart,
    MergedRow,
    Reject,
    Target,
)
from event_stream_engine.messaging.store import import_changes
from event_stream_engine.messaging.store import imports as store
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1", tags=["contacts"], route_class=Route)


_UPLOAD_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "name": {"type": "string", "maxLength": 200},
                    },
                }
            }
        },
    }
}


@router.post(
    "/imports",
    status_code=201,
    summary="Upload a contact file",
    openapi_extra=_UPLOAD_FORM,
    dependencies=[needs("contacts:write")],
)
async def upload_import(request: Request, account: Account, platform: ThePlatform) -> Import:
    """CSV, JSON or JSON lines, told from the content. Nothing is imported before the start."""
    limit = platform.settings.http.max_upload_bytes
    _check_length(request, limit)
    import_id = new_id()
    path = path_of(platform.settings.home, import_id)
    name, size = await save_upload(request.stream(), request.headers.get("content-type", ""), path, limit)
    with removed_unless_kept(path) as keep:
        shape = await asyncio.to_thread(inspect, path)
        await _sampled(path, shape)
        tx = await request.state.unit.transaction()
        added = await actions.add_upload(tx, import_id, name, size, shape, by=account)
        keep()
    return _import(added)


def _check_length(request: Request, limit: int) -> None:
    length = request.headers.get("content-length")
    if length is None:
        return
    if not length.isdigit():
        raise BadRequest("Content-Length is not a number.")
    if int(length) > limit + OVERHEAD_BYTES:
        raise too_large(limit)


@router.get("/imports", summary="List imports, newest first", dependencies=[needs("contacts:read")])
async def list_imports(tx: Tx, account: Account, limit: Limit = 50, cursor: Cursor = None) -> Page[Import]:
    found = await store.page(tx, after=decode_cursor(cursor, datetime, UUID), limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page[Import](
        items=[_import(item) for item in found[:limit]],
        next_cursor=encode_cursor(last.created_at, last.id) if last else None,
    )


@router.get("/imports/{import_id}", summary="How an import stands", dependencies=[needs("contacts:read")])
async def get_import(import_id: UUID, tx: Tx, account: Account) -> Import:
    return _import(await actions.the_import(tx, import_id))


@router.delete("/imports/{import_id}", summary="Cancel an import", dependencies=[needs("contacts:write")])
async def cancel_import(import_id: UUID, tx: Tx, account: Account) -> Import:
    """What was imported so far stays. A running import stops with its next chunk."""
    return _import(await actions.cancel_import(tx, import_id, by=account))


@router.get("/imports/{import_id}/preview", summary="What a file holds", dependencies=[needs("contacts:write")])
async def preview_import(import_id: UUID, tx: Tx, account: Account, platform: ThePlatform) -> ImportPreview:
    found = await actions.the_import(tx, import_id)
    shape = actions.shape_of(found)
    sampled = await _sampled(path_of(platform.settings.home, import_id), shape)
    suggestion = suggest(sampled.columns, sampled.values)
    return ImportPreview(
        format=shape.format,
        encoding=shape.encoding,
        delimiter=shape.delimiter,
        columns=[
            ColumnPreview(
                name=column.name,
                samples=samples,
                suggested=_target(column),
                dates=_dates(values),
                looks_like_consent=looks_like_consent(column),
            )
            for column, samples, values in zip(suggestion.columns, sampled.samples, sampled.values, strict=True)
        ],
        notes=[*_notes(shape), *suggestion.notes],
        rows_sampled=sampled.rows_sampled,
    )


def _notes(shape: Shape) -> list[str]:
    if not shape.damaged:
        return []
    return ["Some rows are not in UTF-8, as the others are: they are read as Windows-1252. Look at names with accents."]


@router.post(
    "/imports/{import_id}/consent",
    summary="Count what a file says about consent",
    dependencies=[needs("contacts:write")],
)
async def count_import_consent(
    import_id: UUID, body: ImportStart, tx: Tx, account: Account, platform: ThePlatform
) -> ConsentCounts:
    """Opt-ins, opt-outs and unknowns under this mapping, before anything is imported; of at most 50,000 rows. Rows that
    would be rejected count, too."""
    found = await actions.the_import(tx, import_id)
    path, shape = path_of(platform.settings.home, import_id), actions.shape_of(found)
    sampled = await _sampled(path, shape)
    options = rules.checked_options(
        rules.Options(
            [_column(mapped) for mapped in body.mapping], body.default_region, body.consent_source or "-",
            body.default_consent, body.mode,
        ),
        sampled.columns,
    )  # fmt: skip
    counted = await asyncio.to_thread(count_consent, str(path), shape, options)
    return ConsentCounts(**vars(counted))


@router.post(
    "/imports/{import_id}/start", status_code=202, summary="Start an import", dependencies=[needs("contacts:write")]
)
async def start_import(import_id: UUID, body: ImportStart, tx: Tx, account: Account, platform: ThePlatform) -> Import:
    """With `dry_run` every row is accounted for as a real run would, and no contact is written."""
    found = await actions.the_import(tx, import_id)
    if not found.may_start():
        raise rules.ImportState(f"This import is {found.status}: upload the file again to import it.")
    sampled = await _sampled(path_of(platform.settings.home, import_id), actions.shape_of(found))
    options = rules.Options(
        [_column(mapped) for mapped in body.mapping], body.default_region, body.consent_source,
        body.default_consent, body.mode,
    )  # fmt: skip
    return _import(
        await actions.start_import(tx, import_id, options, sampled.columns, dry_run=body.dry_run, by=account)
    )


@router.get(
    "/imports/{import_id}/rejects",
    summary="Rows that were refused, with the reason",
    dependencies=[needs("contacts:reveal")],
)
async def list_import_rejects(
    import_id: UUID, tx: Tx, account: Account, limit: Limit = 50, cursor: Cursor = None
) -> Page[Reject]:
    found = await actions.the_import(tx, import_id)
    after = decode_cursor(cursor, int)
    rows = await store.rejects_page(tx, import_id, after=after[0] if after else None, limit=limit + 1)
    return Page[Reject](
        items=[Reject(line=r.line, reason_code=r.code, reason=r.reason, row=r.row) for r in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1].number) if len(rows) > limit else None,
        total=found.rejected,
    )


@router.get(
    "/imports/{import_id}/rejects.csv",
    summary="Refused rows as CSV",
    response_class=StreamingResponse,
    dependencies=[needs("contacts:export")],
)
async def export_import_rejects(import_id: UUID, tx: Tx, account: Account, platform: ThePlatform) -> StreamingResponse:
    """The columns of the file, then the line, the reason, and the row as it stood where it does not fit the columns.
    Corrected, it can be uploaded as it is: the last three columns are not imported.

    A cell that begins with = + - @, a tab or a return has ' before it, so that no spreadsheet runs it.
    """
    found = await actions.the_import(tx, import_id)
    await audit.record(tx, account.account_id, "import.export_rejects", import_id, {"rows": found.rejected})
    return _download(f"Rejected rows of {found.name}", _rejects_csv(platform, found))


@router.get(
    "/imports/{import_id}/changes",
    summary="Values that an import replaces",
    dependencies=[needs("contacts:reveal")],
)
async def list_import_changes(import_id: UUID, tx: Tx) -> ImportChangeList:
    """For each field, in how many contacts a value is replaced by another, with up to ten examples. A dry run tells
    what would be replaced."""
    await actions.the_import(tx, import_id)
    return ImportChangeList.model_validate({"items": await import_changes.of_import(tx, import_id)})


@router.get(
    "/imports/{import_id}/merges",
    summary="Rows that were merged into an earlier one",
    dependencies=[needs("contacts:reveal")],
)
async def list_import_merges(
    import_id: UUID, tx: Tx, account: Account, limit: Limit = 50, cursor: Cursor = None
) -> Page[MergedRow]:
    found = await actions.the_import(tx, import_id)
    after = decode_cursor(cursor, int)
    rows = await store.merges_page(tx, import_id, after=after[0] if after else None, limit=limit + 1)
    return Page[MergedRow](
        items=[MergedRow(line=m.line, first_line=m.first_line, phone=m.phone, stated=m.stated) for m in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1].number) if len(rows) > limit else None,
        total=found.merged,
    )


@router.get(
    "/imports/{import_id}/merges.csv",
    summary="Merged rows as CSV",
    response_class=StreamingResponse,
    dependencies=[needs("contacts:export")],
)
async def export_import_merges(import_id: UUID, tx: Tx, account: Account, platform: ThePlatform) -> StreamingResponse:
    """The line, the line it was merged into, the number, and what the row says; cells are made harmless as above."""
    found = await actions.the_import(tx, import_id)
    await audit.record(tx, account.account_id, "import.export_merges", import_id, {"rows": found.merged})
    return _download(f"Merged rows of {found.name}", _merges_csv(platform, import_id))


def _download(name: str, body: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(body, media_type="text/csv; charset=utf-8", headers=attachment(name))


async def _rejects_csv(platform: ThePlatform, found: rules.Import) -> AsyncIterator[bytes]:
    columns = actions.columns_of(found)
    yield b"\xef\xbb\xbf" + _lines([[*columns, *rules.ABOUT_REJECTS]])
    async with platform.database.transaction() as tx:  # the request's own is over when the body is sent
        async for rows in store.stream_rejects(tx, found.id):
            yield _lines(_reject_cells(row, len(columns)) for row in rows)


def _reject_cells(row: Refused, width: int) -> list[object]:
    fits = row.cells is not None and len(row.cells) == width
    cells = row.cells if row.cells is not None and fits else [""] * width
    return [*cells, row.line, row.reason, "" if fits else row.row]


async def _merges_csv(platform: ThePlatform, import_id: UUID) -> AsyncIterator[bytes]:
    yield b"\xef\xbb\xbf" + _lines([["line", "merged_into_line", "phone", "what_it_says"]])
    async with platform.database.transaction() as tx:
        async for rows in store.stream_merges(tx, import_id):
            yield _lines([m.line, m.first_line, m.phone, _said(m.stated)] for m in rows)


def _said(stated: dict[str, str]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in stated.items())


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows([harmless(str(cell)) for cell in row] for row in rows)
    return written.getvalue().encode()


async def _sampled(path: Path, shape: Shape) -> Sample:
    try:
        sampled = await asyncio.to_thread(lambda: sample(open_rows(str(path), shape)))
    except FileNotFoundError as error:
        raise rules.UploadGone("The file of this import was removed: upload it again.") from error
    if looks_like_data(shape, sampled.columns):
        raise FileUnreadable(
            "The first line holds a contact where the names of the columns are expected: add a line such as "
            "phone,name,city on top."
        )
    return sampled


def _import(found: rules.Import) -> Import:
    return Import.model_validate(actions.fields_of(found, clock.now()))


def _target(column: rules.Column) -> Target:
    if column.attribute:
        return AttributeTarget(attribute=column.attribute, dates=column.dates)
    return column.target  # type: ignore[return-value]


def _dates(values: list[str]) -> DatesFound | None:
    found = date_column(values)
    if found is None:
        return None
    reads_as = read_date(found.example, found.dates) if found.example else None
    return DatesFound(dates=found.dates, assumed=found.is_assumed, example=found.example, reads_as=reads_as)


def _column(mapped: ColumnMapping) -> rules.Column:
    if isinstance(mapped.target, AttributeTarget):
        return rules.Column(mapped.column, "attribute", mapped.target.attribute, mapped.target.dates)
    return rules.Column(mapped.column, mapped.target)
