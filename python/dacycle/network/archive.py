"""The zip archive that a network file is: whole by its own checksums before anything of it is used.

PyTorch does not look at them. As in `fortran/network/archive.f90`: entries follow each other from
the first byte to the directory, and the directory is the end; what no checksum covers (names,
sizes, flags) must agree, or is read by nobody (dates, padding).
"""

import struct
import zlib

from dacycle.errors import NetworkFileError

__all__ = ["check_archive"]

ENTRY = struct.Struct("<4sHHHIIIIHH")
DIRECTORY = struct.Struct("<4sHHHHIIIIHHHHHII")
END = struct.Struct("<4sIHHIIH")
WIDE_END = struct.Struct("<4sQHHQQQQQ")
LOCATOR = struct.Struct("<4sIQI")
DESCRIPTORS = (struct.Struct("<4sIQQ"), struct.Struct("<4sIII"))

ELSEWHERE = 0xFFFFFFFF
"""What a number says that stands in a wider field."""

DESCRIPTOR = 0x0008
KNOWN_FLAGS = 0x080E
FOLDER = 0x10
DEFLATED = 8


def check_archive(path: object, data: bytes) -> None:
    """Refuse a file that is not what was written.

    Args:
        path: of the file, for messages.
        data: all its bytes.

    Raises:
        NetworkFileError: it is no archive, is cut short, or a bit of it is another.
    """
    try:
        start, limit, count = _directory(data)
    except (ValueError, struct.error):
        raise NetworkFileError(
            f"{path}: no TorchScript file (it is no zip archive, or is cut short)"
        ) from None
    try:
        at, offset = start, 0
        names = set()
        for _ in range(count):
            name, at, offset = _entry(data, at, offset, start)
            names.add(name)
        if len(names) != count or (at, offset) != (limit, start):
            raise ValueError("its directory and its entries differ")
    except (ValueError, struct.error, zlib.error) as error:
        reason = error if isinstance(error, ValueError) else "its entries cannot be read"
        raise NetworkFileError(
            f"{path}: is damaged: {reason}; copy it anew, and compare its sha256"
        ) from error


def _directory(data: bytes) -> tuple[int, int, int]:
    """Where the directory begins and ends, and how many entries it has."""
    at = len(data) - END.size
    mark, disks, here, count, size, start, comment = END.unpack_from(data, max(at, 0))
    right = (mark, disks, here, comment) == (b"PK\5\6", 0, count, 0)
    limit = at
    if at >= LOCATOR.size + WIDE_END.size and data[at - LOCATOR.size :].startswith(b"PK\6\7"):
        limit = at - LOCATOR.size - WIDE_END.size
        right &= LOCATOR.unpack_from(data, at - LOCATOR.size)[1:] == (0, limit, 1)
        narrow = count, size, start
        mark, length, *_, disks, here, count, size, start = WIDE_END.unpack_from(data, limit)
        right &= (mark, length, disks, here) == (b"PK\6\6", WIDE_END.size - 12, 0, count)
        for said, told, most in zip(
            narrow, (count, size, start), (0xFFFF, ELSEWHERE, ELSEWHERE), strict=True
        ):
            right &= said in (told, most)
    if not right or start + size != limit or not 0 < count <= size // DIRECTORY.size:
        raise ValueError
    return start, limit, count


def _entry(data: bytes, at: int, offset: int, limit: int) -> tuple[bytes, int, int]:
    """Name of an entry; the places of the next one, in the directory and of its data."""
    mark, _, _, flags, method, _, *rest = DIRECTORY.unpack_from(data, at)
    crc, packed, size, length, extra, comment, disk, _, kind, where = rest
    head = ENTRY.unpack_from(data, offset)
    name = data[at + DIRECTORY.size : at + DIRECTORY.size + length]
    first = offset + ENTRY.size + length + head[9]
    last = first + packed
    open_ones = (0, ELSEWHERE) if flags & DESCRIPTOR else ()
    agree = (
        mark == b"PK\1\2"
        and head[0] == b"PK\3\4"
        and length > 0
        and not flags & ~KNOWN_FLAGS
        and head[2:4] == (flags, method)
        and head[8] == length
        and data[offset + ENTRY.size :][:length] == name
        and (comment, disk, where) == (0, 0, offset)
        and not kind & FOLDER
        and last <= limit
        and all(
            said in (told, *open_ones)
            for said, told in zip(head[5:8], (crc, packed, size), strict=True)
        )
    )
    if not agree:
        raise ValueError("its directory and its entries differ")
    content = data[first:last]
    if method == DEFLATED:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        content = stream.decompress(content, size + 1)
        if not stream.eof or stream.unused_data:
            method = -1
    if method not in (0, DEFLATED) or len(content) != size or zlib.crc32(content) != crc:
        shown = name.decode(errors="replace")
        raise ValueError(f"'{shown}' has not the checksum that it should have")
    if flags & DESCRIPTOR:
        for layout in DESCRIPTORS:
            if layout.unpack_from(data, last) == (b"PK\7\10", crc, packed, size):
                last += layout.size
                break
        else:
            raise ValueError("an entry is followed by other numbers than its own")
    return name, at + DIRECTORY.size + length + extra, last
