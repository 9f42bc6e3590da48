"""The server's memory against a plain model, and what it refuses."""

import os
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

import offshoot
from conftest import DIM, KINDS, NAMES, bits, empty, sample
from offshoot_fleet import (
    ConflictError,
    Contributions,
    DeliveryError,
    FullError,
    StaleError,
    WithdrawnError,
)
from offshoot_fleet.__main__ import main
from plain import PlainBoard, in_one_place

ROOM = 20
BOARDS = ["b1", "b10", "b2", "Attic", "cellar-3.east"]


def board(rng, *names):
    plain = PlainBoard()
    for name in names:
        plain.teach(name, sample(rng, name))
    return plain


class Model:
    """The fleet as lists: each board's newest samples, those withdrawn, and the newest round of each."""

    def __init__(self, kind):
        self.kind, self.given, self.out, self.newest = kind, {}, set(), {}

    def deliver(self, name, plain, round):
        if name in self.out:
            return WithdrawnError
        if round < self.newest.get(name, 0):
            return StaleError
        if round == self.newest.get(name, 0):
            former = self.given.get(name)
            now = (plain.classes, plain.samples) if plain.samples else None
            return False if now == (former and (former.classes, former.samples)) else ConflictError
        rest = {other: its for other, its in self.given.items() if other != name}
        if sum(len(its.samples) for its in rest.values()) + len(plain.samples) > ROOM:
            return FullError
        self.newest[name] = round
        self.given = {**rest, name: plain} if plain.samples else rest
        return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [False, True], ids=["memory", "folder"])
def test_random_sequences_against_a_plain_model(kind, kept, tmp_path):
    chance = random.Random(f"{kind} {kept}")
    rng = np.random.default_rng(7)
    folder = tmp_path / "fleet" if kept else None
    fleet = Contributions(empty(kind, samples=ROOM), folder)
    model, sent, round = Model(kind), [], 0
    now = {name: PlainBoard() for name in BOARDS}
    seen = set()
    for step in range(500):
        name = chance.choice(BOARDS)
        action = chance.choice(["teach"] * 4 + ["deliver"] * 3 + ["again", "round", "lose", "out", "in"])
        if action == "teach" and len(now[name].samples) < 15:
            for label in chance.sample(NAMES, 2):
                now[name].teach(label, sample(rng, label))
        elif action == "lose":
            # A board takes back samples, or all of them.
            now[name].samples = now[name].samples[: chance.choice([0, -1])]
        elif action == "round":
            round = fleet.next_round()
        elif action in ("deliver", "again") and (action == "deliver" or sent) and round:
            if action == "deliver":
                sent.append((name, now[name].copy(), round))
            name, plain, of = sent[-1] if action == "deliver" else chance.choice(sent)
            data = plain.head(kind).to_bytes() if plain.samples else None
            expected = model.deliver(name, plain, of)
            seen.add(expected)
            if isinstance(expected, bool):
                assert fleet.deliver(name, data, of) is expected
            else:
                with pytest.raises(expected):
                    fleet.deliver(name, data, of)
        elif action == "out" and chance.random() < 0.3:
            fleet.withdraw(name)
            model.out.add(name)
            model.given.pop(name, None)
        elif action == "in":
            fleet.admit(name)
            if name in model.out:
                model.out.discard(name)
                model.newest[name] = round
        if kept and chance.random() < 0.2:
            fleet = Contributions(empty(kind, samples=ROOM), folder)
        assert fleet.boards == sorted(model.given) and fleet.withdrawn == sorted(model.out)
        merged, one = fleet.merged(), in_one_place(kind, model.given, samples=ROOM)
        assert merged.to_bytes() == one.to_bytes()
        if step % 10 == 0:
            assert bits(merged) == bits(one)
    assert {True, False, StaleError, ConflictError, WithdrawnError, FullError} <= seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_withdrawn_board_leaves_no_trace(kind, rng):
    fleet = Contributions(empty(kind))
    never = Contributions(empty(kind))
    for name in BOARDS:
        data = board(rng, *NAMES[: 2 + BOARDS.index(name) % 3] * 3).head(kind).to_bytes()
        fleet.deliver(name, data, 1)
        if name != "b2":
            never.deliver(name, data, 1)
    assert fleet.without("b2").to_bytes() == never.merged().to_bytes() != fleet.merged().to_bytes()
    fleet.withdraw("b2")
    assert fleet.merged().to_bytes() == never.merged().to_bytes()
    assert bits(fleet.merged()) == bits(never.merged())


def test_a_class_of_a_withdrawn_board_is_gone_too(rng):
    fleet = Contributions(empty())
    fleet.deliver("a", board(rng, "mug").head("ncm").to_bytes(), 1)
    fleet.deliver("b", board(rng, "pen").head("ncm").to_bytes(), 1)
    fleet.withdraw("a")
    assert fleet.merged().classes == ["pen"]


