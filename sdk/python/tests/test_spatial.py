"""Heads that find objects, and heads of good images."""

import pickle

import numpy as np
import pytest

import offshoot

PLACES = [(2, 4), (16, 8), (8, 20), (22, 22), (4, 12)]


@pytest.fixture
def eyes():
    return offshoot.Extractor("eyes.offshoot")


def square(eyes, x, y, colour=220):
    """Cells of a square of eight pixels on a dark floor."""
    image = np.full((32, 32, 3), 40, np.uint8)
    image[y : y + 8, x : x + 8] = colour
    return eyes.cells(image)


def box(x, y):
    return ("square", x / 32, y / 32, 0.25, 0.25)


@pytest.fixture
def head(eyes):
    head = offshoot.SpatialHead(eyes, classes=2)
    head.add_class("square")
    for at in PLACES:
        head.teach(square(eyes, *at), [box(*at)])
    return head


def test_squares_are_found(eyes, head):
    cells = square(eyes, 12, 14)
    assert cells.grid == (16, 16) and cells.values == 24
    assert cells.maps()[0].shape == (16, 16, 8) and cells.maps()[0].dtype == np.int8
    (found,) = head.find(cells)
    assert (found.name, found.class_id) == ("square", 0) and found.score > 0.5
    assert abs(found.x - 0.5) < 0.0625 and abs(found.y - 0.5625) < 0.0625
    assert np.allclose(found.size, 0.25, atol=0.1)
    assert head.find(eyes.cells(np.full((32, 32, 3), 40, np.uint8))) == []
    assert (head.classes, head.lessons, head.limit) == (["square"], 5, 2)
    assert head.objects_of("square") == 5 and np.allclose(head.size_of(0), 0.25, atol=1e-3)
    # Each lesson but the first was tested before it was learned.
    assert head.expected("square").objects == 4 and 0 < head.threshold("square") < 1
    head.test(cells, [("square", 0.5, 0.5625)])
    assert head.expected("square").objects == 5


def test_lessons_are_taken_back_kept_and_merged(eyes, head, folder):
    cells = square(eyes, 12, 14)
    before = head.to_bytes()
    want = head.find(cells)
    head.teach(cells)
    assert head.undo() and not head.undo()
    # What was tested stays tested.
    assert head.lessons == 5 and len(head.to_bytes()) == len(before)
    head.save("squares.cells")
    copies = [
        offshoot.SpatialHead.load("squares.cells", eyes),
        offshoot.SpatialHead.from_bytes(head.to_bytes(), eyes),
        pickle.loads(pickle.dumps(head)),
    ]
    found = [copy.find(cells) for copy in copies]
    assert found[0] == found[1] == found[2] and abs(found[0][0].x - want[0].x) < 1e-6
    copies[0].merge(copies[1])
    assert copies[0].lessons == 10
    copies[0].rename_class("square", "box")
    assert copies[0].classes[0] == "box"
    copies[0].rename_class(0, "square")
    copies[0].forget("square")
    assert copies[0].classes == []


def test_a_fixed_camera_compares(eyes, head):
    floor = eyes.cells(np.full((32, 32, 3), 40, np.uint8))
    fixed = offshoot.SpatialHead(eyes)
    assert fixed.changed(floor) is None and not fixed.has_reference
    fixed.set_reference(floor)
    assert fixed.changed(floor) == 0 and 0 < fixed.changed(square(eyes, 8, 8)) < 0.5
    with pytest.raises(offshoot.HeadError, match="do not add up"):
        fixed.merge(head)
    with pytest.raises(offshoot.HeadError, match="before the first lesson"):
        head.set_reference(floor)


def test_what_is_wrong_is_said(eyes, head, extractor, folder):
    cells = square(eyes, 12, 14)

    def refused(match, call, *arguments):
        with pytest.raises(offshoot.HeadError, match=match):
            call(*arguments)

    refused("no class `cup`; add it", head.teach, cells, [("cup", 0.5, 0.5)])
    refused("class 7, the head has 1", head.teach, cells, [(7, 0.5, 0.5)])
    refused("mark 0 does not lie in the frame", head.teach, cells, [(0, 1.5, 0.5)])
    refused("129 marks", head.teach, cells, [(0, 0.5, 0.5)] * 129)
    refused("there is a class `square`", head.add_class, "square")
    refused("needs a name", head.add_class, "")
    head.add_class("ring")
    refused("all 2 classes", head.add_class, "third")
    with pytest.raises(TypeError):
        head.teach(cells, [("square", 0.5)])
    with pytest.raises(offshoot.PackageError, match="--cells"):
        offshoot.SpatialHead(extractor)
    with pytest.raises(offshoot.PackageError, match="--cells"):
        extractor.cells(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(offshoot.HeadError, match="0 classes"):
        offshoot.SpatialHead(eyes, classes=0)
    with pytest.raises(offshoot.HeadError, match="teach at least one object"):
        offshoot.SpatialHead(eyes).find(cells)
    head.save("squares.cells")
    with pytest.raises(offshoot.HeadError, match="squares.cells: .*another package"):
        offshoot.SpatialHead.load("squares.cells", extractor)
    with pytest.raises(offshoot.MissingFileError):
        offshoot.GoodHead.load("absent.good", eyes)


def test_odd_squares_are_unusual(eyes, folder):
    head = offshoot.GoodHead(eyes)
    assert head.threshold is None and not head.undo()
    for at in PLACES:
        head.teach(square(eyes, *at))
    usual = head.look(square(eyes, 12, 14))
    assert not usual and usual.threshold == head.threshold and head.is_fitted
    assert usual.heat.shape == (16, 16) and usual.heat.max() == usual.score
    odd = head.look(square(eyes, 12, 14, (255, 0, 255)))
    assert odd and odd.unusual and odd.score > 4 * odd.threshold
    assert abs(odd.x - 0.5) < 0.2 and abs(odd.y - 0.5625) < 0.2
    head.save("square.good")
    for copy in (
        offshoot.GoodHead.load("square.good", eyes),
        offshoot.GoodHead.from_bytes(head.to_bytes(), eyes),
    ):
        assert copy.look(square(eyes, 12, 14)).score == usual.score and copy.lessons == 5
    head.test(square(eyes, 12, 14))
    assert head.threshold != usual.threshold and head.undo() and head.lessons == 4
    assert offshoot.GoodHead(eyes, fixed=True).fixed
    with pytest.raises(offshoot.HeadError):
        offshoot.GoodHead(eyes).look(square(eyes, 1, 1))
