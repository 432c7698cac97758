"""Targets: each one's code is made and read here, also of those that this processor cannot run."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.cases import CASES, FORMATS, Case
from tests.conftest import RunPython

from tweakconv import compile_conv2d, conv2d
from tweakconv.compiler import jit
from tweakconv.compiler.choose import choose
from tweakconv.compiler.spec import AxisSpec
from tweakconv.compiler.target import TARGETS, get_target, runnable_targets

X86 = ("avx512", "avx2", "x86-64")
READ = [  # of the table: blocks and tails, both kinds of sums, steps that are loaded at once and one by one
    case
    for case in CASES
    if case.name
    in ("an even number of blocks", "groups", "strides that differ", "sum cut every way", "stride beyond the vector")
]


@cache
def module(case: Case, data_format: str, dtype: str, target: str) -> str:
    choice = choose(case.spec(data_format, dtype), TARGETS[target])
    return str(choice.schedule.emit(choice.plan))


@cache
def assembly(case: Case, data_format: str, dtype: str, target: str) -> str:
    """The instructions, without directives and comments."""
    text = jit.assembly(module(case, data_format, dtype, target), TARGETS[target])
    lines = (re.sub(r"(\s#\s|//).*", "", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and (line.endswith(":") or not line.startswith("."))) + "\n"


def undefined_symbols(elf: bytes) -> list[str]:
    """Names that an ELF object needs from elsewhere: those whose section index is 0 in its symbol table."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(elf[at : at + size], "little")

    assert elf[:6] == b"\x7fELF\x02\x01"
    table, entry, count = number(0x28, 8), number(0x3A, 2), number(0x3C, 2)
    headers = [table + i * entry for i in range(count)]
    (symbols,) = (h for h in headers if number(h + 4, 4) == 2)
    start, size, names = number(symbols + 0x18, 8), number(symbols + 0x20, 8), headers[number(symbols + 0x28, 4)]
    strings = number(names + 0x18, 8)
    undefined = []
    for symbol in range(start + 24, start + size, 24):  # the first says nothing
        if number(symbol + 6, 2) == 0:
            name = strings + number(symbol, 4)
            undefined.append(elf[name : elf.index(b"\0", name)].decode())
    return undefined


def for_every_case_and_target(test: Callable[..., None]) -> Callable[..., None]:
    test = pytest.mark.parametrize("target", TARGETS)(test)
    test = pytest.mark.parametrize("data_format", FORMATS)(test)
    return pytest.mark.parametrize("case", READ, ids=lambda case: case.name)(test)


def dtype_of(case: Case, data_format: str) -> str:
    return ("float32", "float64")[(READ.index(case) + FORMATS.index(data_format)) % 2]


def test_the_cases_that_are_read_are_in_the_table() -> None:
    assert len(READ) == 5


@for_every_case_and_target
def test_code_calls_nothing_outside_of_itself(case: Case, data_format: str, target: str) -> None:
    text = module(case, data_format, dtype_of(case, data_format), target)
    elf = jit.compile_module(text, TARGETS[target])
    assert undefined_symbols(elf) == []


def test_a_call_to_a_library_would_be_seen() -> None:
    text = f"""
    target triple = "{TARGETS["x86-64"].triple}"
    declare float @llvm.fma.f32(float, float, float)
    define float @run(float %a) {{
      %b = call float @llvm.fma.f32(float %a, float %a, float %a)
      ret float %b
    }}"""
    assert undefined_symbols(jit.compile_module(text, TARGETS["x86-64"])) == ["fmaf"]


INSTRUCTIONS = {  # for each target and type: what its products are made of, and what may not appear at all
    ("avx512", "float32"): (r"vfmadd\w*ps\s.*zmm", None),
    ("avx512", "float64"): (r"vfmadd\w*pd\s.*zmm", None),
    ("avx2", "float32"): (r"vfmadd\w*ps\s.*ymm", r"zmm|%k[1-7]"),
    ("avx2", "float64"): (r"vfmadd\w*pd\s.*ymm", r"zmm|%k[1-7]"),
    ("x86-64", "float32"): (r"\bmulps\s.*xmm", r"ymm|zmm|fmadd|\bv\w+ps\b|\bpshufb\b|\bblendv?p\w\b|\binsertps\b"),
    ("x86-64", "float64"): (r"\bmulpd\s.*xmm", r"ymm|zmm|fmadd|\bv\w+pd\b|\bpshufb\b|\bblendv?p\w\b"),
    ("aarch64", "float32"): (r"fmla\s+v\d+\.4s", r"\bz\d+\.|\bfmadd\b"),
    ("aarch64", "float64"): (r"fmla\s+v\d+\.2d", r"\bz\d+\.|\bfmadd\b"),
}