def test_the_server_decides_kind_and_settings(rng):
    base = empty("ridge")
    base.inverse_l2, base.false_rejection_rate, base.transform = 3.0, 0.25, "half"
    fleet = Contributions(base)
    fleet.deliver("a", board(rng, "mug", "pen").head("knn").to_bytes(), 1)
    merged = fleet.merged()
    assert (merged.kind, merged.inverse_l2, merged.false_rejection_rate) == ("ridge", 3.0, 0.25)
    assert merged.limits == base.limits


def test_the_fleet_can_start_with_samples(rng):
    start = board(rng, "cup", "nut")
    fleet = Contributions(start.head("slda", samples=400))
    a, b = board(rng, "nut", "mug"), board(rng, "mug")
    fleet.deliver("b", b.head("slda").to_bytes(), 1)
    fleet.deliver("a", a.head("slda").to_bytes(), 2)
    one = in_one_place("slda", {"0": start, "a": a, "b": b})
    assert fleet.merged().to_bytes() == one.to_bytes()


def test_a_board_that_evicted_counts_in_the_means_but_not_in_the_bits(rng):
    """A full head of a board: its class means are those of all samples it saw, which is all that stays."""
    full, plain = empty("ncm", samples=6), PlainBoard()
    for name in ["mug", "pen"] * 10:
        plain.teach(name, sample(rng, name))
    for name in plain.classes:
        full.add_class(name)
    for name, embedding in plain.samples:
        full.add_sample(name, embedding)
    fleet = Contributions(empty("ncm"))
    fleet.deliver("a", full.to_bytes(), 1)
    merged, one = fleet.merged(), in_one_place("ncm", {"a": plain})
    assert (len(merged), merged.shown_of("mug")) == (6, 10) and len(one) == 20
    assert merged.to_bytes() != one.to_bytes()
    assert np.array_equal(merged.linear().weights, one.linear().weights)


def test_refusals_lose_nothing(rng):
    fleet = Contributions(empty(samples=5, classes=3), board_samples=40)
    fleet.deliver("a", board(rng, "mug", "pen", "cup").head("ncm").to_bytes(), 4)
    before = fleet.merged().to_bytes()
    good = board(rng, "mug").head("ncm").to_bytes()
    damaged = bytearray(good)
    damaged[90] ^= 1
    other = offshoot.Head(DIM, package_id="ab" * 32, samples=10)
    refused = [
        (FullError, "6 samples", "b", board(rng, "mug", "mug", "mug").head("ncm").to_bytes(), 5),
        (FullError, "4 classes", "b", board(rng, "nut").head("ncm").to_bytes(), 5),
        (StaleError, "round 3", "a", good, 3),
        (ConflictError, "a second, different delivery", "a", good, 4),
        (ConflictError, "a second, different delivery", "a", None, 4),
        (DeliveryError, "checksum", "b", bytes(damaged), 5),
        (DeliveryError, "`b`: ", "b", good[:30], 5),
        (DeliveryError, "`b`: ", "b", b"x", 5),
        (DeliveryError, "dimensions", "b", offshoot.Head(3, samples=10).to_bytes(), 5),
        (DeliveryError, "give all boards one package", "b", other.to_bytes(), 5),
        (DeliveryError, "room for 41 samples", "b", empty(samples=41).to_bytes(), 5),
    ]
    for name in ["", "../a", "a@1", ".a", "a" * 65, "a b", "a\n"]:
        refused.append((DeliveryError, "of a board; allowed are", name, good, 5))
    for error, words, name, data, round in refused:
        with pytest.raises(error, match=words):
            fleet.deliver(name, data, round)
        assert fleet.merged().to_bytes() == before and fleet.boards == ["a"]
    # The former delivery is what a full fleet keeps, and room comes back with a withdrawal.
    fleet.withdraw("a")
    assert fleet.deliver("b", board(rng, "mug", "mug", "mug").head("ncm").to_bytes(), 5)


def test_a_record_that_claims_much_memory_is_not_opened(rng):
    fleet = Contributions(empty())
    data = bytearray(board(rng, "mug").head("ncm").to_bytes())
    struct.pack_into("<H", data, 62, 65_535)
    with pytest.raises(DeliveryError, match="room for 65535 samples, allowed are 1000"):
        fleet.deliver("a", bytes(data), 1)


def test_more_of_one_class_than_a_head_can_count(rng):
    many = empty("ncm", samples=1)
    many.add_class("mug")
    for _ in range(40_000):
        many.add_sample("mug", np.ones(DIM))
    fleet = Contributions(empty("ncm"))
    fleet.deliver("a", many.to_bytes(), 1)
    with pytest.raises(FullError, match="80000 samples of one class"):
        fleet.deliver("b", many.to_bytes(), 1)


