"""TensorBoard's record files: each record between its length and the checksums of both.

The `tensorboard` package's own writer does the checksum, CRC-32C, byte by byte in Python, which took two thirds of an export;
here numpy, which `tensorboard` needs itself, does a block of bytes at once.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, its bits reversed."""

BLOCK = 4096
"""Bytes at once: more, and the table for them no longer fits the processor's cache."""


def _table() -> NDArray[np.uint32]:
    """What a byte adds to the checksum of a block: a row of 256 for each place in it, the last place last."""
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = np.where(last & 1, last >> 1 ^ POLYNOMIAL, last >> 1).astype(np.uint32)
    rows = np.empty((BLOCK, 256), np.uint32)
    rows[-1] = last
    for place in range(BLOCK - 2, -1, -1):
        rows[place] = last[rows[place + 1] & 255] ^ rows[place + 1] >> 8
    return rows.ravel()


_ADDED = _table()
_ROWS = np.arange(BLOCK) * 256


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    crc = 0xFFFFFFFF
    for start in range(0, len(data), BLOCK):
        block = np.frombuffer(data, np.uint8, min(BLOCK, len(data) - start), start)
        cells = _ROWS[-len(block) :] + block
        cells[:4] ^= np.frombuffer(crc.to_bytes(4, "little"), np.uint8)[: len(block)]
        crc = int(np.bitwise_xor.reduce(_ADDED[cells])) ^ crc >> 8 * len(block)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """As it stands in the file: the checksum of something that holds checksums would be too like them."""
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF


def write(file: BinaryIO, record: bytes) -> None:
    """Append a record. Raises OSError."""
    length = struct.pack("<Q", len(record))
    file.write(b"".join([length, _checksum(length), record, _checksum(record)]))


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked(crc32c(data)))
