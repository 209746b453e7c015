"""Pauses of the garbage collector."""

from __future__ import annotations

import gc

from binary_middleware.formats._collector import CollectorPause


def test_the_last_pause_that_ends_resumes_the_collector() -> None:
    assert gc.isenabled()
    with CollectorPause():
        with CollectorPause():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_the_app_disabled_stays_disabled() -> None:
    gc.disable()
    try:
        with CollectorPause():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
