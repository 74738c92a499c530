"""The configuration files of TF Serving."""

import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from deeprke_tf.serving.config import BATCHING, MODELS, write_serving_config


@pytest.mark.parametrize("name", ["QKI", "ELAVL1(B)", 'a "quoted" name', "über"])
def test_models_config_names_the_directory(name, tmp_path):
    directory = tmp_path / name
    directory.mkdir()
    write_serving_config(directory)
    text = (directory / MODELS).read_text(encoding="utf-8")
    (model,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert model.name == name
    assert model.base_path == f"/models/{name}"
    assert model.model_platform == "tensorflow"


def test_the_allowed_batch_sizes_end_with_the_largest(tmp_path):
    write_serving_config(tmp_path)
    text = (tmp_path / BATCHING).read_text()
    sizes = [
        int(size) for size in re.findall(r"^allowed_batch_sizes: (\d+)", text, re.M)
    ]
    (largest,) = re.findall(r"^max_batch_size \{ value: (\d+) \}", text, re.M)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == int(largest)
    # It would pad ids with k-mers.
    assert not re.search(r"^pad_variable_length_inputs", text, re.M)


def test_docker_compose_finds_what_an_export_wrote(tmp_path):
    compose = Path(__file__).parents[2] / "docs/serving/docker-compose.yml"
    # Its own words for NAME, or QKI if that is not given.
    text = compose.read_text().replace("${NAME:-QKI}", "QKI")
    items = re.findall(r"^ +- (.+)$", text, re.M)
    directory = tmp_path / "QKI"
    directory.mkdir()
    write_serving_config(directory)
    assert 'base_path: "/models/QKI"' in (directory / MODELS).read_text()
    assert any(item.endswith(":/models/QKI:ro") for item in items)
    assert f"--model_config_file=/models/QKI/{MODELS}" in items
    assert f"--batching_parameters_file=/models/QKI/{BATCHING}" in items


def test_files_that_a_user_changed_stay(tmp_path):
    (tmp_path / BATCHING).write_text("max_batch_size { value: 8 }\n")
    assert write_serving_config(tmp_path) == [tmp_path / MODELS]
    assert write_serving_config(tmp_path) == []
    assert (tmp_path / BATCHING).read_text() == "max_batch_size { value: 8 }\n"
