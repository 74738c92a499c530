"""Where an RNA-binding protein binds, from RNA sequence and structure."""

import os

__version__ = "0.1.0"

# Read when TensorFlow is loaded. On processors without AVX-512 its wheels leave oneDNN
# off, and networks train half as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
