"""Reads language models that Andiron has saved, compares what they say, changes them, and saves them
again for Andiron to read. Called by scripts/interchange with a folder.
"""

import json
import pathlib
import sys

import torch
import transformers

TOLERANCE = 1e-4
NAMES = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "llama_grouped": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def main():
    folder = pathlib.Path(sys.argv[1])
    for at, (name, kind) in enumerate(NAMES.items()):
        saved = folder / name
        said = json.loads(saved.with_suffix(".json").read_text())
        model, loading = transformers.AutoModelForCausalLM.from_pretrained(
            saved, output_loading_info=True, attn_implementation="eager"
        )
        assert type(model).__name__ == kind, type(model)
        assert not any(loading[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
        tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
        model.eval()
        off = 0.0
        for text in said["texts"]:
            assert tokenizer(text["text"])["input_ids"] == text["ids"], text["text"]
            got = logits(model, text["ids"])
            off = max(off, float((got - torch.tensor(text["logits"])).abs().max()))
        assert off < TOLERANCE, f"{name}: a logit is off by {off:.1e}"
        chat = tokenizer.apply_chat_template(
            [{"role": "user", "content": "the sea"}], add_generation_prompt=True, return_dict=False
        )
        assert chat == said["chat"], (chat, said["chat"])
        assert model.generation_config.eos_token_id in (said["ends"], said["ends"][0])
        assert tokenizer.eos_token_id == said["ends"][0]
        print(f"{name}: {kind}, the furthest logit of {len(said['texts'])} texts is off by {off:.1e}")

        # And back: other weights, saved by transformers.
        generator = torch.Generator().manual_seed(at)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
        back = folder / "back" / name
        model.save_pretrained(back)
        tokenizer.save_pretrained(back)
        texts = [
            {"text": text["text"], "ids": text["ids"], "logits": logits(model, text["ids"]).tolist()}
            for text in said["texts"]
        ]
        back.with_suffix(".json").write_text(json.dumps({"texts": texts}))


if __name__ == "__main__":
    main()
