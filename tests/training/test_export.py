"""What is exported answers as the network does, in floats, in bytes, and when begun from again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra `train` is not installed")
onnx = pytest.importorskip("onnx", reason="extra `train` is not installed")

from training.export import export  # noqa: E402
from training.net import Finder  # noqa: E402
from training.quantise import quantise  # noqa: E402
from training.start import begin_from  # noqa: E402

from calcimetry.deposits.network import load_file  # noqa: E402

SCALE = (0.5, -1.5)


@pytest.fixture(scope="module")
def patches():
    rng = np.random.default_rng(3)
    return [rng.uniform(-100, 900, (16, 24, 32)).astype(np.float32) for _ in range(4)]


@pytest.fixture(scope="module")
def finder(patches):
    """A network whose normalisation has seen something, as a trained one's has."""
    torch.manual_seed(1)
    net = Finder()
    net.train()
    with torch.no_grad():
        for _ in range(30):
            net(torch.from_numpy(np.stack(patches)[:, None]))
    return net.eval()


def _logits(path, hu):
    return load_file(str(path)).session.run(None, {"hu": hu})[0]


def _own(net, hu):
    with torch.no_grad():
        return net(torch.from_numpy(hu[None, None]))[0, 0].numpy()


@pytest.fixture(scope="module")
def written(finder, patches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    export(finder, folder / "wide.onnx", *SCALE)
    quantise(folder / "wide.onnx", folder / "bytes.onnx", patches)
    return folder


def test_the_export_answers_as_the_network_with_its_scale(finder, written, patches):
    expected = _own(finder, patches[0]) / SCALE[0] + SCALE[1]
    assert _logits(written / "wide.onnx", patches[0]) == pytest.approx(expected, abs=0.02)


def test_bytes_answer_nearly_as_floats(written, patches):
    wide, small = (_logits(written / f"{n}.onnx", patches[1]) for n in ("wide", "bytes"))
    assert np.corrcoef(wide.ravel(), small.ravel())[0, 1] > 0.98
    assert np.abs(wide - small).mean() < 0.1 * wide.std()


@pytest.mark.parametrize(("name", "least"), [("wide", 0.9999), ("bytes", 0.98)])
def test_training_begins_where_an_export_stopped(finder, written, patches, name, least):
    begun = Finder()
    begin_from(begun, written / f"{name}.onnx", torch.from_numpy(np.stack(patches)[:, None]), SCALE)
    before, after = _own(finder, patches[2]), _own(begun.eval(), patches[2])
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > least


def test_weights_leave_room_for_16_bit_sums(written):
    model = onnx.load(written / "bytes.onnx")
    weights = [onnx.numpy_helper.to_array(c) for c in model.graph.initializer]
    small = [w for w in weights if w.dtype == np.int8 and w.ndim == 4]
    assert len(small) == 13
    assert all(2 * 255 * np.abs(w.astype(int)).max() < 2**15 for w in small)
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 1  # the head


@pytest.mark.parametrize("name", ["wide", "bytes"])
def test_any_size_of_tile(written, name):
    hu = np.full((16, 32, 40), 60, np.float32)
    assert _logits(written / f"{name}.onnx", hu).shape == hu.shape
