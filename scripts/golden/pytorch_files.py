"""Tensors of several types and strides as `torch.save` writes them, in its zip and its older layout.

Writes to crates/andiron-weights/tests/golden/: `zip.pt` and `legacy.pt` (the same tensors), `training.pt` (they
stand below `model_state`, beside an optimiser's), `code.pt` (a pickle that would run a command if it were
unpickled), `sharded/` (two `.bin` files with their index), and `pytorch.safetensors` (the values, packed; half
types as single precision).
"""

import golden_json  # first: it pins the thread counts

import json
import os
from collections import OrderedDict

import torch
from safetensors.torch import save_file

SEED = 2208
FOLDER = golden_json.CRATES / "andiron-weights/tests/golden"


class Command:
    """Unpickled, it would leave a file behind."""

    def __reduce__(self):
        return os.system, ("touch a-pickle-was-run",)


def tensors():
    wide = torch.randn(4, 7)
    tied = torch.randn(3, 2)
    layer = torch.nn.Linear(3, 2)
    state = OrderedDict(
        {
            "embed.weight": torch.randn(5, 3),
            "conv.weight": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
            "transposed.weight": torch.randn(3, 5).t(),
            "sliced.weight": wide[1:, 2:6:3],
            "repeated.weight": torch.randn(3).expand(2, 3),
            "half.weight": torch.randn(3, 2).half().t(),
            "brain.bias": torch.randn(7).bfloat16(),
            "double.scale": torch.randn(2, 3, dtype=torch.float64),
            "tied.first": tied,
            "tied.second": tied,
            "empty.weight": torch.zeros(0, 3),
            "position_ids": torch.arange(6).expand(1, -1),
            "mask": torch.tensor([True, False, True]),
        }
    )
    state.update((f"layer.{name}", value) for name, value in layer.state_dict().items())
    assert not state["conv.weight"].is_contiguous() and not state["sliced.weight"].is_contiguous()
    return state, layer


def main():
    torch.manual_seed(SEED)
    state, layer = tensors()
    torch.save(state, FOLDER / "zip.pt")
    torch.save(state, FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    optimizer = {"exp_avg": torch.randn(5, 3), "lr": 0.1, "betas": (0.9, 0.999)}
    torch.save({"model_state": state, "optimizer": optimizer, "step": 3}, FOLDER / "training.pt")
    # With `_metadata` set on the dictionary, as a module's own state has it.
    torch.save({"state_dict": layer.state_dict(), "command": Command()}, FOLDER / "code.pt")
    sharded = FOLDER / "sharded"
    sharded.mkdir(exist_ok=True)
    names, weight_map = sorted(state), {}
    for shard, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-{shard:05}-of-00002.bin"
        torch.save({name: state[name] for name in part}, sharded / file)
        weight_map.update((name, file) for name in part)
    index = {"metadata": {"total_size": 1}, "weight_map": dict(sorted(weight_map.items()))}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    single = {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
    packed = {name: t.contiguous().clone() for name, t in single.items()}
    # One member: the writer keeps no order.
    made = {"made_by": f"scripts/golden/pytorch_files.py, seed {SEED}, {golden_json.versions('torch')}"}
    save_file(packed, FOLDER / "pytorch.safetensors", made)
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in (".pt", ".bin") or path.name == "pytorch.safetensors":
            print(f"{path.relative_to(FOLDER)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
