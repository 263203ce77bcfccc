import builtins
import collections
import io
import os
import pickle
import pickletools
import zipfile

import numpy as np
import pytest

from nanohtnet_ros.training.data.archives import read_archive, sha256_of

NESTED = {
    "S1": {"Walking 1": [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((1, 2), ">f8")]},
    "words": ("a", b"\xff\x00", None, True, 3, 2.5, np.float64(0.5), np.int32(7)),
    "objects": np.array([{"x": np.zeros(2)}, None], dtype=object),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "text": np.array(["left", "right"]),
    "none": np.zeros((0, 17, 3), np.float32),
}


def write_member(path, payload: bytes, name="data", shape="()"):
    """An archive whose object array's pickle is given."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": eval(shape)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", header.getvalue() + payload)
    return path


def pickled(value, protocol=2, renamed=False) -> bytes:
    array = np.empty((), dtype=object)
    array[()] = value
    data = pickle.dumps(array, protocol=protocol)
    if renamed:  # as the other major version of NumPy writes it
        here, there = (b"numpy._core", b"numpy.core") if b"numpy._core" in data else (b"numpy.core", b"numpy._core")
        assert protocol < 4 and here in data  # text lines, whose length no other byte states
        data = data.replace(here, there)
    return data


def assert_same(a, b):
    if isinstance(b, np.ndarray):
        assert isinstance(a, np.ndarray) and a.dtype == b.dtype.newbyteorder("=") and a.shape == b.shape
        for x, y in zip(a.ravel(), b.ravel(), strict=True):
            assert_same(x, y)
    elif isinstance(b, dict):
        assert list(a) == list(b)
        for key in b:
            assert_same(a[key], b[key])
    elif isinstance(b, list | tuple):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert type(a) is type(b) and a == b


@pytest.mark.parametrize(
    ("protocol", "renamed"),
    [(0, False), (1, False), (2, False), (3, False), (4, False), (0, True), (2, True), (3, True)],
)
def test_data_comes_back_as_it_was_written(tmp_path, protocol, renamed):
    path = write_member(tmp_path / "a.npz", pickled(NESTED, protocol, renamed))
    assert_same(read_archive(path, ["data"])["data"], NESTED)


def test_files_of_numpy_itself(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, positions_3d=NESTED, plain=np.arange(4), listed=np.array([[1], None], dtype=object))
    content = read_archive(path, ["positions_3d", "plain", "listed"])
    assert_same(content["positions_3d"], NESTED)
    assert content["plain"].tolist() == [0, 1, 2, 3] and content["listed"].tolist() == [[1], None]


def test_pickles_of_python_2(tmp_path):
    # What Python 2 wrote for {'a': numpy.array([1, 2], '<i2')}: byte strings where Python 3 has text.
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'i2'\n"
        b"I0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x01\\x00\\x02\\x00'\ntb"
    )
    whole = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(tcnumpy\ndtype\n(S'O8'\n"
        b"I0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n(l(dS'a'\n" + array + b"satb."
    )
    assert_same(read_archive(write_member(tmp_path / "a.npz", whole), ["data"])["data"], {"a": np.array([1, 2], "i2")})


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


TOUCH = "open({!r}, 'w')"


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "argument", "named"),
    [
        (os.system, "touch {}", f"{os.name}.system"),
        (builtins.eval, TOUCH, "builtins.eval|__builtin__.eval"),
        (builtins.open, "{}", "open"),
        (np.load, "{}", "numpy.load|numpy.lib"),
        (np.save, "{}", "numpy.save|numpy.lib"),
        (np.fromfile, "{}", "fromfile"),
        (getattr, "{}", "getattr"),
        (collections.OrderedDict, (), "collections.OrderedDict"),
    ],
)
def test_a_pickle_that_calls_something_is_refused(tmp_path, protocol, function, argument, named):
    victim = tmp_path / "victim"
    argument = argument.format(str(victim)) if isinstance(argument, str) else argument
    payload = pickled({"S1": Malicious(function, argument)}, protocol)
    path = write_member(tmp_path / "evil.npz", payload)
    with pytest.raises(ValueError, match=named) as caught:
        read_archive(path, ["data"])
    assert "evil.npz" in str(caught.value) and "'data'" in str(caught.value) and "do not trust" in str(caught.value)
    assert not victim.exists()


def test_the_malicious_pickles_are_real(tmp_path):
    victim = tmp_path / "victim"
    pickle.loads(pickle.dumps(Malicious(builtins.eval, TOUCH.format(str(victim)))))
    assert victim.exists()


F2PY = b"cnumpy.f2py\ncompile\n(S'x'\ntR."
DTYPE_F4 = b"cnumpy\ndtype\n(S'f4'\ntR"
NEW = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (F2PY, "numpy.f2py.compile"),
        (b"cnumpy\nndarray\n((I4\ntS'f4'\ntR.", "TypeError"),  # an array over memory of the file's choice
        (b"cnumpy.core.multiarray\n_reconstruct\n(S'memmap'\n(I0\ntS'b'\ntR.", "expected numpy.ndarray"),
        (b"cnumpy\ndtype\n(S'M8[s]'\ntR.", "element type 'M8"),
        (b"cnumpy\ndtype\n((lS'f4'\natR.", "element type"),
        (DTYPE_F4 + b"(I3\nS'<'\nN(S'x'\ntNI-1\nI-1\nI63\ntb.", "fields or byte order"),
        (NEW + b"(I1\n(I9\nt" + DTYPE_F4 + b"I00\nS'abcd'\ntb.", "4 items or bytes"),
        (NEW + b"(I1\n(I9\ntcnumpy\ndtype\n(S'O8'\ntRI00\n(lI1\natb.", "1 items or bytes"),
        (NEW + b"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\ntRI00\nS'abcdefgh'\ntb.", "data of type"),
        (NEW + b"(I1\n(I-1\nt" + DTYPE_F4 + b"I00\nS''\ntb.", "shape"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\ntRS'abcdefgh'\ntR.", "scalar of an object"),
        (b"c_codecs\nencode\n(S'abc'\nS'rot13'\ntR.", "rot13"),
        (b"c__builtin__\nbytes\n(I1000000000000\ntR.", "TypeError"),
        (b"Pmodule\n.", "persistent"),
        (b"(lp0\ng0\na.", "not the object array"),
        (b"", "EOFError"),
        (b"\x80\x02}q", "EOFError|UnpicklingError|IndexError"),
    ],
)
def test_what_only_looks_like_an_array_is_refused(tmp_path, payload, message):
    with pytest.raises(ValueError, match=message):
        read_archive(write_member(tmp_path / "evil.npz", payload), ["data"])


def test_what_is_written_here_are_pickles():
    pickletools.dis(F2PY, out=io.StringIO())


def test_broken_and_foreign_files_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"docs/data\.md"):
        read_archive(tmp_path / "none.npz", ["data"])
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match="fetch it again"):
        read_archive(tmp_path / "text.npz", ["data"])
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, data=NESTED, plain=np.random.default_rng(0).normal(size=5000))
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:20000])
    with pytest.raises(ValueError, match="fetch it again"):
        read_archive(tmp_path / "cut.npz", ["plain"])
    damaged = bytearray(whole.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match="plain"):
        read_archive(tmp_path / "damaged.npz", ["plain"])
    with pytest.raises(ValueError, match="no array positions_2d, it has data, plain"):
        read_archive(whole, ["positions_2d"])
    with pytest.raises(ValueError, match="shape"):
        read_archive(write_member(tmp_path / "shape.npz", pickled(NESTED), shape="(2,)"), ["data"])
    with zipfile.ZipFile(tmp_path / "v9.npz", "w") as archive:
        archive.writestr("data.npy", b"\x93NUMPY\x03\x00\x00\x00\x00\x00")
    with pytest.raises(ValueError, match=r"format version 3\.0"):
        read_archive(tmp_path / "v9.npz", ["data"])


def test_checksums(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"abc")
    b.write_bytes(b"")
    assert sha256_of(a) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({sha256_of(a), sha256_of(b), sha256_of(a, b), sha256_of(b, a)}) == 4
