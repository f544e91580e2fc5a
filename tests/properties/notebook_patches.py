"""Random JSON Patches of notebooks, applied by jsonpatch: what the page must make of them.

``python -m tests.properties.notebook_patches`` writes the cases that the front end's tests read.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import jsonpatch

CASES = Path(__file__).parents[1] / "vectors" / "patches" / "random_patches.json"
COUNT = 200
SEED = 6902

Json = dict[str, Any]


def notebook_of(cells: list[Json]) -> Json:
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def make_cases() -> list[Json]:
    """Make the cases: the cells before, a patch, and the cells after it."""
    rng = random.Random(SEED)
    return [_case(rng, number) for number in range(COUNT)]


def _case(rng: random.Random, number: int) -> Json:
    before = [_cell(rng, f"c{index}") for index in range(rng.randrange(1, 7))]
    patch: list[Json] = []
    after = notebook_of(before)
    touched: set[str] = set()
    for step in range(rng.randrange(1, 6)):
        ids = [cell["id"] for cell in after["cells"]]
        operations = _operations(rng, ids, touched, f"n{number}-{step}")
        after = jsonpatch.apply_patch(after, operations)
        patch += operations
    if all(operation["op"] == "test" for operation in patch):
        patch.append({"op": "add", "path": "/cells/-", "value": _new_cell(rng, f"last{number}")})
    after = jsonpatch.apply_patch(notebook_of(before), patch)
    return {"before": before, "patch": patch, "after": after["cells"]}


def _operations(rng: random.Random, ids: list[str], touched: set[str], new_id: str) -> list[Json]:
    """Make one change, with the tests that pin it."""
    free = [index for index, id_ in enumerate(ids) if id_ not in touched]
    kind = rng.choice(["add", "replace", "remove", "move"]) if free else "add"
    if kind == "add":
        index = rng.randrange(len(ids) + 1)
        touched.add(new_id)
        added = {"op": "add", "path": f"/cells/{index}", "value": _new_cell(rng, new_id)}
        return [*_place(rng, ids, index), added]
    index = rng.choice(free)
    touched.add(ids[index])
    pin = _pin(index, ids[index])
    if kind == "replace":
        source = _source(rng)
        return [pin, {"op": "replace", "path": f"/cells/{index}/source", "value": source}]
    if kind == "remove":
        return [pin, {"op": "remove", "path": f"/cells/{index}"}]
    rest = ids[:index] + ids[index + 1 :]
    to = rng.randrange(len(rest) + 1)
    # The pins of a move stand before it, where its cell still counts.
    pins = [_pin(ids.index(rest[at]), rest[at]) for at in (to - 1,) if at >= 0]
    return [pin, *pins, {"op": "move", "from": f"/cells/{index}", "path": f"/cells/{to}"}]


def _place(rng: random.Random, ids: list[str], index: int) -> list[Json]:
    """Pin the place of a new cell by the cell above it, or by that below it."""
    if index > 0 and (index == len(ids) or rng.random() < 0.7):
        return [_pin(index - 1, ids[index - 1])]
    return [_pin(index, ids[index])] if index < len(ids) else []


def _pin(index: int, id_: str) -> Json:
    return {"op": "test", "path": f"/cells/{index}/id", "value": id_}


def _cell(rng: random.Random, id_: str) -> Json:
    cell = _new_cell(rng, id_)
    if cell["cell_type"] == "code":
        cell["execution_count"] = 3
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": f"of {id_}\n"}]
    return cell


def _new_cell(rng: random.Random, id_: str) -> Json:
    kind = rng.choice(["code", "markdown", "raw"])
    cell = {"cell_type": kind, "id": id_, "metadata": {}, "source": _source(rng)}
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell


def _source(rng: random.Random) -> str:
    lines = ["x = 1", "print('é 漢')", "", "# Sales", "def f():", "    return 2"]
    return "\n".join(rng.choices(lines, k=rng.randrange(4)))


def main() -> None:
    CASES.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in make_cases())
    CASES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
