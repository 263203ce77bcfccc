import numpy as np
import pytest

from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session


def test_the_packaged_network_takes_any_number_of_people():
    session = open_session(find_model(DEFAULT_MODEL))
    assert session.input_shape == (-1, 81, 17, 2) and "ONNX Runtime" in session.runtime
    x = np.random.default_rng(0).normal(0, 0.2, (5, 81, 17, 2)).astype(np.float32)
    together = session.run(x)
    assert together.shape == (5, 9, 17, 3)
    for i in range(5):
        np.testing.assert_allclose(session.run(x[i:i + 1])[0], together[i], atol=1e-5)


def test_a_wrong_shape_says_which_is_right():
    session = open_session(find_model(DEFAULT_MODEL))
    with pytest.raises(ValueError, match=r"\(1, 27, 17, 2\), model expects \(-1, 81, 17, 2\)"):
        session.run(np.zeros((1, 27, 17, 2), np.float32))


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="models list"):
        open_session(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="cannot be run"):
        open_session(tmp_path / "broken.onnx")
