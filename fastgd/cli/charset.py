"""Which encoding the text of a file has."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

Opened = Callable[[], BinaryIO]

_MARKS = (  # UTF-32's mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLOCK = 1 << 20  # bytes that are decoded at once
_KOREAN = re.compile(r"[가-힣ㄱ-ㆎ]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def encoding_of(opened: Opened) -> str:
    r"""The encoding that a text shows: by its mark, its zero bytes, or since all of it can be decoded.

    UTF-8 is taken first, then cp949, Korean Windows', if what is not ASCII is mostly Hangul: letters with accents in
    cp1252 are rare Hanja there.

    Parameters
    ----------
    opened : callable
        Opens the file.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is no text, or has another encoding.

    Examples
    --------
    >>> import io
    >>> from fastgd.cli.charset import encoding_of
    >>> text = "키,몸무게\n170,65\n"
    >>> [encoding_of(lambda: io.BytesIO(text.encode(name))) for name in ("utf-8", "utf-16", "cp949")]
    ['utf-8', 'utf-16', 'cp949']
    """
    with opened() as stream:
        start = stream.read(_BLOCK)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is not None:
        return marked
    if b"\0" in start:
        return _wide(start)
    failed = _failure(opened, "utf-8")
    if failed is None:
        return "utf-8"
    if _failure(opened, "cp949") is None and _is_korean(opened):
        return "cp949"
    raise ValueError(
        f"it {failed}, nor cp949; pass --encoding, for example cp1252 (Western Europe), gb18030 or shift_jis"
    )


def check_decodes(opened: Opened, encoding: str) -> None:
    """Refuse a text that has another encoding than it was said to have."""
    failed = _failure(opened, encoding)
    if failed is not None:
        raise ValueError(f"it {failed}; pass another --encoding, or none")


def _wide(start: bytes) -> str:
    """UTF-16 without a mark: of signs and digits one byte of two is zero, hardly ever the other."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if 10 * min(even, odd) < max(even, odd) and 8 * max(even, odd) > len(start):
        name = "utf-16-le" if odd > even else "utf-16-be"
        if "\n" in start[: len(start) // 2 * 2].decode(name, "replace"):
            return name
    raise ValueError("it is not text; wanted a table as CSV, Excel or Parquet")


def _pieces(opened: Opened, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    with opened() as stream:
        while block := stream.read(_BLOCK):
            yield decoder.decode(block)
    yield decoder.decode(b"", True)


def _failure(opened: Opened, encoding: str) -> str | None:
    """Where the text cannot be decoded, if so."""
    lines = 1
    try:
        for piece in _pieces(opened, encoding):
            lines += piece.count("\n")
    except UnicodeDecodeError as error:
        lines += error.object[: error.start].count(b"\n")
        byte = error.object[error.start]
        name = "UTF-8" if encoding == "utf-8" else encoding
        return f"is not {name} text (byte 0x{byte:02x} in line {lines:,})"
    return None


def _is_korean(opened: Opened) -> bool:
    """Whether most of what is not ASCII is Hangul."""
    korean = others = 0
    for piece in _pieces(opened, "cp949"):
        hangul = len(_KOREAN.findall(piece))
        korean += hangul
        others += len(_NOT_ASCII.findall(piece)) - hangul
    return korean > others