def test_what_is_replaced_or_withdrawn_is_off_the_disk(tmp_path, rng):
    folder = tmp_path / "fleet"
    fleet = Contributions(empty(), folder)
    heads = [board(rng, name).head("ncm").to_bytes() for name in ["mug", "pen", "cup"]]
    fleet.deliver("b", heads[2], 1)
    for round, data in enumerate(heads[:2], 1):
        fleet.deliver("a", data, round)
    kept = [path.read_bytes() for path in folder.iterdir()]
    assert heads[0] not in kept and heads[1] in kept
    fleet.withdraw("a")
    kept = [path.read_bytes() for path in folder.iterdir()]
    assert heads[1] not in kept and heads[2] in kept


def test_rounds_never_come_twice(tmp_path, rng):
    folder = tmp_path / "fleet"
    first, second = Contributions(empty(), folder), Contributions(empty(), folder)
    rounds = [fleet.next_round() for fleet in [first, second, first]]
    rounds.append(Contributions(empty(), folder).next_round())
    assert rounds == [1, 2, 3, 4]
    second.deliver("a", board(rng, "mug").head("ncm").to_bytes(), 9)
    assert first.boards == ["a"] and first.next_round() == 10


def test_two_programs_share_a_folder(tmp_path, rng):
    """A withdrawal by the command reaches a server that runs."""
    folder = tmp_path / "fleet"
    empty().save(tmp_path / "base.head")
    server = Contributions(empty(), folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    data = board(rng, "mug").head("ncm").to_bytes()
    server.deliver("a", data, 1)
    server.deliver("b", data, 1)
    command = [sys.executable, "-m", "offshoot_fleet", str(tmp_path / "base.head"), str(folder)]

    def run(*arguments, code=0):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert run("boards").split() == ["a", "b"]
    run("withdraw", "a")
    assert server.boards == ["b"] and run("boards") == "b\na (withdrawn)\n"
    with pytest.raises(WithdrawnError):
        server.deliver("a", data, 2)
    run("merge", str(tmp_path / "merged.head"))
    assert (tmp_path / "merged.head").read_bytes() == server.merged().to_bytes()
    run("admit", "a")
    run("admit", "b")
    with pytest.raises(ConflictError):
        server.deliver("a", data, 1)
    assert server.deliver("a", data, 2) and server.boards == ["a", "b"]
    assert "error: " in run("withdraw", "../x", code=2)
    (tmp_path / "base.head").unlink()
    assert "base.head" in run("boards", code=2)


@pytest.mark.parametrize("leftover", ["a@2.head.new", "a@1.head", "notes.txt", "a@x.head"])
def test_what_a_killed_program_leaves_does_no_harm(tmp_path, rng, leftover):
    folder = tmp_path / "fleet"
    fleet = Contributions(empty(), folder)
    fleet.deliver("a", board(rng, "mug").head("ncm").to_bytes(), 2)
    before = fleet.merged().to_bytes()
    (folder / leftover).write_bytes(board(rng, "pen").head("ncm").to_bytes())
    assert Contributions(empty(), folder).merged().to_bytes() == before


@pytest.mark.parametrize("at", range(1, 12))
def test_a_program_that_ends_at_any_step_leaves_old_or_new(tmp_path, rng, at, monkeypatch):
    folder = tmp_path / "fleet"
    fleet = Contributions(empty(), folder)
    fleet.deliver("a", board(rng, "mug").head("ncm").to_bytes(), 1)
    old = fleet.merged().to_bytes()
    new = board(rng, "pen").head("ncm").to_bytes()
    steps = 0

    class Killed(BaseException):
        pass

    def counted(function):
        def called(*arguments, **words):
            nonlocal steps
            steps += 1
            if steps == at:
                raise Killed
            return function(*arguments, **words)

        return called

    with monkeypatch.context() as patch:
        for name in ["replace", "fsync", "unlink"]:
            patch.setattr(os, name, counted(getattr(os, name)))
        withdraw = at > 5
        steps = 5 if withdraw else 0
        try:
            fleet.withdraw("a") if withdraw else fleet.deliver("a", new, 2)
        except Killed:
            pass
    after = Contributions(empty(), folder)
    expected = Contributions(empty())
    if not withdraw:
        expected.deliver("a", new, 2)
    assert after.merged().to_bytes() in (old, expected.merged().to_bytes())
    assert not set(after.withdrawn) & set(after.boards)
    # And it goes on.
    after.admit("a")
    assert after.deliver("a", new, 3)
    assert after.boards == ["a"]
