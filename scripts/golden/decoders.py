"""Tiny random decoders as transformers saves them, and the logits that it computes with them.

Writes folders with config.json and model.safetensors, and decoders.json, into
crates/andiron-nlp/tests/golden/decoders/.
"""

import golden_json

import shutil

import torch
import transformers
from transformers.generation import logits_process

SEED = 2104
N_TOKENS = 37
# A token number 0 would not show that padding is left out.
TEXTS = [[2, 36, 3, 3, 7, 1, 30], [9], [4, 1, 5, 6, 2, 8, 10, 11, 17, 23, 5], [31, 2]]
GENERATED = 7
# For perplexity: a longer text, and windows by width and stride.
LONG = [(7 * at * at + 3 * at) % N_TOKENS for at in range(31)]
WINDOWS = [(31, 15), (12, 5), (12, 11), (8, 1)]
FOLDER = golden_json.CRATES / "andiron-nlp/tests/golden/decoders"

LLAMA = {
    "vocab_size": N_TOKENS,
    "hidden_size": 12,
    "intermediate_size": 14,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 48,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
SCALED = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 24,
}
MODELS = {
    "llama": transformers.LlamaConfig(**LLAMA, rope_parameters={"rope_type": "default", "rope_theta": 10000.0}),
    "llama3": transformers.LlamaConfig(
        **{**LLAMA, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True, "head_dim": 6},
        rope_parameters=SCALED,
    ),
    "mistral": transformers.MistralConfig(
        **{**LLAMA, "head_dim": 8}, sliding_window=None, rope_parameters={"rope_type": "default", "rope_theta": 300.0}
    ),
    "mistral_window": transformers.MistralConfig(
        **{**LLAMA, "head_dim": 8}, sliding_window=4, rope_parameters={"rope_type": "default", "rope_theta": 300.0}
    ),
    "qwen2_window": transformers.Qwen2Config(
        **{
            **{k: v for k, v in LLAMA.items() if k != "head_dim"},
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "num_hidden_layers": 3,
        },
        use_sliding_window=True,
        sliding_window=3,
        max_window_layers=1,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    ),
    "qwen2": transformers.Qwen2Config(
        **{**{k: v for k, v in LLAMA.items() if k != "head_dim"}, "num_attention_heads": 3, "num_key_value_heads": 1},
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    ),
    "qwen3": transformers.Qwen3Config(
        **{**LLAMA, "head_dim": 10, "tie_word_embeddings": True, "rms_norm_eps": 1e-6},
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
    ),
    "gpt2": transformers.GPT2Config(
        vocab_size=N_TOKENS, n_positions=29, n_embd=15, n_layer=2, n_head=3, n_inner=22, bos_token_id=None, eos_token_id=None
    ),
}
# Which seed each has beside SEED, so that one more changes none of the others.
SEEDS = {"llama": 0, "llama3": 1, "mistral": 2, "qwen2": 3, "qwen3": 4, "gpt2": 5, "mistral_window": 6, "qwen2_window": 7}

NOTES = {
    "models": "every parameter is random: N(0, 0.4), normalisations N(1, 0.2); saved by save_pretrained",
    "logits": (
        "float64 on the float32 parameters, for TEXTS padded on the right with 0 and an attention mask; only the "
        "places that are no padding (each text alone where there is a window); float32_off is the greatest difference of float32 logits"
    ),
    "greedy": "for each text alone, GENERATED tokens by argmax of the float64 logits, without a cache",
    "windows": (
        "the sum of log-probabilities (float64) of LONG and how many tokens they are of, the text read in windows of "
        "that width and stride as transformers' page on perplexity does: each token once, in the first window that has it"
    ),
    "sampling": (
        "logits, the tokens before, settings, and the probabilities left by transformers' processors in its order: "
        "repetition penalty, temperature, top-k, top-p, min-p"
    ),
}
SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 5},
    {"temperature": 1.3, "top_p": 0.8},
    {"temperature": 0.9, "min_p": 0.1},
    {"temperature": 1.1, "repetition_penalty": 1.4},
    {"temperature": 1.7, "top_k": 20, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_p": 0.01},
]


