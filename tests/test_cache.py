"""Compiled code on disk and in memory: found again by other processes, and trusted only where it is safe."""

from __future__ import annotations

import os
import stat
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import RunPython

from tweakconv import compile_conv2d
from tweakconv.compiler import build as building
from tweakconv.compiler import cache

# Prints where its code came from, and fails where the result is wrong.
PROGRAM = """
import sys
import numpy as np
import tweakconv as tc
conv = tc.compile_conv2d(np.arange(1.0, 7.0).reshape(2, 3, 1, 1), input_shape=(1, 2, 3, 1))
assert conv(np.arange(6.0).reshape(1, 2, 3, 1)).item() == 70  # 0*1 + 1*2 + 2*3 + 3*4 + 4*5 + 5*6
print(conv.built.origin)
"""
BUILT, LOADED = "compiled\n", "loaded from disk\n"

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows protects folders in other ways")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own, with nothing remembered in memory but the code that packs weights."""
    origin_here()
    path = tmp_path / "cache"
    monkeypatch.setenv("TWEAKCONV_CACHE_DIR", str(path))
    building.forget()
    return path


def origin_here(out_channels: int = 1) -> str:
    """Where a convolution's code comes from in this process, which forgets what it had; checks its result."""
    building.forget()
    kernel = np.arange(1.0, 7.0).reshape(2, 3, 1, 1).repeat(out_channels, axis=3)
    conv = compile_conv2d(kernel, input_shape=(1, 2, 3, 1))
    np.testing.assert_array_equal(conv(np.arange(6.0).reshape(1, 2, 3, 1)).ravel(), [70] * out_channels)
    return conv.built.origin + "\n"


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_second_process_loads_what_the_first_compiled(folder: Path, run_python: RunPython) -> None:
    assert run_python(PROGRAM).stdout == BUILT
    of_packing_entering_and_convolving = entries(folder)
    assert len(of_packing_entering_and_convolving) == 3
    assert run_python(PROGRAM).stdout == LOADED
    assert entries(folder) == of_packing_entering_and_convolving


def test_loading_an_entry_does_not_compile_anything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin_here()
    monkeypatch.setattr("tweakconv.compiler.jit.compile_module", None)
    assert origin_here() == LOADED


def test_memory_comes_before_the_disk(folder: Path) -> None:
    kernel = np.ones((1, 1, 1, 1))
    first = compile_conv2d(kernel, input_shape=(1, 2, 3, 1)).built.code
    for entry in entries(folder):
        entry.unlink()
    assert compile_conv2d(kernel, input_shape=(1, 9, 9, 1)).built.code is first


def damage(entry: Path, kind: str) -> None:
    code = bytearray(entry.read_bytes())
    match kind:
        case "empty":
            code = bytearray()
        case "cut short":
            del code[-1]
        case "cut to its head":
            del code[60:]
        case "longer":
            code += b"\0"
        case "first byte changed":
            code[0] ^= 1
        case "key changed":
            code[20] ^= 1
        case "hash changed":
            code[60] ^= 1
        case "code changed":
            code[-100] ^= 1
        case "text":
            code = bytearray(b"not code at all\n" * 40)
    entry.write_bytes(code)


DAMAGES = (
    "empty", "cut short", "cut to its head", "longer", "first byte changed", "key changed", "hash changed",
    "code changed", "text",
)  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_entry_is_rebuilt(folder: Path, kind: str) -> None:
    assert origin_here() == BUILT
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    damage(entry, kind)
    assert origin_here() == BUILT
    assert entry.read_bytes() == whole
    assert origin_here() == LOADED


def test_every_byte_of_an_entry_counts(folder: Path) -> None:
    key, code = cache.key("something"), bytes(range(40))
    cache.write(key, code)
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    for i in range(len(whole)):
        entry.write_bytes(whole[:i] + bytes([whole[i] ^ 0x40]) + whole[i + 1 :])
        assert cache.read(key) is None
        entry.write_bytes(whole[:i])
        assert cache.read(key) is None
    entry.write_bytes(whole)
    assert cache.read(key) == code


