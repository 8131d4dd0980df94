"""Messages are one line of bounded length, whatever they quote."""

from __future__ import annotations

import pytest

from negtrace.errors import LONGEST, InputError
from negtrace.limits import in_words
from negtrace.messages import listed


def test_a_message_is_one_line_without_escape_codes():
    error = InputError("a\n  b\r\nc\u2028d\x1b[31m\te\ud800  f")
    assert str(error) == "a b c d e\ufffd f"
    assert InputError("x" * 5000 + "remedy").args[0].endswith("remedy")
    assert len(str(InputError("x" * 5000))) <= LONGEST


def test_at_most_ten_names_are_listed():
    assert listed(["a", 1]) == "a, 1"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("can't start new thread"),
    ],
)
def test_whatever_a_library_calls_it_a_lack_of_memory_is_called_so(error):
    assert in_words(error).startswith("out of memory; ")
    assert in_words(RuntimeError("shapes differ")) is None