def build(config):
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = ("norm" in name or "ln_" in name) and name.endswith("weight")
            parameter.normal_(1.0 if is_norm else 0.0, 0.2 if is_norm else 0.4)
    return model.eval()


def logits_of(model):
    if getattr(model.config, "sliding_window", None):
        # Padding that sees nothing but padding is NaN there, and spreads.
        with torch.no_grad():
            alone = [model(input_ids=torch.tensor([text]), use_cache=False).logits[0] for text in TEXTS]
        return torch.nn.utils.rnn.pad_sequence(alone, batch_first=True)
    width = max(map(len, TEXTS))
    ids = torch.tensor([text + [0] * (width - len(text)) for text in TEXTS])
    mask = torch.tensor([[int(at < len(text)) for at in range(width)] for text in TEXTS])
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask, use_cache=False).logits


def greedy(model, text):
    ids = list(text)
    with torch.no_grad():
        for _ in range(GENERATED):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            ids.append(int(logits.argmax()))
    return ids[len(text) :]


def log_probability(model, width, stride):
    """As https://huggingface.co/docs/transformers/perplexity, summed exactly."""
    ids = torch.tensor([LONG])
    total, tokens, before = 0.0, 0, 0
    for begin in range(0, len(LONG), stride):
        end = min(begin + width, len(LONG))
        targets = ids[:, begin:end].clone()
        targets[:, : -(end - before)] = -100
        with torch.no_grad():
            logits = model(input_ids=ids[:, begin:end], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], targets[0, 1:], reduction="sum")
        total -= float(loss)
        tokens += int((targets[0, 1:] != -100).sum())
        before = end
        if end == len(LONG):
            break
    return {"width": width, "stride": stride, "sum": golden_json.significant(total, 12), "tokens": tokens}


def sampling(generator):
    cases = []
    for settings in SETTINGS:
        logits = torch.randn(1, 23, generator=generator, dtype=torch.float64).mul(2.5).float()
        before = torch.randint(0, 23, (1, 9), generator=generator)
        scores = logits.double()
        chain = []
        if "repetition_penalty" in settings:
            chain.append(logits_process.RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"]))
        chain.append(logits_process.TemperatureLogitsWarper(settings["temperature"]))
        if "top_k" in settings:
            chain.append(logits_process.TopKLogitsWarper(settings["top_k"]))
        if "top_p" in settings:
            chain.append(logits_process.TopPLogitsWarper(settings["top_p"]))
        if "min_p" in settings:
            chain.append(logits_process.MinPLogitsWarper(settings["min_p"]))
        for processor in chain:
            scores = processor(before, scores)
        probabilities = scores.softmax(-1)[0].tolist()
        cases.append(
            {
                "settings": settings,
                "logits": logits[0].tolist(),
                "before": before[0].tolist(),
                "probabilities": golden_json.significant(probabilities),
            }
        )
    return cases


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    found = {}
    for name, config in MODELS.items():
        torch.manual_seed(SEED + SEEDS[name])
        model = build(config)
        model.save_pretrained(FOLDER / name)
        (FOLDER / name / "generation_config.json").unlink(missing_ok=True)
        single = logits_of(model)
        model = model.double()
        double = logits_of(model)
        kept = [row[: len(text)].tolist() for row, text in zip(double, TEXTS)]
        places = torch.tensor([[at < len(text) for at in range(double.shape[1])] for text in TEXTS])
        off = float((single.double() - double)[places].abs().max())
        print(f"{name}: float32 is off by {off:.1e}, logits up to {float(double.abs().max()):.1f}")
        found[name] = {
            "float32_off": golden_json.significant(off, 2),
            "greedy": [greedy(model, text) for text in TEXTS],
            "logits": golden_json.significant(kept, 8),
        }
        if name == "llama":
            windows = [log_probability(model, *window) for window in WINDOWS]
    generator = torch.Generator().manual_seed(SEED)
    golden_json.write(
        "andiron-nlp/tests/golden/decoders/decoders.json",
        __file__,
        ["torch", "transformers"],
        SEED,
        {
            "models": found,
            "notes": NOTES,
            "texts": TEXTS,
            "long": LONG,
            "windows": windows,
            "sampling": sampling(generator),
        },
    )


if __name__ == "__main__":
    main()