@for_every_case_and_target
def test_products_use_the_widest_vectors_of_the_target_and_nothing_that_it_lacks(
    case: Case, data_format: str, target: str
) -> None:
    dtype = dtype_of(case, data_format)
    wanted, unwanted = INSTRUCTIONS[target, dtype]
    enough = -(-16 // (case.channels[1] // case.groups)) * case.channels[1]  # few are computed by half a vector
    text = assembly(replace(case, channels=(case.channels[0], enough)), data_format, dtype, target)
    assert len(re.findall(wanted, text)) >= 8
    if unwanted:
        assert re.findall(f".*(?:{unwanted}).*", text) == []


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("target", [name for name in TARGETS if TARGETS[name].fma])
def test_a_product_and_its_sum_are_never_apart_where_they_can_be_one(data_format: str, target: str) -> None:
    text = assembly(READ[0], data_format, dtype_of(READ[0], data_format), target)
    assert re.findall(r".*\bv?f?mul[ps]?[sd]?\b.*(?:mm|v\d+\.).*", text) == []


@pytest.mark.parametrize(("channels", "vectors"), [(20, "zmm xmm"), (24, "zmm ymm"), (7, "ymm"), (25, "zmm")])
def test_a_last_vector_that_is_half_empty_is_a_shorter_one(channels: int, vectors: str) -> None:
    case = Case("narrow", (9, 20), (32, channels), kernel=(1, 1))
    text = assembly(case, "channels_last", "float32", "avx512")
    products = re.findall(r"vfmadd\w*ps\s.*%([xyz]mm)\d+$", text, re.MULTILINE)
    assert set(products) == set(vectors.split())


def innermost_loops(text: str) -> list[list[str]]:
    """Lines from a label up to a jump back to it, with no other label in between."""
    loops, label, body = [], "", []
    for line in text.splitlines():
        if line.endswith(":"):
            label, body = line[:-1], []
        elif re.match(rf"(j\w+|b\.?\w*|cbn?z .*|tbn?z .*)\s+{re.escape(label)}$", line):
            loops.append(body)
        else:
            body.append(line)
    return loops


# The baseline's 16 registers hold all but a product or two, which costs no time: 33 to 34 GFLOP/s with blocks of 4, 5
# and 6 pixels (3x3, 56x56x64 -> 64).
@pytest.mark.parametrize("target", [name for name in TARGETS if TARGETS[name].fma])
@pytest.mark.parametrize("data_format", FORMATS)
def test_sums_stay_in_registers(data_format: str, target: str) -> None:
    case = next(case for case in READ if case.name == "an even number of blocks")
    loops = innermost_loops(assembly(case, data_format, "float32", target))
    multiply, store = (r"v?fmadd|fmla|mulp[sd]", r"v?mov[au]p[sd]\s+%[xyz]mm\d+,\s.*\(|st[rpu]\w*\s+[qvd]\d+")
    busy = [body for body in loops if sum(bool(re.match(multiply, line)) for line in body) >= 8]
    assert busy, "no innermost loop of products found"
    for body in busy:
        assert [line for line in body if re.match(store, line)] == []


def test_targets_that_run_here_are_those_of_this_architecture() -> None:
    machine = platform.machine().lower()
    x86 = machine in ("x86_64", "amd64")
    assert set(runnable_targets()) <= set(X86 if x86 else ("aarch64",))
    assert ("x86-64" if x86 else "aarch64") in runnable_targets()


@pytest.mark.parametrize("target", runnable_targets())
def test_a_target_can_be_named_and_is_used(target: str) -> None:
    conv = compile_conv2d(np.ones((2, 2, 1, 3), np.float32), input_shape=(1, 3, 3, 1), target=target)
    np.testing.assert_array_equal(conv(np.ones((1, 3, 3, 1), np.float32)), np.full((1, 2, 2, 3), 4))
    assert target in conv.explain()
    assert f"{TARGETS[target].vector_bits}-bit" in conv.explain()


def test_without_a_name_it_is_the_best_that_runs_here() -> None:
    assert get_target().name == runnable_targets()[0]


@pytest.mark.parametrize("name", ["mips", "AVX512", "avx-512", " avx2"])
def test_an_unknown_target_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=f"target.*{name!r}.*aarch64.*avx2.*avx512.*x86-64"):
        compile_conv2d(np.ones((1, 1, 1, 1)), input_shape=(1, 1, 1, 1), target=name)


