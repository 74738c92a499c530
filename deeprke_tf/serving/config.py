"""Configuration files of TF Serving, beside the versions of a served model.

    models.config    name and path of the served model
    batching.config  how requests of several clients are batched

Both are text protos that a user may edit: existing files are left alone.
"""

import json
from pathlib import Path

from deeprke_tf.system import files

MODELS = "models.config"
BATCHING = "batching.config"

# Where docs/serving/docker-compose.yml mounts the directory of the served model.
_CONTAINER_DIRECTORY = "/models"

_MODELS_TEXT = """\
model_config_list {{
  config {{
    name: {name}
    base_path: {base_path}
    model_platform: "tensorflow"
  }}
}}
"""

_BATCHING_TEXT = """\
# Largest batch, in sites; also the last of the allowed sizes.
max_batch_size { value: 256 }
# Longest time that a request waits for others, in microseconds.
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 1000 }
# Set this to the number of cores.
num_batch_threads { value: 4 }
allowed_batch_sizes: 1
allowed_batch_sizes: 8
allowed_batch_sizes: 32
allowed_batch_sizes: 128
allowed_batch_sizes: 256
# pad_variable_length_inputs stays off: TF Serving pads with the first value of a row,
# not with 0. The text signatures need no padding; send `ids` in one fixed width.
"""


def write_serving_config(directory: Path) -> list[Path]:
    """Writes the files that do not exist yet; returns their paths.

    Args:
      directory: Directory of the served model, named as the model.
    """
    name = directory.resolve().name
    texts = {
        MODELS: _MODELS_TEXT.format(
            name=json.dumps(name, ensure_ascii=False),
            base_path=json.dumps(f"{_CONTAINER_DIRECTORY}/{name}", ensure_ascii=False),
        ),
        BATCHING: _BATCHING_TEXT,
    }
    written = []
    for file_name, text in texts.items():
        path = directory / file_name
        if not path.exists():
            with files.written_aside(path) as file:
                file.write(text)
            written.append(path)
    return written
