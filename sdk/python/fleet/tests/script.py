"""Fifty boards that come, go, teach, take back and are withdrawn; the fleet is compared with lists all along."""

import random
from collections import Counter

import numpy as np
from flwr.app import ArrayRecord

from conftest import DIM, NAMES, bits, empty, sample
from offshoot_fleet import Contributions, MergeHeads
from offshoot_fleet._records import bytes_of
from plain import PlainBoard, in_one_place

BOARDS = 50
ROUNDS = 8
ROOM = 1000


def name_of(number):
    return f"board-{number:02d}"


class Scripted(MergeHeads):
    """The strategy as it is, between a script that plays the boards and checks of what comes out."""

    def __init__(self, folder, kind, seed):
        super().__init__(Contributions(empty(kind, samples=ROOM), folder / "server"))
        self.kind, self.folder = kind, folder
        self.chance, self.rng = random.Random(seed), np.random.default_rng(seed)
        self.now = {name_of(i): PlainBoard() for i in range(BOARDS)}
        self.given, self.out = {}, set()
        self.installed = {}
        self.names, self.present, self.damaged = {}, [], set()
        self.sent, self.old, self.happened = {}, [], Counter()
        for name in self.now:
            (folder / name).mkdir()

    def configure_train(self, server_round, arrays, config, grid):
        first = not self.names
        if not first:
            self.play()
        messages = list(super().configure_train(server_round, arrays, config, grid))
        assert len(messages) == BOARDS
        if not first:
            # Boards that have left are not connected.
            share = self.chance.choice([0.2, 0.5, 0.9])
            messages = [m for m in messages if self.chance.random() < share]
        self.present = [m.metadata.dst_node_id for m in messages]
        self.sent = {name: board.copy() for name, board in self.now.items()}
        return messages

    def play(self):
        for name, board in self.now.items():
            own = self.folder / name / "own.head"
            action = self.chance.choice(["teach", "teach", "teach", "take back", "lose", "damage", "nothing"])
            self.damaged.discard(name)
            if action == "teach":
                for _ in range(self.chance.randint(1, 4)):
                    label = self.chance.choice(NAMES)
                    board.teach(label, sample(self.rng, label))
            elif action == "take back" and board.samples:
                board.samples.pop(self.chance.randrange(len(board.samples)))
            elif action == "lose" and self.chance.random() < 0.3:
                board.samples, board.classes = [], []
            if board.samples:
                board.head(self.kind, samples=100).save(own)
            else:
                own.unlink(missing_ok=True)
            if action == "damage" and own.exists():
                own.write_bytes(own.read_bytes()[:-5])
                self.damaged.add(name)
            self.happened[action] += 1
        for name in self.chance.sample(sorted(self.now), 3):
            if name in self.out:
                self.contributions.admit(name)
                self.out.discard(name)
                self.happened["admit"] += 1
            elif self.chance.random() < 0.5:
                self.contributions.withdraw(name)
                self.out.add(name)
                self.given.pop(name, None)
                self.happened["withdraw"] += 1

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        assert sorted(r.metadata.src_node_id for r in replies) == sorted(self.present)
        good = [reply for reply in replies if not reply.has_error()]
        if not self.names:
            self.names = {r.metadata.src_node_id: r.content["config"]["board"] for r in good}
            assert sorted(self.names.values()) == sorted(self.now)
        names = [self.names[node] for node in self.present]
        assert len(replies) - len(good) == len(self.damaged.intersection(names))
        for name in names:
            if name not in self.damaged and name not in self.out:
                self.given.pop(name, None)
                if self.sent[name].samples:
                    self.given[name] = self.sent[name]
        # Twice, late, and in any order.
        again = [reply for reply in good + self.old if self.chance.random() < 0.3]
        self.old += good
        replies += again
        self.chance.shuffle(replies)
        arrays, metrics = super().aggregate_train(server_round, replies)
        self.check(arrays, metrics, again)
        return arrays, metrics

    def check(self, arrays, metrics, again):
        one = in_one_place(self.kind, self.given, samples=ROOM)
        merged = bytes_of(arrays)
        assert merged == one.to_bytes()
        assert bits(self.contributions.merged()) == bits(one)
        assert metrics["samples"] == len(one) and metrics["boards"] == len(self.given)
        total = sum(metrics[what] for what in ["taken", "repeated", "refused", "failed"])
        assert total == len(self.present) + len(again)
        for what in ["taken", "repeated", "refused", "failed"]:
            self.happened[what] += metrics[what]

    def aggregate_evaluate(self, server_round, replies):
        metrics = super().aggregate_evaluate(server_round, replies)
        assert metrics["installed"] == BOARDS and metrics["failed"] == 0
        merged = self.contributions.merged().to_bytes()
        for name in self.now:
            assert (self.folder / name / "merged.head").read_bytes() == merged
        return metrics


def run(grid, folder, kind, seed=3):
    """Plays the script on a grid; returns the strategy."""
    strategy = Scripted(folder, kind, seed)
    result = strategy.start(grid, ArrayRecord(), num_rounds=ROUNDS, timeout=120)
    assert bytes_of(result.arrays) == strategy.contributions.merged().to_bytes()
    expected = ["teach", "take back", "lose", "damage", "withdraw", "admit"]
    for what in [*expected, "taken", "repeated", "refused", "failed"]:
        assert strategy.happened[what] > 0, what
    return strategy
