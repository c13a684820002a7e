"""Where the results are: a folder, or any place that fsspec knows, with run.json, images/ and rows/ (Parquet).
Every file gets its name when it is complete, and each image carries its row, so that no moment of an interruption loses one.
"""

from __future__ import annotations

import datetime
import io
import json
import struct
import time
import uuid
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

Record = dict[str, Any]  # a finished row, by column

SCORE = "score:"
_PNG = b"\x89PNG\r\n\x1a\n"
_AFTER_HEADER = len(_PNG) + 25  # the IHDR chunk is 4 + 4 + 13 + 4 bytes
_CHUNK = "deradiff"
_FORMAT = 1
_OFTEN, _RARELY = 5.0, 60.0  # seconds between parts of the table: in the beginning, and after ten minutes
_UNSAFE = ("..", "/", "\\", "\0")


def schema(judges: Sequence[str]) -> pa.Schema:
    """The table's columns: one row for each row of the plan. score:<judge>: NaN never, null where it failed."""
    text, number = pa.string(), pa.float64()
    columns = [("key", text), ("prompt", pa.int64()), ("text", text), ("negative", text), ("tags", text)]
    columns += [("seed", pa.int64()), ("lambda", number), ("method", text), ("error", text)]
    columns += [(SCORE + judge, number) for judge in judges]
    columns += [("kl", number), ("seconds", number), ("worker", text), ("recipe", text), ("models", text)]
    columns += [("images", pa.list_(text)), ("attempts", pa.int64()), ("finished", pa.timestamp("us", "UTC"))]
    return pa.schema(columns)


@dataclass(frozen=True)
class Place:
    """The folder of a run, on a disk or wherever fsspec reaches: what workers and the driver both use."""

    url: str

    def path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @property
    def files(self) -> fsspec.AbstractFileSystem:
        return fsspec.core.url_to_fs(self.url)[0]

    @property
    def local(self) -> bool:
        return "file" in self.files.protocol

    @property
    def _root(self) -> str:
        return fsspec.core.url_to_fs(self.url)[1]

    def write(self, name: str, data: bytes) -> None:
        """The whole file or none. Raises OSError where the place cannot take it."""
        files, path = self.files, self.path(name)
        if not self.local:  # object stores show a file when it is complete
            files.pipe_file(path, data)
            return
        part = f"{path}.{uuid.uuid4().hex}.part"
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            files.pipe_file(part, data)
            files.mv(part, path)
        except OSError:
            if files.exists(part):
                files.rm_file(part)
            raise

    def read(self, name: str) -> bytes:
        return self.files.cat_file(self.path(name))

    def exists(self, name: str) -> bool:
        return self.files.exists(self.path(name))

    def names(self, folder: str, ending: str = "") -> list[str]:
        """The files of a folder of the place, sorted."""
        files, path = self.files, self.path(folder)
        if not files.exists(path):
            return []
        files.invalidate_cache(path)
        found = (each.rpartition("/")[2] for each in files.ls(path, detail=False))
        return sorted(name for name in found if name.endswith(ending))

    def remove(self, name: str) -> None:
        self.files.rm_file(self.path(name))


def image_name(key: str, number: int, ending: str) -> str:
    """Of the number-th image of a row. Raises ValueError for a key or an ending that could leave the folder."""
    if any(part in key + ending for part in _UNSAFE):
        raise ValueError(f"images: {key + ending!r} is no file name.")
    return f"images/{key}{f'-{number}' if number else ''}{ending}"


def marked(image: bytes, record: Record) -> bytes:
    """The PNG with the record as a text chunk behind its header, its pixels untouched. Other formats stay as they are."""
    if not image.startswith(_PNG):
        return image
    body = b"tEXt" + _CHUNK.encode() + b"\0" + json.dumps(record).encode("ascii")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return image[:_AFTER_HEADER] + chunk + image[_AFTER_HEADER:]


def record_of(place: Place, key: str) -> Record | None:
    """The finished row that an image of this key carries; None if there is no such image, or it carries none."""
    name = image_name(key, 0, ".png")
    if not place.exists(name):
        return None
    with place.files.open(place.path(name), "rb") as file, Image.open(file) as image:
        text = image.info.get(_CHUNK)  # behind the header, before the pixels
    return json.loads(text) if text else None


