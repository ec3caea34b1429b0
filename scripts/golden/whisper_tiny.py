"""A tiny Whisper of odd sizes with random weights, as transformers saves it, and its logits.

Writes crates/andiron-speech/tests/golden/whisper_tiny/: config.json, model.safetensors, case.json.
"""

import golden_json

import shutil

import torch
import transformers

SEED = 7
TARGET = "andiron-speech/tests/golden/whisper_tiny"
SIZES = {
    "num_mel_bins": 9, "vocab_size": 270, "d_model": 12, "encoder_layers": 2, "decoder_layers": 3,
    "encoder_attention_heads": 3, "decoder_attention_heads": 3, "encoder_ffn_dim": 20, "decoder_ffn_dim": 20,
    "max_source_positions": 11, "max_target_positions": 15,
}


def main():
    torch.manual_seed(SEED)
    config = transformers.WhisperConfig(
        **SIZES, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, init_std=0.4
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    # The norms and biases are drawn too: at ones and zeros a mistake would not show.
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() == 1:
                value += 0.2 * torch.randn_like(value)
        audio = torch.randn(3, 9, 22)
        ids = torch.randint(0, 270, (3, 5))
        out = model(input_features=audio, decoder_input_ids=ids)
    folder = golden_json.CRATES / TARGET
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    significant = golden_json.significant
    golden_json.write(
        f"{TARGET}/case.json", __file__, ["torch", "transformers"], SEED,
        {
            "audio": significant(audio.flatten().tolist()),
            "audio_shape": list(audio.shape),
            "encoded": significant(out.encoder_last_hidden_state.flatten().tolist()),
            "ids": ids.tolist(),
            "logits": significant(out.logits.flatten().tolist(), 7),
            "logits_shape": list(out.logits.shape),
        },
    )


if __name__ == "__main__":
    main()
