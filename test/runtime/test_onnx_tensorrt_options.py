"""Our options of ONNX Runtime's TensorRT provider, read by the real one: no GPU, nothing runs."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tensorrt_bindings import readelf, run_over_stubs

FOLDER = os.environ.get("ONNXRUNTIME_GPU", "")
PROVIDER = Path(FOLDER) / "onnxruntime" / "capi" / "libonnxruntime_providers_tensorrt.so"
pytestmark = pytest.mark.skipif(
    not PROVIDER.is_file(),
    reason="the wheel has 300 MB: pip install --no-deps --target DIR onnxruntime-gpu, and ONNXRUNTIME_GPU=DIR",
)
OBJECTS = """
static void* nothing(void) { return 0; }
static void* table[200];
static void** objects[64];
__attribute__((constructor)) static void fill(void) {
    for (int i = 0; i < 200; i++) table[i] = nothing;
    for (int i = 0; i < 64; i++) objects[i] = table;
}
"""
TRY = """
import json
from nanohtnet_ros.runtime import model_store, onnx_session
path, given = model_store.find_model("nano_s_81_streaming"), {}
real = onnx_session.OnnxSession
def told(options):
    try:
        real(path, 1, "onnxruntime_tensorrt", options)
    except OSError as error:
        return str(error)
class Kept(real):
    def __init__(self, path, threads=1, device="cpu", options={}):
        given.update(options)
        super().__init__(path, threads, device, options)
onnx_session.OnnxSession = Kept
try:
    onnx_session.open_by_tensorrt(path, precision="fp16")
except OSError as error:
    right = str(error)
print(json.dumps([right, {n: told({n + "x": v}) for n, v in given.items()}, told({"trt_fp16_enable": "1"})]))
"""


def make_stubs(folder: Path) -> None:
    """Libraries of the names that the provider asks for; functions give objects whose methods do nothing."""
    needed = re.findall(r"\[(lib(?:nv|cu)\S+?)\]", readelf("-d", PROVIDER))
    wanted = re.findall(r" UND (\w+)(?:@(\S+))?", readelf("--dyn-syms", PROVIDER))
    for library in needed:
        mine = [name for name, version in wanted if version == library]
        if library == needed[0]:
            mine += [name for name, version in wanted if not version and re.match("create.*_INTERNAL|get", name)]
        code = OBJECTS + "".join(f"void* {name}(void) {{ return objects; }}\n" for name in mine if name[:2] != "cu")
        code += "".join(f"void* {name}(void) {{ return 0; }}\n" for name in mine if name[:2] == "cu")
        versions = folder / f"{library}.map"
        versions.write_text(f"{library} {{ global: *; }};")
        command = ["gcc", "-shared", "-fPIC", "-w", "-x", "c", "-o", str(folder / library), "-"]
        command += [f"-Wl,-soname,{library}"]
        command += [f"-Wl,--version-script={versions}"] if library.startswith("libcu") else []
        subprocess.run(command, input=code, text=True, check=True)


def test_the_provider_takes_our_options_and_no_misspelt_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "stubs").mkdir()
    make_stubs(tmp_path / "stubs")
    monkeypatch.setenv("PYTHONPATH", f"{FOLDER}:{os.environ.get('PYTHONPATH', '')}")
    right, misspelt, wrong = json.loads(run_over_stubs(TRY, tmp_path).splitlines()[-1])
    assert "option" not in right and "should be" not in right  # there is no GPU to go on with
    assert len(misspelt) == 10
    for name, said in misspelt.items():
        assert f"Invalid TensorRT EP option: {name}x" in said
    assert "'trt_fp16_enable' should be 'True' or 'False'" in wrong
