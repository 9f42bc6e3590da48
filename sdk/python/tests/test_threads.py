"""Threads share extractors and heads; Python runs on while they work."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import offshoot


def test_threads_that_share_an_extractor_get_their_own_answers(extractor, rng):
    images = rng.integers(0, 256, (24, 40, 40, 3), dtype=np.uint8)
    want = [extractor.embed(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(extractor.embed, images)) == want


def test_threads_that_share_a_head_lose_nothing(rng):
    head = offshoot.Head(16, "ridge", classes=8, samples=1000)
    for number in range(8):
        head.add_class(str(number))
    rows = rng.normal(size=(8, 50, 16)).astype(np.float32)
    head.add_samples(0, rows[0, :2])

    def teach(number):
        for row in rows[number]:
            head.add_sample(number, row)
            head.classify(row)
            head.report()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(teach, range(8)))
    assert [head.samples_of(number) for number in range(8)] == [52] + [50] * 7


def test_heads_that_merge_into_each_other_do_not_wait_for_ever():
    heads = [offshoot.Head(4, classes=2, samples=10_000) for _ in range(2)]
    for head in heads:
        head.add_class("a")
        head.add_sample("a", [1, 0, 0, 0])

    def merge(into, of):
        for _ in range(6):
            into.merge(of)

    threads = [
        threading.Thread(target=merge, args=(heads[i], heads[1 - i]), daemon=True) for i in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_python_runs_while_a_call_does():
    head = offshoot.Head(512, "auto", classes=40, samples=1600)
    rng = np.random.default_rng(3)
    for number in range(40):
        head.add_class(str(number))
        head.add_samples(number, rng.normal(size=(40, 512)) + number / 10)
    spent = []

    def fit():
        begun = time.perf_counter()
        head.fit()
        spent.append(time.perf_counter() - begun)

    thread = threading.Thread(target=fit)
    ticks, last, longest = 0, time.perf_counter(), 0.0
    thread.start()
    while thread.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        ticks, longest, last = ticks + 1, max(longest, now - last), now
    thread.join()
    # A call that kept Python's lock would let none, or one, through.
    assert spent[0] > 0.05, "the fit is too fast to tell"
    assert ticks > 5 and longest < 0.7 * spent[0] + 0.05, (ticks, longest, spent)


def test_a_long_batch_can_be_interrupted(extractor):
    images = [np.zeros((600, 800, 3), np.uint8)] * 20_000
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    begun = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        extractor.embed(images)
    assert time.perf_counter() - begun < 10
