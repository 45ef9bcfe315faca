"""Files whose checksums are right, or that need none: so that damage reaches the reader behind the checksum."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from io import BytesIO


def tensor_header(content: bytes) -> bytes:
    """The header of a file of tensors, without its digest, as earlier versions wrote it."""
    header = json.loads(content[8 : _tensor_start(content)])
    del header["__metadata__"]["digest"]
    return json.dumps(header).encode()


def with_header(good: bytes, header: bytes) -> bytes:
    """A file of tensors with another header, whose length is right."""
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + good[_tensor_start(good) :]


def _tensor_start(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def first_member(content: bytes) -> bytes:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def replaced_member(good: bytes, member: bytes) -> bytes:
    result = BytesIO()
    with zipfile.ZipFile(BytesIO(good)) as archive, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as changed:
        for number, name in enumerate(archive.namelist()):
            changed.writestr(name, archive.read(name) if number else member)
    return result.getvalue()


def with_checksums(good: bytes, content: bytes) -> bytes:
    """A PNG file in which the checksum of every chunk is right."""
    at, result = 8, bytearray(content)
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(content):
            break
        result[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    return bytes(result)
