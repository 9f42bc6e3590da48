"""Synthetic motions of a hand with an accelerometer: three axes in g, 100 samples a second.

A motion is a path of the hand in metres over 1.28 seconds. The sensor has gravity, an orientation that
differs from hand to hand, a bias and noise. No recording of a person is in it: it shows the way from a
network for signals to a board, not how good gestures are recognized.
"""

import numpy as np

RATE = 100
PLACES = 128
CHANNELS = 3
GRAVITY = 9.81

# The network learns these ...
LEARNED = ["still", "left", "right", "up", "down", "circle", "circle-back", "shake", "nod", "tap"]
# ... and these are taught afterwards, on the board.
TAUGHT = ["figure-eight", "zigzag", "knock-twice", "push", "draw-v"]


def bump(t, centre, width):
    return np.exp(-(((t - centre) / width) ** 2))


def step(t, centre, width):
    return 0.5 + 0.5 * np.tanh((t - centre) / width)


def path(kind, t, random):
    """Return the position in metres, three columns, of a motion over times in seconds."""
    size = random.uniform(0.7, 1.3)
    pace = random.uniform(0.85, 1.15)
    start = random.uniform(0.25, 0.4)
    width = 0.12 / pace
    angle = 2 * np.pi * pace * 1.4 * np.clip(t - start, 0, 1 / (1.4 * pace))
    turn = 2 * np.pi * pace * (t - start)
    on = step(t, start, 0.05) * (1 - step(t, start + 0.75, 0.05))
    zero = np.zeros_like(t)
    sway = step(t, start + 0.25, width)
    x, y, z = {
        "still": lambda: (zero, zero, zero),
        "left": lambda: (-0.25 * sway, zero, zero),
        "right": lambda: (0.25 * sway, zero, zero),
        "up": lambda: (zero, zero, 0.25 * sway),
        "down": lambda: (zero, zero, -0.25 * sway),
        "circle": lambda: (0.12 * np.sin(angle), zero, 0.12 * (1 - np.cos(angle))),
        "circle-back": lambda: (-0.12 * np.sin(angle), zero, 0.12 * (1 - np.cos(angle))),
        "shake": lambda: (0.03 * on * np.sin(4.5 * turn), zero, zero),
        "nod": lambda: (zero, 0.02 * on * np.sin(3 * turn), 0.03 * on * np.sin(3 * turn)),
        "tap": lambda: (zero, 0.004 * bump(t, start + 0.3, 0.02), zero),
        "figure-eight": lambda: (0.12 * np.sin(2 * angle) * on, zero, 0.1 * np.sin(angle) * on),
        "zigzag": lambda: (0.15 * sway, zero, 0.05 * on * np.sin(2.5 * turn)),
        "knock-twice": lambda: (
            zero,
            0.004 * (bump(t, start + 0.15, 0.02) + bump(t, start + 0.45, 0.02)),
            zero,
        ),
        "push": lambda: (zero, 0.25 * sway, zero),
        "draw-v": lambda: (
            0.2 * sway,
            zero,
            -0.2 * step(t, start + 0.15, width) + 0.2 * step(t, start + 0.4, width),
        ),
    }[kind]()
    return size * np.stack([x, y, z], 1)


def orientation(random, most):
    """Return a rotation by at most `most` radians about an axis drawn at random."""
    axis = random.normal(size=3)
    axis /= np.linalg.norm(axis)
    angle = random.uniform(-most, most)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def recording(kind, random, places=PLACES):
    """Return the samples of one motion in g, rounded to thousandths: places x channels."""
    # Four times as dense, since knocks are short.
    fine = 4
    t = np.arange(fine * (places + 2)) / (fine * RATE)
    position = path(kind, t, random)
    force = np.gradient(np.gradient(position, t, axis=0), t, axis=0) / GRAVITY
    force = force[: fine * places].reshape(places, fine, 3).mean(1)
    force[:, 2] += 1.0
    force = force @ orientation(random, 0.35).T
    tremor = np.cumsum(random.normal(scale=0.004, size=(places, 3)), 0)
    noise = random.normal(scale=0.02, size=(places, 3))
    return np.round(force + 0.3 * tremor + noise + random.normal(scale=0.03, size=3), 3)


def dataset(kinds, each, seed):
    """Return samples (each of them places x channels) and labels of `each` motions a kind."""
    random = np.random.default_rng(seed)
    pairs = [(recording(kind, random), label) for label, kind in enumerate(kinds) for _ in range(each)]
    x = np.stack([pair[0] for pair in pairs]).astype(np.float32)
    return x, np.array([pair[1] for pair in pairs])
