"""The table and the images of a run: complete or not there, each row once, and what a full disk or a killed driver leaves."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deradiff.evaluate import rows, store
from deradiff.nodes.runs.prompt_files import Prompt
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support import evaluating

PLAN = rows.Plan([Prompt("a cat", tag="animals"), Prompt("../../etc/<b>\u2603</b>")], range(2), (0.0, 0.5, 1.0))
ROWS = [row for group in PLAN.groups() for row in group]


def _record(row: rows.Row, **changes: Any) -> store.Record:
    values = {"key": row.key, "prompt": row.prompt, "text": row.text, "negative": "", "tags": row.tags}
    values |= {"seed": row.seed, "lambda": row.strength, "method": row.method, "error": None, "score:warmth": 0.5}
    values |= {"kl": None, "seconds": 1.0, "worker": "worker-0", "recipe": "r", "models": "m", "attempts": 1}
    return values | {"images": [store.image_name(row.key, 0, ".png")], "finished": time.time()} | changes


def _png(value: int = 7) -> bytes:
    """With text of its own, as ComfyUI's have."""
    data, text = io.BytesIO(), PngInfo()
    text.add_text("prompt", "{}")
    Image.new("RGB", (8, 6), (value, 2, 3)).save(data, "png", pnginfo=text)
    return data.getvalue()


def _store(folder: Path) -> store.Store:
    return store.Store(store.Place(str(folder / "run")), ["warmth"])


def test_a_table_holds_each_row_once_in_the_order_of_the_plan(tmp_path: Path) -> None:
    kept = _store(tmp_path)
    for row in reversed(ROWS):
        kept.note(_record(row))
        kept.flush()
    kept.note(_record(ROWS[0], seconds=2.0))  # made twice
    kept.note(_record(ROWS[1], error="failed later", finished=time.time() + 9))
    kept.flush()
    table = store.read(kept.place.url)
    assert table["key"].to_pylist() == [row.key for row in ROWS]
    assert table["seconds"].to_pylist()[0] == 2.0  # the newest
    assert table["error"].null_count == len(ROWS)  # what worked once has worked


def test_the_parts_of_a_table_stay_few(tmp_path: Path) -> None:
    kept = _store(tmp_path)
    for row in ROWS:
        kept.note(_record(row))
        kept.flush(now=False)
    assert kept.place.names("rows") == []  # the run has just begun
    kept.flush()
    assert len(kept.place.names("rows")) == 1 and len(store.read(kept.place.url)) == len(ROWS)


def test_what_an_image_carries_is_not_computed_again(tmp_path: Path) -> None:
    kept = _store(tmp_path)
    in_table, failed, in_image, marred = ROWS[:4]
    kept.note(_record(in_table))
    kept.note(_record(failed, error="no"))
    kept.flush()
    record = _record(in_image)
    kept.place.write(record["images"][0], store.marked(_png(), record))
    kept.place.write(_record(marred)["images"][0], _png())  # an image that carries nothing
    kept.place.write("images/other.png", store.marked(_png(), record))  # a copy under another name
    assert kept.resume(again=False) == {in_table.key, failed.key, in_image.key}
    assert kept.resume(again=True) == {in_table.key, in_image.key}
    assert store.read(kept.place.url)["score:warmth"].to_pylist() == [0.5] * 3


def test_the_mark_leaves_the_pixels_and_the_other_texts(tmp_path: Path) -> None:
    record = _record(ROWS[3])
    marked = store.marked(_png(), record)
    assert np.array_equal(evaluating.pixels(marked), evaluating.pixels(_png()))
    image = Image.open(io.BytesIO(marked))
    image.verify()  # every checksum
    assert json.loads(image.info["deradiff"]) == record and image.info["prompt"] == "{}"
    assert store.marked(b"RIFF....WEBP", record) == b"RIFF....WEBP"


