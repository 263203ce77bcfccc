"""Our TensorRT code against the real Python API of every version that it claims."""

import enum
import json
import re
from pathlib import Path
from types import FunctionType

import pytest

from tensorrt_bindings import VERSIONS, api_of, run_over_stubs
from tensorrt_usage import Use, check, signatures

FOLDER = Path(__file__).resolve().parents[2] / "nanohtnet_ros"
SOURCES = {
    str(path.relative_to(FOLDER)): path.read_text()
    for path in sorted(FOLDER.rglob("*.py"))
    if re.search(r"\btrt\b|import tensorrt\b", path.read_text())
}
NEEDED = {
    ("", "Builder"),
    ("", "OnnxParser"),
    ("Builder", "create_network"),
    ("Builder", "build_serialized_network"),
    ("OnnxParser", "parse"),
    ("ParserError", "desc"),
    ("IOptimizationProfile", "set_shape"),
    ("IBuilderConfig", "set_timing_cache"),
    ("ITimingCache", "serialize"),
    ("IBuilderConfig", "progress_monitor"),
    ("IProgressMonitor", "step_complete"),
    ("Runtime", "deserialize_cuda_engine"),
    ("ICudaEngine", "num_io_tensors"),
    ("ICudaEngine", "get_tensor_profile_shape"),
    ("IExecutionContext", "set_input_shape"),
    ("BuilderFlag", "FP16"),
    ("IExecutionContext", "set_tensor_address"),
    ("IExecutionContext", "execute_async_v3"),
    ("IExecutionContext", "set_output_allocator"),
    ("IOutputAllocator", "notify_shape"),
    ("ILogger", "log"),
    ("ILogger.Severity", "ERROR"),
    ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"),
}


OWN = {"compute"}  # what the stand-in's context does inside


@pytest.fixture(scope="module")
def cache(request):
    return request.config.cache.mkdir("tensorrt_bindings")


@pytest.fixture(params=VERSIONS)
def api(request, cache):
    return api_of(request.param, cache)


def all_apis(cache) -> dict[str, dict]:
    """Those of this Python's that can be had; a version without a wheel for it is left out."""
    apis = {}
    for version in VERSIONS:
        try:
            apis[version] = api_of(version, cache)
        except pytest.skip.Exception as skipped:
            print(f"without {version}: {skipped}")
    if not apis:
        pytest.skip("no version of the bindings can be had here")
    return apis


def everything(api: dict) -> tuple[list[Use], list[str]]:
    findings = [check(source, api, file) for file, source in SOURCES.items()]
    return [use for f in findings for use in f.uses], [problem for f in findings for problem in f.problems]


def test_every_name_and_call_is_this_versions(api):
    uses, problems = everything(api)
    assert not problems, "\n".join(problems)
    needed = {(owner, name) for owner, name in NEEDED if not owner or owner in api["classes"]}
    assert needed <= {(use.owner, use.name) for use in uses}, "the search no longer sees what the code asks for"


def test_what_may_be_missing_is_there_in_some_version(cache):
    apis = all_apis(cache)
    there = {(use.owner, use.name) for api in apis.values() for use in everything(api)[0] if use.present}
    asked = {(use.owner, use.name) for api in apis.values() for use in everything(api)[0]}
    assert asked <= there or len(apis) < len(VERSIONS)


@pytest.mark.slow
def test_a_misspelt_name_is_found(cache):
    """Each name that the code asks for, misspelt in turn."""
    apis = all_apis(cache)
    reference = next(iter(apis.values()))
    newest = list(apis.values())[-1]
    tried = 0
    for file, source in SOURCES.items():
        lines = source.splitlines(keepends=True)
        for use in check(source, newest, file).uses + check(source, reference, file).uses:
            if not use.present or use.name.startswith("__"):
                continue
            line = lines[use.line - 1].encode()
            misspelt = line[: use.column] + b"x" + line[use.column :]
            changed = "".join([*lines[: use.line - 1], misspelt.decode(), *lines[use.line :]])
            found = [check(changed, api, file) for api in apis.values()]
            wrong = (use.owner, f"{use.name}x")
            nowhere = wrong in {(u.owner, u.name) for f in found for u in f.uses} and not any(
                u.present for f in found for u in f.uses if (u.owner, u.name) == wrong
            )
            assert any(f.problems for f in found) or nowhere, f"{file}:{use.line} {use.owner}.{use.name}"
            tried += 1
    assert tried > 60


