"""Whisper's weights from CTranslate2's model.bin under Hugging Face's names, and under OpenAI's, for
the scripts here that ask transformers and openai-whisper.

The layout of the file is described in crates/andiron-weights/src/ctranslate2.rs.
"""

import json
import struct

import numpy
import torch

TYPES = {0: numpy.float32, 1: numpy.int8, 2: numpy.int16, 3: numpy.int32, 4: numpy.float16}


def variables(path):
    data = memoryview(path.read_bytes())
    at = 0

    def take(code):
        nonlocal at
        values = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return values

    def text():
        nonlocal at
        [length] = take("H")
        at += length
        return bytes(data[at - length : at - 1]).decode()

    take("I"), text(), take("I")
    found = {}
    for _ in range(*take("I")):
        name = text()
        [rank] = take("B")
        shape = take(f"{rank}I")
        kind, size = take("BI")
        found[name] = numpy.frombuffer(data[at : at + size], TYPES[kind]).reshape(shape)
        at += size
    return found


def hugging_face(path):
    """A WhisperForConditionalGeneration's tensors, float32, and its sizes."""
    found = variables(path)
    of = {"gamma": "weight", "beta": "bias", "encodings": "weight"}
    parts = {
        "self_attention/linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        "self_attention/linear_1": ["self_attn.out_proj"],
        "self_attention/layer_norm": ["self_attn_layer_norm"],
        "attention/linear_0": ["encoder_attn.q_proj"],
        "attention/linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
        "attention/linear_2": ["encoder_attn.out_proj"],
        "attention/layer_norm": ["encoder_attn_layer_norm"],
        "ffn/linear_0": ["fc1"],
        "ffn/linear_1": ["fc2"],
        "ffn/layer_norm": ["final_layer_norm"],
    }
    outer = {"position_encodings": "embed_positions", "embeddings": "embed_tokens"}
    tensors = {}
    for name, value in found.items():
        if value.dtype not in (numpy.float16, numpy.float32):
            continue
        path, leaf = name.rsplit("/", 1)
        leaf = of.get(leaf, leaf)
        side, rest = path.split("/", 1)
        value = torch.from_numpy(value.astype(numpy.float32))
        if not rest.startswith("layer_") or rest == "layer_norm":
            tensors[f"model.{side}.{outer.get(rest, rest)}.{leaf}"] = value
            continue
        layer, part = rest.split("/", 1)
        names = parts[part]
        for name, piece in zip(names, value.chunk(len(names))):
            if not (name.endswith("k_proj") and leaf == "bias"):
                tensors[f"model.{side}.layers.{layer.removeprefix('layer_')}.{name}.{leaf}"] = piece.clone()
    layers = lambda side: len({n.split(".")[3] for n in tensors if n.startswith(f"model.{side}.layers.")})
    n_tokens, d_model = tensors["model.decoder.embed_tokens.weight"].shape
    sizes = {
        "num_mel_bins": tensors["model.encoder.conv1.weight"].shape[1],
        "vocab_size": n_tokens,
        "d_model": d_model,
        "encoder_layers": layers("encoder"),
        "decoder_layers": layers("decoder"),
        "encoder_attention_heads": int(found["encoder/num_heads"]),
        "decoder_attention_heads": int(found["decoder/num_heads"]),
        "encoder_ffn_dim": tensors["model.encoder.layers.0.fc1.weight"].shape[0],
        "decoder_ffn_dim": tensors["model.decoder.layers.0.fc1.weight"].shape[0],
        "max_source_positions": tensors["model.encoder.embed_positions.weight"].shape[0],
        "max_target_positions": tensors["model.decoder.embed_positions.weight"].shape[0],
    }
    return tensors, sizes


def transformers_model(path):
    import transformers

    tensors, sizes = hugging_face(path)
    config = transformers.WhisperConfig(
        **sizes, pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0,
        suppress_tokens=[], begin_suppress_tokens=None,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    missing, surplus = model.load_state_dict(tensors, strict=False)
    assert missing == ["proj_out.weight"] and not surplus, (missing, surplus)
    model.tie_weights()
    return model.eval()


def openai_model(path):
    import whisper

    tensors, sizes = hugging_face(path)
    dims = whisper.model.ModelDimensions(
        n_mels=sizes["num_mel_bins"],
        n_audio_ctx=sizes["max_source_positions"],
        n_audio_state=sizes["d_model"],
        n_audio_head=sizes["encoder_attention_heads"],
        n_audio_layer=sizes["encoder_layers"],
        n_vocab=sizes["vocab_size"],
        n_text_ctx=sizes["max_target_positions"],
        n_text_state=sizes["d_model"],
        n_text_head=sizes["decoder_attention_heads"],
        n_text_layer=sizes["decoder_layers"],
    )
    words = [
        ("model.", ""), ("layers.", "blocks."), ("encoder_attn_layer_norm", "cross_attn_ln"),
        ("self_attn_layer_norm", "attn_ln"), ("final_layer_norm", "mlp_ln"), ("encoder_attn.", "cross_attn."),
        ("self_attn.", "attn."), ("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "out"),
        ("fc1", "mlp.0"), ("fc2", "mlp.2"), ("embed_tokens", "token_embedding"),
        ("encoder.layer_norm", "encoder.ln_post"), ("decoder.layer_norm", "decoder.ln"),
        ("embed_positions.weight", "positional_embedding"),
    ]
    state = {}
    for name, value in tensors.items():
        for old, new in words:
            name = name.replace(old, new)
        state[name] = value
    model = whisper.model.Whisper(dims)
    missing, surplus = model.load_state_dict(state, strict=False)
    assert not missing and not surplus, (missing, surplus)
    return model.eval()
