//! Readers of published weights: safetensors, PyTorch, GGUF, and the hub.
