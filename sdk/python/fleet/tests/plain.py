"""A fleet as plainly as can be: lists of samples, and a head that is taught them one by one."""

from conftest import empty


class PlainBoard:
    """A board: names of classes in order, and samples in order."""

    def __init__(self):
        self.classes, self.samples = [], []

    def teach(self, name, embedding):
        if name not in self.classes:
            self.classes.append(name)
        self.samples.append((name, embedding))

    def head(self, kind, samples=40):
        head = empty(kind, samples=samples)
        teach(head, self)
        return head

    def copy(self):
        other = PlainBoard()
        other.classes, other.samples = list(self.classes), list(self.samples)
        return other


def teach(head, board):
    """Teaches a head a board's classes, then its samples."""
    for name in board.classes:
        if name not in head.classes:
            head.add_class(name)
    for name, embedding in board.samples:
        head.add_sample(name, embedding)


def in_one_place(kind, boards, **limits):
    """The head taught all samples in one place, boards by name."""
    head = empty(kind, **limits)
    for name in sorted(boards):
        teach(head, boards[name])
    return head