@pytest.mark.parametrize("name", [5, b"avx2", ("avx2",), ["avx2"]])
def test_a_target_that_is_no_name_is_refused(name: object) -> None:
    with pytest.raises((TypeError, ValueError), match="target"):
        compile_conv2d(np.ones((1, 1, 1, 1)), input_shape=(1, 1, 1, 1), target=name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in runnable_targets()])
def test_a_target_that_this_processor_lacks_is_refused_with_those_it_has(name: str) -> None:
    with pytest.raises(ValueError, match=f"target.*{name!r}.*cannot run.*{runnable_targets()[0]}"):
        compile_conv2d(np.ones((1, 1, 1, 1)), input_shape=(1, 1, 1, 1), target=name)


V1 = {"sse2"}
# The levels of the System V ABI, in LLVM's names.
V3 = V1 | {
    "cx16", "sahf", "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt",
    "movbe",
}  # fmt: skip
V4 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("features", "runs"),
    [
        (V1, ("x86-64",)),
        (V3, ("avx2", "x86-64")),
        *((V3 - {missing}, ("x86-64",)) for missing in ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")),
        (V3 | V4, ("avx512", "avx2", "x86-64")),
        *((V3 | V4 - {missing}, ("avx2", "x86-64")) for missing in sorted(V4)),
        (V1 | V4, ("x86-64",)),
    ],
)
def test_a_target_runs_only_where_all_its_instructions_are(
    features: set[str], runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import llvmlite.binding as llvm  # noqa: PLC0415

    have = {name: name in features for name in V3 | V4}
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "x86_64-unknown-linux-gnu")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: have)
    assert runnable_targets.__wrapped__() == runs


def test_the_environment_may_name_the_target(run_python: RunPython) -> None:
    program = """
    import numpy as np, tweakconv
    try:
        print(tweakconv.compile_conv2d(np.ones((1, 1, 1, 1)), input_shape=(1, 2, 2, 1)).explain())
    except ValueError as error:
        print(error)
    """
    slowest = runnable_targets()[-1]
    assert f"{slowest}, " in run_python(program, TWEAKCONV_TARGET=slowest).stdout
    assert "TWEAKCONV_TARGET" in run_python(program, TWEAKCONV_TARGET="nonsense").stdout


def test_the_same_target_gives_the_same_code_every_time() -> None:
    case, data_format = READ[1], "channels_last"
    spec = case.spec(data_format, "float32")
    texts = set()
    for _ in range(2):
        choice = choose(spec, TARGETS["avx2"])
        texts.add(choice.schedule.emit(choice.plan))
    assert len(texts) == 1


def test_targets_agree_where_sums_are_exact() -> None:
    x, kernel, bias = READ[2].arrays("channels_last", np.float32, whole=True)
    results = [
        compile_conv2d(kernel, bias, input_shape=x.shape, target=target, algorithm="direct", **READ[2].arguments)(x)
        for target in runnable_targets()
    ]
    for y in results:
        np.testing.assert_array_equal(y, conv2d(x, kernel, bias, algorithm="direct", **READ[2].arguments))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kind", ["volumes", "pieces", "pieces without padding"])
def test_code_for_volumes_and_pieces_calls_nothing_outside_of_itself(kind: str, data_format: str, target: str) -> None:
    spec = READ[0].spec(data_format, "float32")
    spec = {
        "volumes": replace(spec, depth=AxisSpec(3, 2, 1), mapped_padding=True),
        "pieces": replace(spec, depth=AxisSpec(2, 1, 1), strides=(1, 1), pieces=True, ragged=True, out_step=2),
        "pieces without padding": replace(spec, strides=(1, 1), pieces=True, out_step=3, skips_padding=True),
    }[kind]
    choice = choose(spec, TARGETS[target])
    elf = jit.compile_module(choice.schedule.emit(choice.plan), TARGETS[target])
    assert undefined_symbols(elf) == []