class Store:
    """The results of a run, written by its driver: rows are buffered and go to a Parquet part now and then."""

    def __init__(self, place: Place, judges: Sequence[str]) -> None:
        self.place, self._schema = place, schema(judges)
        self._buffer: list[Record] = []
        self._began = self._flushed = time.monotonic()

    def note(self, record: Record) -> None:
        self._buffer.append(record)

    def flush(self, now: bool = True) -> None:
        """Write what was noted since. now: or only if a while has passed, longer as the run goes on, so that parts stay few.

        Raises OSError where the place cannot take it, and forgets nothing.
        """
        passed = time.monotonic() - self._flushed
        if not self._buffer or not (now or passed > min(_RARELY, max(_OFTEN, (self._flushed - self._began) / 10))):
            return
        rows, self._buffer = self._buffer, []  # others go on noting
        try:
            self._write(table(rows, self._schema))
        except OSError:
            self._buffer = [*rows, *self._buffer]
            raise
        self._flushed = time.monotonic()

    def resume(self, again: bool) -> set[str]:
        """The keys that need not be computed. again: those that failed are to be.

        What images carry and the table lacks, as after a driver that was killed, is written into it.
        """
        if self.place.names("rows", ".parquet"):
            rows = read(self.place.url)
            keys = set(rows["key"].to_pylist())
            failed = set(rows.filter(pc.is_valid(rows["error"]))["key"].to_pylist())
        else:
            keys, failed = set(), set()
        for name in self.place.names("images", ".png"):
            key = name.removesuffix(".png")
            record = None if key in keys - failed else record_of(self.place, key)
            if record is not None and record["key"] == key:
                self.note(record)
                keys.add(key)
                failed.discard(key)
        self.flush()
        return keys - failed if again else keys

    def _write(self, rows: pa.Table) -> None:
        data = io.BytesIO()
        pq.write_table(rows, data)
        self.place.write(f"rows/part-{uuid.uuid4().hex}.parquet", data.getvalue())


def table(records: Iterable[Record], columns: pa.Schema) -> pa.Table:
    """Records as a table. finished: seconds since 1970 there, a time here."""
    rows = [
        {**each, "finished": datetime.datetime.fromtimestamp(each["finished"], datetime.timezone.utc)}
        for each in records
    ]
    return pa.Table.from_pylist(rows, schema=columns)


def records(place: Place) -> list[Record]:
    """The rows of the table so far; none where there is no table."""
    return read(place.url).to_pylist() if place.names("rows", ".parquet") else []


def read(out: str) -> pa.Table:
    """The run's table so far, each row once (one that worked before one that failed), in the order of the plan.

    Raises ValueError if there is none.
    """
    place = Place(out)
    names = place.names("rows", ".parquet")
    if not names:
        raise ValueError(f"{out} holds no results yet. Run the evaluation into it first.")
    parts = [_part(place.read(f"rows/{name}")) for name in names]
    return _each_once(pa.concat_tables(parts, promote_options="default"))


def _part(data: bytes) -> pa.Table:
    """In this thread alone: one that Arrow starts may still let go of Python objects when the process ends, which aborts
    (https://github.com/apache/arrow/issues/34314).
    """
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def _each_once(rows: pa.Table) -> pa.Table:
    """The newest row of each key, of those that worked if any did."""
    ranked = rows.append_column("failed", pc.is_valid(rows["error"]).cast(pa.int8()))
    order = [("key", "ascending"), ("failed", "ascending"), ("finished", "descending")]
    ranked = ranked.sort_by(order).drop_columns(["failed"])
    keys = ranked["key"].combine_chunks()
    first = (
        pa.concat_arrays([pa.array([True]), pc.not_equal(keys[1:], keys[:-1])])
        if len(keys)
        else pa.array([], pa.bool_())
    )
    once = ranked.filter(first)
    return once.sort_by([(name, "ascending") for name in ("seed", "prompt", "method", "lambda")])


def claim(place: Place, identity: dict[str, Any]) -> None:
    """Make the place this run's, or find it to be; what it does not say yet is added to its run.json.

    Raises ValueError if it holds the rows of another recipe, or files that are no run's.
    """
    if not place.exists("run.json") and place.names(""):
        raise ValueError(
            f"--out: {place.url} holds files that are no evaluation's. Name a new folder, or one of an earlier run."
        )
    before = json.loads(place.read("run.json")) if place.exists("run.json") else {}
    wanted = {"format": _FORMAT, **identity}
    changed = [name for name in wanted if before.get(name, wanted[name]) != wanted[name]]
    if changed:
        told = "; ".join(f"{name}: {before[name]!r} there, {wanted[name]!r} now" for name in changed)
        raise ValueError(
            f"--out: {place.url} holds rows of another recipe ({told}). Name another folder, or go back to the workflow, "
            "scorers and models of that run."
        )
    if before != before | wanted:
        place.write("run.json", json.dumps(before | wanted, indent=1).encode())
