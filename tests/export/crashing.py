"""A runtime that crashes, as a llama.cpp that was built for another processor does."""

import os

os.abort()