def test_another_entry_under_this_ones_name_is_rebuilt(folder: Path) -> None:
    origin_here(1)
    (one,) = entries(folder)
    origin_here(2)
    (other,) = (entry for entry in entries(folder) if entry != one)
    one.write_bytes(other.read_bytes())
    assert origin_here(1) == BUILT
    assert origin_here(1) == LOADED


@pytest.mark.parametrize("part", [0, 1, 2])
def test_code_of_another_version_is_not_used(folder: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = cache._versions()
    origin_here()
    other = tuple(text + "x" if i == part else text for i, text in enumerate(versions))
    monkeypatch.setattr(cache, "_versions", lambda: other)
    assert origin_here() == BUILT
    assert len(entries(folder)) == 2


def test_versions_are_of_the_generator_of_llvmlite_and_of_llvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, *versions = cache._versions()
    assert versions == [
        __import__("llvmlite").__version__,
        str(__import__("llvmlite.binding").binding.llvm_version_info),
    ]
    assert len(source) == 64


def test_each_of_what_code_depends_on_has_a_key_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, x_shape = np.ones((2, 2, 2, 2)), (1, 5, 5, 2)
    tweaks: list[dict[str, Any]] = [
        {}, {"strides": 2}, {"dilation_rate": 2}, {"activation": "relu"}, {"dtype": "float32"},
        {"data_format": "channels_first", "input_shape": (1, 2, 5, 5)}, {"target": "x86-64"},
    ]  # fmt: skip
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        tweaks.pop()
    with monkeypatch.context() as elsewhere:  # the code that packs is made once for them all, and kept nowhere
        elsewhere.setenv("TWEAKCONV_CACHE_DIR", "")
        for tweak in tweaks:
            compile_conv2d(kernel, **{"input_shape": x_shape, **tweak})
    building.forget()
    for number, tweak in enumerate(tweaks, 1):
        compile_conv2d(kernel, **{"input_shape": x_shape, **tweak})
        assert len(entries(folder)) == number, tweak
    compile_conv2d(kernel, input_shape=(3, 9, 8, 2), padding="same")  # no code depends on these
    assert len(entries(folder)) == len(tweaks)


# -- Which folder --------------------------------------------------------------------------------------------------


def test_an_empty_variable_turns_the_cache_off(tmp_path: Path, run_python: RunPython) -> None:
    where = {
        "TWEAKCONV_CACHE_DIR": "",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
        "LOCALAPPDATA": str(tmp_path),
    }
    assert run_python(PROGRAM, **where).stdout == BUILT
    assert run_python(PROGRAM, **where).stdout == BUILT
    assert entries(tmp_path) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems keep caches elsewhere")
@pytest.mark.parametrize(("xdg", "place"), [("", ".cache/tweakconv"), ("elsewhere", "elsewhere/tweakconv")])
def test_without_the_variable_it_is_the_users_own_cache_folder(
    tmp_path: Path, xdg: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWEAKCONV_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / xdg) if xdg else "")
    assert origin_here() == BUILT
    assert len(entries(tmp_path / place)) == 1
    assert origin_here() == LOADED


@posix
def test_the_folder_and_its_entries_are_made_for_their_user_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        origin_here()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(entry.stat().st_mode) for entry in entries(folder)] == [0o600]


@posix
@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702])
def test_a_folder_that_others_can_write_is_not_trusted_and_a_warning_says_so(folder: Path, mode: int) -> None:
    origin_here()
    folder.chmod(mode)
    cache._trusted_folder.cache_clear()  # as a new process would find it
    with pytest.warns(RuntimeWarning, match=f"(?s){folder}.*others.*{mode:o}.*TWEAKCONV_CACHE_DIR"):
        assert origin_here() == BUILT
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # and says so once
        assert origin_here() == BUILT
    assert len(entries(folder)) == 1
    cache._trusted_folder.cache_clear()


