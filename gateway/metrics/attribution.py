"""Which channels deals are owed to: the credit of each, by nine models side by side. Pure arithmetic.

In: journeys, each the touches before a deal or before now. Out: ``Attribution``: per model and channel the deals and
the revenue credited, which add up to all deals and all revenue under every model.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

ASSUMES = {
    "first": "the touch that began it earned all of it",
    "last": "the touch before the deal earned all of it",
    "linear": "every touch earned the same",
    "u": "40 % each for the first touch and the one that made it an MQL, 20 % for the others",
    "w": "30 % each for the first touch, the one that made it an MQL and the one that qualified it, 10 % for others",
    "full": "22.5 % each for the first touch, MQL, qualification and the last touch, 10 % for the others",
    "decay": "a touch is worth half as much for each {half_life} that it lies before the deal",
    "markov": "what conversion would be lost without the {by}, if the next touch depended on this one alone",
    "shapley": "all {by}s of a deal, however often and in whatever order, are worth the same",
}
"""Model → what it takes for granted of a ``by`` and a ``half_life``; the order is that of reports."""
_ANCHORED = {"u": (0.4, ("mql",), False), "w": (0.3, ("mql", "sql"), False), "full": (0.225, ("mql", "sql"), True)}
"""Model → the share of each anchor, the milestones beside the first touch, whether the last one counts, too."""
MICROSECONDS = 1_000_000
_START, _WON, _LOST = -1, -2, -3


@dataclass(slots=True)
class Journey:
    """``touches``: (microseconds, channel) in order of time. ``won_at`` None: no deal, so far. ``value``: its amount.

    ``milestones``: shared stage (``mql``, ``sql``) → when it was first reached. Several people of one deal are one.
    ``day_ends``: the last moment of the day, of a win of which only that is known: a touch of the same day is taken to
    lie before it.
    """

    touches: Sequence[tuple[int, str]]
    won_at: int | None = None
    value: float = 0.0
    milestones: Mapping[str, int] = field(default_factory=dict)
    day_ends: int | None = None

    @property
    def end(self) -> int | None:
        """The last moment at which a touch lies before the deal."""
        return self.won_at if self.day_ends is None else self.day_ends


@dataclass(frozen=True, slots=True)
class Credit:
    deals: float
    value: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """``credits``: model → channel → credit. ``total``: of all deals that had a touch; ``untouched``: of those that had
    none before them within the window. ``after_win`` and ``outside_window``: touches that were left out.
    """

    credits: Mapping[str, Mapping[str, Credit]]
    total: Credit
    untouched: Credit
    journeys: int
    after_win: int
    outside_window: int


class Unsold:
    """Journeys without a deal, so far: nothing counts but their paths, most of which are alike."""

    def __init__(self, window: timedelta | None = None) -> None:
        """:param window: touches longer before the last one are left out."""
        self.span = None if window is None else int(window.total_seconds() * MICROSECONDS)
        self.paths: dict[tuple[str, ...], int] = {}
        self.outside = 0

    def take(self, ats: Sequence[int], names: Sequence[str]) -> None:
        """One person's touches in order of time: when, and by which channel. There is at least one."""
        if self.span is not None and ats[0] < (begin := ats[-1] - self.span):
            left = bisect_left(ats, begin)
            self.outside += left
            names = names[left:]
        self.add(names)

    def add(self, names: Sequence[str], people: int = 1) -> None:
        """The path of as many people, all of it within the window."""
        path = tuple(names)
        self.paths[path] = self.paths.get(path, 0) + people


def attribute(
    journeys: Iterable[Journey],
    window: timedelta | None = None,
    half_life: timedelta = timedelta(days=30),
    models: Sequence[str] = tuple(ASSUMES),
    unsold: Unsold | None = None,
) -> Attribution:
    """Credit every deal to the channels touched before it.

    :param window: touches longer before the deal (or before the last touch, where there is none) are left out.
    :param half_life: of the model ``decay``. :param unsold: further journeys without a deal, of the same window.
    """
    counted = _Counted(models, half_life, unsold or Unsold(window))
    for journey in journeys:
        counted.take(journey)
    return counted.done()


