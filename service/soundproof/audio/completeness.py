"""Whether a compressed file is all there, where the decoder does not tell: libsndfile reads what it finds."""

import hashlib

# The magic, a block's header, and what STREAMINFO has in front of its last field (RFC 9639, section 8.2).
_FLAC_SUM_AT = 4 + 4 + 18
_FLAC_SUM_BYTES = 16
_OGG_HEADER_BYTES = 27
_LAST_PAGE = 0x04
_ID3_HEADER_BYTES = 10
# Where the first frame of an MP3 file says how long the file is: behind its header and side information, and a CRC.
_WITHIN_BYTES = 2048


def flac_sum_agrees(data: bytes, samples: bytes) -> bool:
    """Whether the samples, as they are in a WAV file, are those that the file was made of: it has their MD5, or zeros
    where its writer did not know."""
    stated = data[_FLAC_SUM_AT:][:_FLAC_SUM_BYTES]
    return stated in (bytes(_FLAC_SUM_BYTES), hashlib.md5(samples, usedforsecurity=False).digest())


def ogg_is_complete(data: bytes) -> bool:
    """The last page is whole and says that it is the last one (RFC 3533, section 6)."""
    start = data.rfind(b"OggS")
    header = data[start : start + _OGG_HEADER_BYTES]
    if start < 0 or len(header) < _OGG_HEADER_BYTES:
        return False
    segments = header[26]
    sizes = data[start + _OGG_HEADER_BYTES :][:segments]
    end = start + _OGG_HEADER_BYTES + segments + sum(sizes)
    return bool(header[5] & _LAST_PAGE) and len(sizes) == segments and end <= len(data)


def mp3_tells_its_length(data: bytes) -> bool:
    """Whether there is a Xing, Info or VBRI header. Without one libsndfile guesses the length from the first frames,
    and decodes no further than its guess."""
    start = 0
    if data[:3] == b"ID3":
        # A synchsafe integer: seven bits in each of four bytes (ID3v2.4, section 6.2).
        size = 0
        for byte in data[6:_ID3_HEADER_BYTES]:
            size = size << 7 | byte & 0x7F
        start = _ID3_HEADER_BYTES + size
    first = data[start : start + _WITHIN_BYTES]
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))
