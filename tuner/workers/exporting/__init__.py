"""Exports that need torch: GGUF by llama.cpp's converter, and the self-test of what was exported."""