@pytest.mark.slow
def test_a_name_that_a_version_drops_is_found(api):
    """Each name that the code takes for granted, removed in turn."""
    for use in everything(api)[0]:
        if use.optional or not use.present or use.name.startswith("__"):
            continue
        members = api["classes"][use.owner]["members"] if use.owner else api["names"]
        kept = members.pop(use.name, None)
        doc = api["classes"][use.owner]["doc"] if use.owner else ""
        if use.owner:
            api["classes"][use.owner]["doc"] = doc.replace(f"def {use.name}(", "def gone(")
        _, problems = everything(api)
        assert any(use.name in problem for problem in problems), f"{use.owner}.{use.name}"
        if kept is not None:
            members[use.name] = kept
        if use.owner:
            api["classes"][use.owner]["doc"] = doc


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE)", "is given 1"),
        ("config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size=1)", "'size'"),
        ("config.set_flag(trt.BuilderFlag.TF33)", "no 'TF33'"),
        ("trt.Builder()", "is given 0"),
        ("config.set_timing_cache(*both)", "cannot be checked"),
    ],
)
def test_wrong_arguments_are_found(api, call, problem):
    source = f"def f(config: trt.IBuilderConfig, both):\n    {call}\n"
    assert problem in "".join(check(source, api).problems)
    right = "config.set_memory_pool_limit(pool=trt.MemoryPoolType.WORKSPACE, pool_size=1)"
    good = source.replace(call, right)
    assert not check(good, api).problems


def test_fp16_flag_and_explicit_batch_are_not_taken_for_granted(cache):
    """TensorRT 11 dropped both: the code must ask, and a version that has neither must pass."""
    api = all_apis(cache).get("11.4") or pytest.skip("no bindings of 11.4 here")
    assert "FP16" not in api["classes"]["BuilderFlag"]["members"]
    source = "def f(config: trt.IBuilderConfig):\n    config.set_flag(trt.BuilderFlag.FP16)\n"
    assert "no 'FP16'" in "".join(check(source, api).problems)


def test_what_needs_no_gpu_runs_with_the_real_bindings(api):
    """Our subclasses of TensorRT's, made and called; flags and names of types; shapes given as tuples."""
    out = run_over_stubs(
        "import sys, tensorrt_bindings\n"
        "sys.modules['tensorrt'] = trt = tensorrt_bindings\n"
        "from types import SimpleNamespace as S\n"
        "from nanohtnet_ros.runtime import engine_build, tensorrt_api, tensorrt_session\n"
        "assert tensorrt_api.load_tensorrt() is trt\n"
        "logger = tensorrt_api.logger()\n"
        "logger.log(trt.ILogger.Severity.WARNING, 'harmless')\n"
        "logger.log(trt.ILogger.Severity.ERROR, 'no room')\n"
        "assert tensorrt_api.recent_errors() == 'no room'\n"
        "engine_build.PROGRESS_S = 0.0\n"
        "said = []\n"
        "engine_build._log.info = lambda line, *values: said.append(line % values)\n"
        "monitor = engine_build.progress_monitor(trt, 'net')\n"
        "assert (monitor is None) == (tensorrt_api.version_of(trt) < (10, 0))\n"
        "if monitor:\n"
        "    monitor.phase_start('a', None, 2)\n"
        "    assert monitor.step_complete('a', 0) and said == ['building the engine of net: a, 1 of 2']\n"
        "allocator = tensorrt_session.output_allocator(S(device=lambda size: 1000 + size))\n"
        "assert [allocator.reallocate_output('y', 0, size, 256) for size in (9, 300, 500)] == [1256, 1600, 1600]\n"
        "allocator.notify_shape('y', trt.Dims((2, 3)))\n"
        "assert allocator.shape == (2, 3)\n"
        "assert set(tensorrt_session.DTYPES) >= {trt.DataType.FLOAT.name, trt.DataType.HALF.name}\n"
        "print([engine_build._network_flags(trt, typed) for typed in (False, True)])\n",
        api["folder"],
    )
    expected = {8: [1, 1], 10: [0, 2], 11: [0, 0]}  # explicit batch is bit 0, strongly typed bit 1
    assert json.loads(out) == expected[int(api["version"].split(".")[0])]


def test_the_stand_in_of_the_other_tests_knows_no_names_of_its_own(cache):
    fake_tensorrt = pytest.importorskip("fake_tensorrt", reason="PyTorch is not installed")
    for version, api in all_apis(cache).items():
        fake = fake_tensorrt.make(api["version"])
        for name, thing in vars(fake).items():
            if not isinstance(thing, type):
                continue
            assert name in api["classes"], f"{version}: {name}"
            if issubclass(thing, enum.Enum):
                members = set(thing.__members__)
            else:
                members = {n for n, v in vars(thing).items() if isinstance(v, (property, FunctionType)) and n[0] != "_"}
            extra = members - set(api["classes"][name]["members"])
            lacking_int64 = {"INT64"} if version == "8.6" else set()
            assert not extra - lacking_int64 - OWN, f"{version}: {name} has no {extra}"


def test_signatures_are_read():
    doc = (
        "f(*args, **kwargs)\nOverloaded function.\n\n1. f(self: a.X, name: str, of: Dict[str, int] = {}) -> a.Y\n\n"
        "2. f(self: a.X, arg0: int) -> bool"
    )
    assert signatures("f", doc) == [([("name", False), ("of", True)], "a.Y"), ([("arg0", False)], "bool")]