def test_file_names_stay_in_the_folder_whatever_a_prompt_says() -> None:
    for row in ROWS:
        assert set(row.key) <= set("0123456789abcdef-.") and ".." not in row.key
    for key, ending in (("../x", ".png"), ("x", "/../../x"), ("x", ".png\0"), ("x\\y", "")):
        with pytest.raises(ValueError, match="no file name"):
            store.image_name(key, 0, ending)


def test_a_key_is_one_row_s_alone() -> None:
    near = [rows.Row(1, "a", "", "", 0, value) for value in (0.1, 0.1 + 1e-12)]
    other = rows.Row(1, "a", "b", "", 0, 0.1)
    baseline = rows.Row(1, "a", "", "", 0, 0.1, rows.INTERPOLATED)
    assert len({row.key for row in (*near, other, baseline)}) == 4
    assert near[0].key == rows.Row(1, "a", "", "another tag", 0, 0.1).key


def test_a_folder_is_one_recipe_s(tmp_path: Path) -> None:
    place = store.Place(str(tmp_path / "run"))
    store.claim(place, {})
    store.claim(place, {"recipe": "a", "judges": ["warmth"]})
    store.claim(place, {"recipe": "a", "judges": ["warmth"]})
    with pytest.raises(ValueError, match=r"another recipe.*recipe: 'a' there, 'b' now"):
        store.claim(place, {"recipe": "b", "judges": ["warmth"]})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(ValueError, match="no evaluation's"):
        store.claim(store.Place(str(tmp_path / "mine")), {})
    with pytest.raises(ValueError, match="no results yet"):
        store.read(str(tmp_path / "nowhere"))


ALONE = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[1])
import pack; pack.make_importable()
from deradiff.evaluate import store
def record(key): return {each: None for each in store.schema([]).names} | {"key": key, "images": [], "finished": 0}
"""  # a process of its own, with evaluate/'s path

THREADS = """
kept = store.Store(store.Place(sys.argv[2]), [])
for key in "ab":
    kept.note(record(key))
    kept.flush()
before = len(os.listdir("/proc/self/task"))
assert sorted(store.read(sys.argv[2])["key"].to_pylist()) == ["a", "b"]
assert kept.resume(again=True) == {"a", "b"}
assert len(os.listdir("/proc/self/task")) == before
"""


def test_reading_the_table_leaves_no_thread_behind(tmp_path: Path) -> None:
    """One of Arrow's that is at work when Python ends aborts the process, after everything has gone well."""
    script = tmp_path / "threads.py"
    script.write_text(ALONE + THREADS, "utf-8")
    evaluate, out = str(Path(store.__file__).parent), str(tmp_path / "run")
    done = subprocess.run([sys.executable, str(script), evaluate, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


FULL = """
place, big = store.Place("/mnt/run"), b"x" * 900_000
kept = store.Store(place, [])
place.write("images/first", big)
for what in (lambda: place.write("images/second", big), lambda: (kept.note(record("k")), kept.flush())):
    try:
        with open("/mnt/rest", "wb", buffering=0) as filler:
            while filler.write(b"x" * 4096): pass
    except OSError: pass
    try: what(); raise SystemExit("no error")
    except OSError as error: assert error.errno == 28, error
assert place.names("images") == ["first"] and place.names("rows") == []
pathlib.Path("/mnt/rest").unlink()
kept.flush()  # what was noted is still there
assert store.read(place.url)["key"].to_pylist() == ["k"]
"""


def test_a_full_disk_leaves_no_half_file_and_forgets_no_row(tmp_path: Path) -> None:
    """On a real disk of 1 MB, in a mount namespace of its own."""
    script = tmp_path / "full.py"
    script.write_text(ALONE + FULL, "utf-8")
    mount = 'mount -t tmpfs -o size=1m none /mnt && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("This machine gives no user namespaces, so no small disk can be mounted.")
    evaluate = str(Path(store.__file__).parent)
    done = subprocess.run(
        [*command, sys.executable, str(script), evaluate], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
