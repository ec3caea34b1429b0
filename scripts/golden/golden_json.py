"""How every script here writes its file: one header, sorted keys, numbers that read back exactly.

Import this before numpy: it pins the thread counts, without which the last bit of a matrix product
may depend on the machine.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import importlib.metadata
import json
import pathlib
import platform

CRATES = pathlib.Path(__file__).resolve().parents[2] / "crates"
WIDTH = 110


def versions(*packages):
    """Versions of Python and of the named packages, without a build's suffix such as `+cpu`."""
    found = {name: importlib.metadata.version(name).split("+")[0] for name in sorted(packages)}
    return {"python": platform.python_version(), **found}


def significant(values, digits=9):
    """Nested lists of numbers rounded to so many significant digits (9 name a float32 exactly)."""
    if isinstance(values, (list, tuple)):
        return [significant(value, digits) for value in values]
    # `+ 0.0` turns a negative zero into zero.
    return float(f"{float(values):.{digits}g}") + 0.0


def write(path, script, packages, seed, body):
    """Writes `body` under `crates/` behind the header `made_by`, `versions`, `seed`."""
    header = {
        "made_by": f"scripts/golden/{pathlib.Path(script).name}",
        "versions": versions(*packages),
        "seed": seed,
    }
    members = list(header.items()) + sorted(body.items())
    lines = [f"  {json.dumps(key)}: {_text(value, 1)}" for key, value in members]
    target = CRATES / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{target.relative_to(CRATES.parent)}: {target.stat().st_size} bytes")


def _text(value, depth):
    """`value` as JSON: on one line where it is short or only numbers, else a member a line."""
    # NaN and infinity are not JSON: `allow_nan=False` refuses them.
    flat = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    if len(flat) <= WIDTH or not isinstance(value, (dict, list)) or _is_numbers(value):
        return flat
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_text(value[key], depth + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}}}"
    parts = [_text(part, depth + 1) for part in value]
    return "[\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}]"


def _is_numbers(value):
    return isinstance(value, list) and all(isinstance(part, (int, float)) for part in value)
