"""SmolLM2-135M-Instruct, dequantised from its GGUF file, in transformers: logits of ten prompts, a
greedy text, the perplexity of the beginning of Hamlet.

Needs the assets smollm2 and hamlet (scripts/fetch-assets), and the Python package gguf. Writes
crates/andiron-nlp/tests/golden/smollm2.json.
"""

import golden_json

import json

import gguf
import numpy
import tokenizers
import torch
import transformers

SEED = 0
ASSETS = golden_json.CRATES.parent / "assets"
FILE = next((ASSETS / "smollm2").rglob("*.gguf"))
HAMLET = next((ASSETS / "hamlet").rglob("hamlet.txt"))
PROMPTS = [
    "The capital of France is",
    "Once upon a time",
    "def fibonacci(n):\n    ",
    "2 + 2 = 4, 12 + 30 =",
    "Grüße aus 日本 🦀:",
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "\n\n",
    "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer",
    "In 1969, the first man on the Moon was",
    " a",
]
KEPT = 12
GREEDY = 200
NOTES = {
    "logits": "of the token behind each prompt, float32: the greatest KEPT with their numbers, and the mean and the standard deviation of all",
    "greedy": "the GREEDY most probable tokens behind the first prompt, one after another",
    "perplexity": "of the first 1,024 tokens of hamlet.txt, no token in front, one window, 1,023 predictions",
}


def field(reader, name):
    return reader.fields[name].contents()


def tokenizer_of(reader):
    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ", 1)) for merge in field(reader, "tokenizer.ggml.merges")]
    inner = tokenizers.Tokenizer(tokenizers.models.BPE({token: at for at, token in enumerate(tokens)}, merges))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    inner.decoder = tokenizers.decoders.ByteLevel()
    kinds = field(reader, "tokenizer.ggml.token_type")
    inner.add_special_tokens([token for token, kind in zip(tokens, kinds) if kind == 3])
    return inner


def unpermuted(weight, n_heads):
    """The rows of Hugging Face's layout: llama.cpp turns neighbours, transformers turns halves."""
    d_head = weight.shape[0] // n_heads
    return weight.reshape(n_heads, d_head // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def model_of(reader):
    of = lambda name: field(reader, f"llama.{name}")
    heads, kv_heads = of("attention.head_count"), of("attention.head_count_kv")
    config = transformers.LlamaConfig(
        vocab_size=of("vocab_size"),
        hidden_size=of("embedding_length"),
        intermediate_size=of("feed_forward_length"),
        num_hidden_layers=of("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=of("context_length"),
        rms_norm_eps=of("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": of("rope.freq_base")},
        tie_word_embeddings=True,
    )
    names = {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    outer = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    state = {}
    for tensor in reader.tensors:
        values = numpy.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=numpy.float32)
        name = outer.get(tensor.name)
        if name is None:
            _, at, part, _ = tensor.name.split(".")
            name = f"model.layers.{at}.{names[part]}.weight"
            if part in ("attn_q", "attn_k"):
                values = unpermuted(values, heads if part == "attn_q" else kv_heads)
        state[name] = torch.from_numpy(values)
    model = transformers.LlamaForCausalLM(config)
    missing, surplus = model.load_state_dict(state, strict=False)
    assert missing == ["lm_head.weight"] and not surplus, (missing, surplus)
    model.tie_weights()
    return model.eval()


def main():
    reader = gguf.GGUFReader(FILE)
    tokenizer, model = tokenizer_of(reader), model_of(reader)
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    prompts = []
    with torch.no_grad():
        for text in PROMPTS:
            ids = encode(text)
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            best = logits.topk(KEPT)
            prompts.append(
                {
                    "text": text,
                    "ids": ids,
                    "best": best.indices.tolist(),
                    "logits": golden_json.significant(best.values.tolist(), 7),
                    "mean": golden_json.significant(float(logits.double().mean()), 7),
                    "deviation": golden_json.significant(float(logits.double().std(correction=0)), 7),
                }
            )
            print(json.dumps(text), "->", json.dumps(tokenizer.decode(best.indices[:1].tolist())))
        ids = encode(PROMPTS[0])
        cache, read, greedy = None, ids, []
        for _ in range(GREEDY):
            out = model(input_ids=torch.tensor([read]), past_key_values=cache, use_cache=True)
            cache, read = out.past_key_values, [int(out.logits[0, -1].argmax())]
            greedy += read
        hamlet = torch.tensor([encode(HAMLET.read_text(encoding="utf-8"))[:1024]])
        logits = model(input_ids=hamlet).logits[0, :-1]
        perplexity = float(torch.nn.functional.cross_entropy(logits, hamlet[0, 1:]).exp())
    print(f"perplexity {perplexity:.4f}")
    golden_json.write(
        "andiron-nlp/tests/golden/smollm2.json",
        __file__,
        ["gguf", "tokenizers", "torch", "transformers"],
        SEED,
        {
            "greedy": greedy,
            "hamlet": hamlet[0].tolist(),
            "notes": NOTES,
            "perplexity": golden_json.significant(perplexity, 6),
            "prompts": prompts,
        },
    )


if __name__ == "__main__":
    main()
