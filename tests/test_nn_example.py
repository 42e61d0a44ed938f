"""The digits example: its weights, and its commands."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mlfast
from mlfast import nn
from mlfast.nn.state_dict import read

EXAMPLE = Path(__file__).parent.parent / "examples" / "mnist"


@pytest.fixture(scope="module")
def samples():
    """Digits that the training never saw."""
    with np.load(EXAMPLE / "samples.npz") as file:
        return file["images"], file["labels"]


@pytest.fixture(scope="module")
def net():
    return nn.from_json(
        EXAMPLE / "architecture.json", EXAMPLE / "weights.safetensors", input_shape=(1, 28, 28)
    )


def test_held_out_digits(net, samples):
    images, labels = samples
    x = (images.astype(np.float32) / 255)[:, None]
    assert np.mean(net.predict(x) == labels) >= 0.98
    assert [net.predict_one(image) for image in x] == net.predict(x, n_threads=2).tolist()


def test_same_answers_as_torch(net, samples):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    w = {name: torch.tensor(a) for name, a in read(EXAMPLE / "weights.safetensors").items()}
    x = (samples[0].astype(np.float32) / 255)[:, None]
    t = torch.from_numpy(x)
    for name in ("conv1", "conv2"):
        t = torch.conv2d(t, w[f"{name}.weight"], w[f"{name}.bias"])
        t = torch.relu(torch.max_pool2d(t, 2))
    t = functional.linear(t.flatten(1), w["linear1.weight"], w["linear1.bias"])
    t = functional.linear(torch.relu(t), w["linear2.weight"], w["linear2.bias"])
    want = torch.log_softmax(t, 1).numpy()
    scale = np.abs(want).max()
    assert np.abs(net(x) - want).max() <= 1e-5 * scale
    top = np.sort(want, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-5 * scale
    np.testing.assert_array_equal(net.predict(x)[clear], want.argmax(axis=1)[clear])


def run(*arguments):
    command = [sys.executable, str(EXAMPLE / "predict.py"), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(mlfast.__file__).parent.parent)}
    environment.pop("PYTHONSAFEPATH", None)  # the script's neighbours are imported from its folder
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_predicts_png_and_raw_bytes(samples, tmp_path):
    assert run(EXAMPLE / "digit.png").stdout.startswith("7 (")
    images, labels = samples
    path = tmp_path / "digit"
    path.write_bytes(images[0].tobytes())
    done = run(path)
    assert done.stdout.startswith(f"{labels[0]} (")
    assert done.stdout.rstrip().endswith("us")


@pytest.mark.parametrize("content", [b"", b"x" * 783, b"\x89PNG\r\n\x1a\nrest"])
def test_bad_image(content, tmp_path):
    path = tmp_path / "digit"
    path.write_bytes(content)
    done = run(path)
    assert done.returncode == 1
    assert "expected a" in done.stderr
    assert "Traceback" not in done.stderr