class _Counted:
    """Sums over the journeys: by path and anchors, so that the many that are alike are worked once. What a touch is
    worth after some days is each journey's own."""

    def __init__(self, models: Sequence[str], half_life: timedelta, unsold: Unsold) -> None:
        self.models = models
        self.unsold = unsold
        self.per_day = 1 / (half_life.total_seconds() * MICROSECONDS)
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}
        self.sold: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = {}  # path, anchors → deals, value
        self.decay: Sums = defaultdict(lambda: [0.0, 0.0])
        self.stages = list(dict.fromkeys(stage for one in models if one in _ANCHORED for stage in _ANCHORED[one][1]))
        self.untouched = [0.0, 0.0]
        self.journeys = self.after_win = self.outside = 0

    def take(self, journey: Journey) -> None:
        touches = journey.touches
        won = journey.end
        if won is None:
            if touches:
                self.unsold.take([at for at, _ in touches], [name for _, name in touches])
            else:
                self.journeys += 1
            return
        self.journeys += 1
        if touches and touches[-1][0] > won:
            kept = bisect_right(touches, won, key=_at)
            self.after_win += len(touches) - kept
            touches = touches[:kept]
        if touches and self.unsold.span is not None and touches[0][0] < (begin := won - self.unsold.span):
            left = bisect_right(touches, begin - 1, key=_at)
            self.outside += left
            touches = touches[left:]
        value = journey.value
        if not touches:
            self.untouched[0] += 1
            self.untouched[1] += value
            return
        path = self._path([name for _, name in touches])
        reached = journey.milestones
        key = path, tuple([_touch_at(touches, reached.get(stage, won)) for stage in self.stages])
        if (sums := self.sold.get(key)) is None:
            sums = self.sold[key] = [0.0, 0.0]
        sums[0] += 1
        sums[1] += value
        if "decay" in self.models:
            weights = [0.5 ** ((won - at) * self.per_day) for at, _ in touches]
            whole = sum(weights)
            for number, weight in zip(path, weights, strict=True):
                part = weight / whole if whole else 1 / len(weights)
                sums = self.decay[number]
                sums[0] += part
                sums[1] += part * value

    def _path(self, names: Iterable[str]) -> tuple[int, ...]:
        numbers = self.numbers
        return tuple([numbers[name] if name in numbers else self._number(name) for name in names])

    def _number(self, name: str) -> int:
        self.names.append(name)
        return self.numbers.setdefault(name, len(self.names) - 1)

    def _anchored(self, model: str) -> Sums:
        each, stages, last = _ANCHORED[model]
        places = [self.stages.index(stage) for stage in stages]
        found: Sums = defaultdict(lambda: [0.0, 0.0])
        for (path, reached), (deals, value) in self.sold.items():
            anchors = (0, *[reached[place] for place in places], *([len(path) - 1] if last else []))
            for number, share in zip(path, anchored(len(path), anchors, each), strict=True):
                if share:
                    sums = found[number]
                    sums[0] += share * deals
                    sums[1] += share * value
        return found

    def _paths(self) -> dict[tuple[int, ...], list[float]]:
        """Path → deals, value, journeys without a deal."""
        paths: dict[tuple[int, ...], list[float]] = {}
        for (path, _), (deals, value) in self.sold.items():
            sums = paths.setdefault(path, [0.0, 0.0, 0.0])
            sums[0] += deals
            sums[1] += value
        for names, count in self.unsold.paths.items():
            paths.setdefault(self._path(names), [0.0, 0.0, 0.0])[2] += count
        return paths

    def done(self) -> Attribution:
        paths = self._paths()
        journeys = self.journeys + sum(self.unsold.paths.values())
        outside = self.outside + self.unsold.outside
        deals, value = (sum(sums[at] for sums in paths.values()) for at in (0, 1))
        credited = {}
        for model in self.models:
            if model == "decay":
                numbered = self.decay
            else:
                numbered = self._anchored(model) if model in _ANCHORED else _BY_PATH[model](paths)
            named = {self.names[number]: Credit(*sums) for number, sums in numbered.items() if sums[0] or sums[1]}
            credited[model] = dict(sorted(named.items(), key=lambda item: (-item[1].value, -item[1].deals, item[0])))
        whole, none = Credit(deals, value), Credit(*self.untouched)
        return Attribution(credited, whole, none, journeys, self.after_win, outside)


@lru_cache(maxsize=10_000)  # most journeys are as long as others, and reach their milestones at the same touches
def anchored(count: int, anchors: tuple[int, ...], each: float) -> Sequence[float]:
    """Shares of ``count`` touches: ``each`` for every anchor, the rest to those that are none, else to the anchors.

    A touch that is several anchors earns for each.
    """
    shares = [0.0] * count
    for position in anchors:
        shares[position] += each
    others = [position for position in range(count) if position not in anchors]
    if not others:
        whole = each * len(anchors)
        return [share / whole for share in shares]
    rest = (1 - each * len(anchors)) / len(others)
    for position in others:
        shares[position] = rest
    return shares


