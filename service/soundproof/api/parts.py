"""The parts of a multipart form, read strictly."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from soundproof.errors import StoreUnavailable

MOST_FIELDS = 32
MOST_FIELD_BYTES = 1024

Part = tuple[str, str | UploadFile]


class Parser(MultiPartParser):
    """Starlette's parser, which leaves out a part that is cut short; this one tells whether the end was received.

    `documents`: fields that may be longer than the others, and how long. Each may be sent once only.
    """

    def __init__(
        self,
        headers: Headers,
        stream: AsyncGenerator[bytes, None],
        *,
        most_files: int,
        documents: Mapping[str, int],
    ) -> None:
        super().__init__(headers, stream, max_files=most_files, max_fields=MOST_FIELDS)
        self.ended = False
        self._documents = documents

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        name = self._current_part.field_name
        if name in self._documents and any(name == earlier for earlier, _ in self.items):
            raise fault(name, "may be given once only")
        self.max_part_size = self._documents.get(name, MOST_FIELD_BYTES)

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        """The files; that of a part that is cut short, which is in no form, too."""
        for file in self._files_to_close_on_error:
            file.close()


@asynccontextmanager
async def read_parts(
    request: Request, parser_of: Callable[[Headers, AsyncGenerator[bytes, None]], Parser]
) -> AsyncIterator[list[Part]]:
    """The parts of a whole multipart form, in order; its files are closed at the end. HTTPException says why it is
    none."""
    stated = request.headers.get("content-type", "")
    content_type, options = parse_options_header(stated)
    if content_type != b"multipart/form-data":
        raise HTTPException(415, f"The body is {stated or 'of no stated type'}, not multipart/form-data.")
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() != "utf-8":  # Python has codecs that are no charsets, and some that raise what nobody expects
        raise HTTPException(415, f"The form's charset is {charset!r}; only utf-8 is read.")
    async with aclosing(request.stream()) as stream, aclosing(_begun(stream)) as begun:
        parser = parser_of(request.headers, begun)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(400, f"The form cannot be read: {error.message}") from error
        except OSError as error:  # larger uploads are put down on the disk while they are read
            raise StoreUnavailable(
                f"There is no room for the upload: {error.strerror}.", "Send the request again later."
            ) from error
    try:
        if not parser.ended:
            raise HTTPException(400, "The form ends before its closing boundary.")
        yield form.multi_items()
    finally:
        await form.close()
        parser.close()


async def _begun(stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """A body without line ends in front: behind them the parser skips what is no boundary, as far as a piece reaches,
    and what is a form would depend on the pieces in which it arrives."""
    begun = False
    async for piece in stream:
        rest = piece if begun else piece.lstrip(b"\r\n")
        begun = begun or bool(rest)
        yield rest


def fault(field: str, message: str) -> RequestValidationError:
    """What is wrong with one field, as 422 invalid_request."""
    return RequestValidationError([{"type": "value_error", "loc": (field,), "msg": message, "input": None}])
