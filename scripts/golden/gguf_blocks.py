"""Random blocks of every GGUF type that Andiron reads, and what the `gguf` package makes of them.

Writes `blocks.gguf` (metadata of all types, and one tensor a type) and `blocks.safetensors` (the tensors'
values in single precision) to crates/andiron-weights/tests/golden/.
"""

import golden_json  # first: it pins the thread counts

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type, GGUFValueType as Kind
from safetensors.numpy import save_file

SEED = 1406
FOLDER = golden_json.CRATES / "andiron-weights/tests/golden"
# Offsets of the half-precision numbers in a block: any finite value may stand there.
HALVES = {
    "F16": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}


def blocks(name, rng, rows, per_row):
    """Rows of random blocks: every byte is random, but for exponents that would mean no number."""
    _, size = gguf.GGML_QUANT_SIZES[Type[name]]
    data = rng.integers(0, 256, (rows, per_row, size), dtype=np.uint8)
    for offset in HALVES.get(name, []):
        infinite = (data[..., offset + 1] & 0x7C) == 0x7C
        data[..., offset + 1][infinite] &= 0xBF
    if name == "BF16":
        infinite = ((data[..., 1] & 0x7F) == 0x7F) & (data[..., 0] & 0x80 != 0)
        data[..., 1][infinite] &= 0xBF
    return data.reshape(rows, per_row * size)


def metadata(writer):
    writer.add_uint8("a.u8", 200)
    writer.add_int8("a.i8", -100)
    writer.add_uint16("a.u16", 60000)
    writer.add_int16("a.i16", -30000)
    writer.add_uint32("a.u32", 4000000000)
    writer.add_int32("a.i32", -2000000000)
    writer.add_uint64("a.u64", 2**64 - 1)
    writer.add_int64("a.i64", -(2**63))
    writer.add_float32("a.f32", 0.1)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.text", "Grüße, 世界")
    writer.add_array("a.texts", ["<s>", "Ġthe", "", "\n"])
    writer.add_array("a.truths", [True, False, True])
    writer.add_array("a.numbers", [-1, 0, 70000])
    writer.add_array("a.scores", [0.5, -1.25])
    for kind, values in (("UINT8", [0, 255]), ("INT8", [-128]), ("UINT16", [65535]), ("INT16", [-32768]),
                         ("UINT32", [4294967295]), ("UINT64", [2**64 - 1]), ("INT64", [-1]), ("FLOAT64", [0.1])):
        writer.add_key_value(f"a.array.{kind}", values, Kind.ARRAY, sub_type=Kind[kind])


def main():
    rng = np.random.default_rng(SEED)
    writer = gguf.GGUFWriter(FOLDER / "blocks.gguf", "llama")
    metadata(writer)
    values = {}
    for name in ("F16", "BF16", *[name for name in HALVES if name != "F16"]):
        count, _ = gguf.GGML_QUANT_SIZES[Type[name]]
        data = blocks(name, rng, 3, {1: 7, 32: 5, 256: 2}[count])
        tensor = f"{name.lower()}.weight"
        writer.add_tensor(tensor, data, raw_dtype=Type[name])
        values[tensor] = gguf.quants.dequantize(data, Type[name])
        assert np.isfinite(values[tensor]).all(), name
    single = rng.standard_normal((2, 3, 5)).astype(np.float32)
    writer.add_tensor("f32.weight", single)
    values["f32.weight"] = single
    writer.add_tensor("f64.weight", single.astype(np.float64)[0] / 3)
    writer.add_tensor("i32.ids", np.arange(4, dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    # One member: the writer keeps no order.
    made = {"made_by": f"scripts/golden/gguf_blocks.py, seed {SEED}, {golden_json.versions('gguf', 'numpy')}"}
    save_file({name: np.ascontiguousarray(array) for name, array in values.items()}, FOLDER / "blocks.safetensors", made)
    for path in (FOLDER / "blocks.gguf", FOLDER / "blocks.safetensors"):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