@posix
def test_a_folder_of_another_user_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(cache.os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.warns(RuntimeWarning, match="owner"):
        assert origin_here() == BUILT
    assert entries(folder) == []
    cache._trusted_folder.cache_clear()


@posix
def test_an_entry_that_others_can_write_is_rebuilt(folder: Path) -> None:
    origin_here()
    (entry,) = entries(folder)
    entry.chmod(0o666)
    assert origin_here() == BUILT
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


@pytest.mark.parametrize("obstacle", ["a file", "under a file", "on a full disk", "removed meanwhile"])
def test_a_folder_that_cannot_be_written_costs_only_time(
    folder: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    match obstacle:
        case "a file":
            folder.write_text("in the way")
            monkeypatch.setattr(cache.warnings, "warn", lambda *_, **__: None)
        case "under a file":
            folder.write_text("in the way")
            monkeypatch.setenv("TWEAKCONV_CACHE_DIR", str(folder / "below"))
        case "on a full disk":

            def full(*_: object, **__: object) -> None:
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(cache.tempfile, "mkstemp", full)
        case "removed meanwhile":
            origin_here()
            for entry in entries(folder):
                entry.unlink()
            folder.rmdir()
    assert origin_here() == BUILT
    assert origin_here() == BUILT


def test_a_read_only_folder_is_read_and_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:  # what root, who may run this test, would never meet
        raise PermissionError(13, "Permission denied")

    origin_here(1)
    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    monkeypatch.setattr(cache.os, "utime", refuse)
    assert origin_here(1) == LOADED
    assert origin_here(2) == BUILT
    assert len(entries(folder)) == 1


def test_a_user_without_a_home_folder_can_convolve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWEAKCONV_CACHE_DIR")

    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it does for an unknown user
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.folder() is None
    assert origin_here() == BUILT


def test_a_relative_folder_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWEAKCONV_CACHE_DIR", "relative")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert origin_here() == BUILT
    monkeypatch.chdir(tmp_path / "there")
    (tmp_path / "there" / "relative").mkdir()
    (tmp_path / "there" / "relative").chmod(0o777)  # what was said of one folder is not true of another
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        origin_here()
    assert list((tmp_path / "there" / "relative").iterdir()) == []
    cache._trusted_folder.cache_clear()


# -- Several at once, and bounds -----------------------------------------------------------------------------------


def test_processes_that_compile_the_same_at_once_are_all_right(folder: Path, run_python: RunPython) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: run_python(PROGRAM), range(4)))
    assert [d.returncode for d in done] == [0] * 4, done
    assert len(entries(folder)) == 3
    assert origin_here() == LOADED


def test_an_entry_appears_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = cache.key("something")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(cache.os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            cache.write(key, b"code")
    assert entries(folder) == []
    seen: list[list[str]] = []
    replace = os.replace

    def look(source: Any, target: Any) -> None:
        seen.append([Path(source).suffix, str(Path(target).exists()), str(len(Path(source).read_bytes()))])
        replace(source, target)

    monkeypatch.setattr(cache.os, "replace", look)
    cache.write(key, b"code")
    (entry,) = entries(folder)
    assert seen == [[".part", "False", str(entry.stat().st_size)]]


def test_the_entries_unused_for_longest_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [cache.key(i) for i in range(6)]
    for age, key in enumerate(keys[:5]):
        cache.write(key, bytes(1000))
        os.utime(cache._path(folder, key), (1e9 + age, 1e9 + age))
    assert cache.read(keys[0]) is not None  # is used, and so becomes the newest
    monkeypatch.setattr(cache, "MOST_BYTES", 3500)
    cache.write(keys[5], bytes(1000))
    assert [cache.read(key) is not None for key in keys] == [True, False, False, False, True, True]


def test_a_folder_that_also_holds_other_files_keeps_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    photo = folder / "photo.tif"
    photo.write_bytes(bytes(100_000))
    os.utime(photo, (1e9, 1e9))
    monkeypatch.setattr(cache, "MOST_BYTES", 50_000)
    for i in range(3):
        cache.write(cache.key(i), bytes(1000))
    assert photo.exists()
    assert cache.read(cache.key(2)) is not None


def test_what_a_crash_left_half_written_does_not_stay_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    left = folder / f"{bytes(32).hex()}.abcdefgh.part"
    left.write_bytes(bytes(100_000))
    os.utime(left, (1e9, 1e9))
    monkeypatch.setattr(cache, "MOST_BYTES", 50_000)
    cache.write(cache.key("something"), bytes(1000))
    assert not left.exists()
