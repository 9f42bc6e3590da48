"""A fleet of fifty boards by Flower: on Ray, and in one process."""

import numpy as np
import pytest

import offshoot
from conftest import DIM, empty, sample

pytest.importorskip("flwr", reason="no flwr here")

from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict
from flwr.serverapp import ServerApp
from flwr.supercore.task_identity import TaskIdentity

import script
from offshoot_fleet import Board, Contributions, MergeHeads, board_of, by_node, client_app
from offshoot_fleet._records import arrays_of, bytes_of


def boards_in(folder):
    def board(context):
        from pathlib import Path

        from offshoot_fleet import Board

        home = Path(folder) / f"board-{context.node_config['partition-id']:02d}"
        return Board(home.name, home / "own.head", home / "merged.head")

    return board


class Loop:
    """Flower's grid in one process: each message is given to the board's program and answered at once."""

    def __init__(self, app, nodes):
        self.app = app
        self.contexts = {
            100 + i: Context(1, 100 + i, {"partition-id": i}, RecordDict(), {}) for i in range(nodes)
        }

    def get_node_ids(self):
        return list(self.contexts)

    def send_and_receive(self, messages, *, timeout=None):
        return [self.answer(message) for message in messages]

    def answer(self, message):
        try:
            return self.app(message, self.contexts[message.metadata.dst_node_id])
        except Exception as error:
            return Message(Error(0, str(error)), reply_to=message)


@pytest.fixture
def identity(monkeypatch):
    """What messages are stamped with."""
    for name in ["run_id", "task_id", "node_id"]:
        monkeypatch.setattr(TaskIdentity, f"_{name}", 1)


@pytest.mark.parametrize("kind", ["softmax"])
def test_fifty_boards_in_one_process(kind, tmp_path, identity):
    grid = Loop(client_app(boards_in(str(tmp_path))), script.BOARDS)
    script.run(grid, tmp_path, kind)


def test_fifty_boards_on_ray(tmp_path, cluster):
    from flwr.simulation import run_simulation

    server, finished = ServerApp(), []

    @server.main()
    def main(grid, context):
        finished.append(script.run(grid, tmp_path, "auto"))

    run_simulation(
        server,
        client_app(boards_in(str(tmp_path))),
        script.BOARDS,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0}},
    )
    assert len(finished) == 1, "the server's program failed: see above"


def test_a_board_has_two_files(tmp_path):
    with pytest.raises(offshoot.InputError, match="both the board's own head and the merged one"):
        Board("a", tmp_path / "x.head", tmp_path / "sub" / ".." / "x.head")
    context = Context(1, 1, {"board": "a", "head": "own.head"}, RecordDict(), {})
    with pytest.raises(offshoot.InputError, match="no merged in the SuperNode's configuration"):
        board_of(context)
    context.node_config["merged"] = "merged.head"
    assert board_of(context).delivery() == b""


def test_what_leaves_a_board_is_its_head(tmp_path, identity, rng):
    """Name, round and the head's bytes; of an image nothing but the quantized embedding."""
    (tmp_path / "board-00").mkdir()
    head = empty()
    head.add_class("mug")
    head.add_sample("mug", sample(rng, "mug"))
    head.save(tmp_path / "board-00" / "own.head")
    grid = Loop(client_app(boards_in(str(tmp_path))), 1)
    request = Message(RecordDict({"config": ConfigRecord({"round": 7})}), 100, "train")
    (reply,) = grid.send_and_receive([request])
    assert list(reply.content) == ["config"]
    assert dict(reply.content["config"]) == {"board": "board-00", "round": 7, "head": head.to_bytes()}
    # A record of one class and one sample: its length leaves room for nothing else.
    assert len(head.to_bytes()) == 68 + (5 + len("mug")) + (8 + DIM) + 4


def test_a_board_refuses_a_merged_head_that_is_not_its_own(tmp_path):
    from conftest import SPROUT

    board = Board("a", tmp_path / "own.head", tmp_path / "merged.head", SPROUT)
    board.install(offshoot.Head(offshoot.Extractor(SPROUT)).to_bytes())
    before = board.merged.read_bytes()
    for bad in [empty().to_bytes(), b"", before[:-1]]:
        with pytest.raises(offshoot.HeadError):
            board.install(bad)
        assert board.merged.read_bytes() == before


def replies(*contents):
    for node, content in enumerate(contents):
        request = Message(RecordDict(), 100 + node, "train")
        yield Message(RecordDict(content), reply_to=request)


def test_replies_of_other_programs_are_refused(identity, rng):
    head = empty()
    head.add_class("mug")
    head.add_sample("mug", sample(rng, "mug"))
    good = {"board": "a", "round": 1, "head": head.to_bytes()}
    bad = [{**good, "board": 3}, {**good, "round": 2}, {**good, "round": -1}, {**good, "head": "x"}]
    bad += [{}, {"board": "a"}, {**good, "board": "../a"}, {**good, "board": "b", "head": b"x"}]
    strategy = MergeHeads(Contributions(empty()))
    strategy._round = strategy.contributions.next_round()
    contents = [{"config": ConfigRecord(config)} for config in [good, *bad]] + [{}]
    arrays, metrics = strategy.aggregate_train(1, replies(*contents))
    assert (metrics["taken"], metrics["refused"]) == (1, len(bad) + 1)
    assert offshoot.Head.from_bytes(bytes_of(arrays)).classes == ["mug"]


def test_two_boards_of_one_name_do_not_take_turns(identity, rng):
    heads = []
    for name in ["mug", "pen"]:
        head = empty()
        head.add_class(name)
        head.add_sample(name, sample(rng, name))
        heads.append(head.to_bytes())
    both = [{"config": ConfigRecord({"board": "a", "round": 1, "head": data})} for data in heads]
    for name, boards in [(None, ["a"]), (by_node, ["node-100", "node-101"])]:
        for order in [1, -1]:
            words = {} if name is None else {"name": name}
            strategy = MergeHeads(Contributions(empty()), **words)
            strategy._round = 1
            _, metrics = strategy.aggregate_train(1, list(replies(*both))[::order])
            assert strategy.contributions.boards == boards
            assert strategy.contributions.merged().classes == ["mug", "pen"][: len(boards)]
            assert metrics["refused"] == 2 - len(boards)


def test_heads_pass_flowers_records_unchanged(rng):
    head = empty("auto")
    head.add_class("mug")
    head.add_sample("mug", sample(rng, "mug"))
    for one in [head, empty("knn", samples=1)]:
        assert bytes_of(arrays_of(one)) == one.to_bytes()
        assert np.frombuffer(bytes_of(arrays_of(one)), np.uint8).size == len(one.to_bytes())


def test_types_hold(tmp_path):
    pytest.importorskip("mypy", reason="no mypy here")
    import subprocess
    import sys

    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "-p", "offshoot_fleet"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_of_docstrings_run():
    import doctest

    from offshoot_fleet import _contributions

    failed, tried = doctest.testmod(_contributions)
    assert tried and not failed


def test_readme_runs(tmp_path, monkeypatch):
    """The Python blocks of README.md, in order, in one namespace."""
    import re
    import shutil

    from conftest import ROOT, SPROUT

    shutil.copy(SPROUT, tmp_path / "sprout.offshoot")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "sdk" / "python" / "fleet" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert blocks