def _touch_at(touches: Sequence[tuple[int, str]], at: int) -> int:
    """The last touch at or before that time; the first where all came later."""
    return max(0, bisect_right(touches, at, key=_at) - 1)


def _at(touch: tuple[int, str]) -> int:
    return touch[0]


# -- models that look at whole paths -----------------------------------------------------------------------------------

Paths = Mapping[tuple[int, ...], Sequence[float]]
Sums = dict[int, list[float]]


def _each(share: Callable[[tuple[int, ...]], Iterator[tuple[int, float]]]) -> Callable[[Paths], Sums]:
    def credited(paths: Paths) -> Sums:
        found: Sums = defaultdict(lambda: [0.0, 0.0])
        for path, (deals, value, _) in paths.items():
            if deals:
                for number, part in share(path):
                    sums = found[number]
                    sums[0] += part * deals
                    sums[1] += part * value
        return found

    return credited


def _first(path: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    yield path[0], 1.0


def _last(path: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    yield path[-1], 1.0


def _linear(path: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    for number in path:
        yield number, 1 / len(path)


def _shapley(path: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """Where the worth of a set of channels is the deals of all sets within it, its Shapley value has this closed form:
    each deal in equal parts to the channels of its own set (Zhao, Mahboobi, Bagheri 2018, arXiv:1804.05327)."""
    for number in (channels := set(path)):
        yield number, 1 / len(channels)


def markov(paths: Paths) -> Sums:
    """Removal effects of an absorbing chain of first order, solved exactly (Anderl et al. 2016).

    A channel's credit is the conversion lost when every step into it ends the journey, over the sum of all such
    losses, times all deals (and all revenue).
    """
    steps: dict[int, Counter[int]] = defaultdict(Counter)
    for path, (deals, _, none) in paths.items():
        count = deals + none
        before = _START
        for number in path:
            steps[before][number] += count  # type: ignore[assignment]
            before = number
        if deals:
            steps[before][_WON] += deals  # type: ignore[assignment]
        if none:
            steps[before][_LOST] += none  # type: ignore[assignment]
    channels = sorted(steps.keys() - {_START})
    whole = _conversion(steps, channels, None)
    if not whole:
        return {}
    losses = {gone: 1 - _conversion(steps, channels, gone) / whole for gone in channels}
    all_of_it = sum(losses.values())
    deals, value = (sum(sums[at] for sums in paths.values()) for at in (0, 1))
    return {number: [loss / all_of_it * deals, loss / all_of_it * value] for number, loss in losses.items()}


def _conversion(steps: Mapping[int, Mapping[int, float]], channels: Sequence[int], gone: int | None) -> float:
    """The chance that a journey from the start ends in a deal, when whoever would step on ``gone`` is lost.

    Solves x = Q x + r for the channels that are left, by elimination: there are tens of them, not thousands.
    """
    left = [number for number in channels if number != gone]
    place = {number: row for row, number in enumerate(left)}
    rows = []
    for number in left:
        whole = sum(steps[number].values())
        row = [0.0] * (len(left) + 1)
        row[place[number]] = 1.0
        for to, count in steps[number].items():
            if to in place:
                row[place[to]] -= count / whole
            elif to == _WON:
                row[-1] += count / whole
        rows.append(row)
    chances = _solved(rows)
    begun = sum(steps[_START].values())
    return sum(count / begun * chances[place[to]] for to, count in steps[_START].items() if to in place)


def _solved(rows: list[list[float]]) -> list[float]:
    """Gauss with the largest pivot. None is singular: every journey ends, so from every channel an end is reached."""
    size = len(rows)
    for at in range(size):
        pivot = max(range(at, size), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        head = rows[at]
        for row in rows[at + 1 :]:
            if factor := row[at] / head[at]:
                for column in range(at, size + 1):
                    row[column] -= factor * head[column]
    found = [0.0] * size
    for at in reversed(range(size)):
        row = rows[at]
        found[at] = (row[-1] - sum(row[column] * found[column] for column in range(at + 1, size))) / row[at]
    return found


_BY_PATH: Mapping[str, Callable[[Paths], Sums]] = {
    "first": _each(_first),
    "last": _each(_last),
    "linear": _each(_linear),
    "shapley": _each(_shapley),
    "markov": markov,
}
