import numpy as np
import pytest

from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session


def test_the_packaged_network_takes_any_number_of_people():
    session = open_session(find_model(DEFAULT_MODEL))
    assert session.input_shape == (-1, 81, 17, 3) and "ONNX Runtime" in session.runtime
    x = np.random.default_rng(0).normal(0, 0.2, (5, 81, 17, 3)).astype(np.float32)
    level = np.float32([0, 1, 0, 1, 1])
    together = session.run(x, level)
    assert together.shape == (5, 9, 17, 4)
    for i in range(5):
        np.testing.assert_allclose(session.run(x[i : i + 1], level[i : i + 1])[0], together[i], atol=1e-5)


def test_a_wrong_shape_says_which_is_right():
    session = open_session(find_model(DEFAULT_MODEL))
    with pytest.raises(ValueError, match=r"\(1, 27, 17, 3\), model expects \(-1, 81, 17, 3\)"):
        session.run(np.zeros((1, 27, 17, 3), np.float32), np.zeros(1, np.float32))


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="models list"):
        open_session(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="cannot be run"):
        open_session(tmp_path / "broken.onnx")


@pytest.mark.parametrize("real", ["FLOAT", "FLOAT16"])
def test_several_outputs_come_by_name_and_the_first_alone(tmp_path, real):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (requirements/test.txt)")
    info, kind = onnx.helper.make_tensor_value_info, getattr(onnx.TensorProto, real)
    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["positive"]),
        onnx.helper.make_node("ArgMax", ["x"], ["where"], axis=1, keepdims=0),
    ]
    outputs = [info("positive", kind, ("batch", 4)), info("where", onnx.TensorProto.INT64, ("batch",))]
    graph = onnx.helper.make_graph(nodes, "two", [info("x", kind, ("batch", 4))], outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "two.onnx")
    session = open_session(tmp_path / "two.onnx")
    assert session.input_name == "x" and session.input_shape == (-1, 4)
    assert session.output_shapes == {"positive": (-1, 4), "where": (-1,)}
    x = np.array([[-1, 3, 2, 0], [5, -2, 0, 1]], np.float32)
    out = session.run_named(x)
    assert list(out) == ["positive", "where"] and out["positive"].dtype == np.float32
    np.testing.assert_array_equal(out["positive"], np.maximum(x, 0))
    assert out["where"].tolist() == [1, 0]
    np.testing.assert_array_equal(session.run(x), out["positive"])


def test_several_inputs_are_given_in_the_networks_order(weighted_onnx):
    session = open_session(weighted_onnx)
    assert session.input_name == "x" and session.more_inputs == {"weight": (-1,)}
    x, weight = np.arange(6, dtype=np.float32).reshape(2, 3), np.array((2, -1), np.float32)
    np.testing.assert_array_equal(session.run(x, weight), x * weight[:, None])
    for inputs, message in (
        ((x,), "1 inputs, model expects 2: x, weight"),
        ((x, weight[:, None]), r"'weight' has shape \(2, 1\), model expects \(-1,\)"),
        ((x, weight.astype(np.float64)), "'weight' is float64, model expects float32"),
        ((x, weight[:1]), r"batches of \[2, 1\], expected one size"),
    ):
        with pytest.raises(ValueError, match=message):
            session.run(*inputs)


def test_inputs_that_are_no_real_numbers_are_refused(write_onnx):
    from onnx import helper

    tensors = {"a": ("FLOAT", [1]), "b": ("INT64", [1])}
    path = write_onnx([helper.make_node("Cast", ["b"], ["c"], to=1)], tensors, {"c": ("FLOAT", [1])})
    with pytest.raises(ValueError, match=r"has the inputs a tensor\(float\), b tensor\(int64\), expected tensor"):
        open_session(path)
