"""Plain torch networks made of convertible layers, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn
from torch.nn.modules import pooling

from spiking_tasnet.snn.chains import Link, Run, is_sequence, links_of, run_at
from spiking_tasnet.snn.compose import TRANSPARENT, LayerReport, convertible_layers, evaluating
from spiking_tasnet.snn.fold import BATCH_NORMS
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.operators import OPERATORS, check_operator
from spiking_tasnet.snn.rehearsal import rehearsed

POOLS = (
    *(pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd),
    *(pooling._LPPoolNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d),
)
UNSURE = "it may lie between spiking layers; pass run=lambda: network(batch) to make_convertible, which then sees"


def make_convertible(
    network: nn.Module, *, strict: bool = True, run: Callable[[], object] | None = None
) -> list[LayerReport]:
    """Compose, in place, each (operator, optional batch norm, ReLU) run of every `nn.Sequential` into one layer.

    What a module is judged by is its type and its place. Only spikes may pass between the first and the last layer
    that spikes; what lies before or behind them (pooling, another activation, a decoder) stays analog.

    Args:
        network: any network; modules called outside an `nn.Sequential` are left as they are and reported.
        strict: raise where a layer is refused; otherwise it is left analog and reported.
        run: runs the network on a batch, e.g. ``lambda: network(batch)``. Where a forward of your own calls several
            parts, only a run can tell what lies between two layers.

    Returns:
        One report for each module that computes; ``converted`` here means ready to be converted.

    Raises:
        ValueError: strict, and some layers were refused; the message lists them with the reason, and the network is
            as it was.
    """
    plan = _Plan(judged_by_run=run is not None)
    plan.take(network)
    plan.judge()
    _refuse(plan.reports, strict)
    undo = plan.carry_out()
    seen = {report.name for report in plan.reports} | set(convertible_layers(network))
    reports = [*plan.reports, *_others(network, seen)]
    if run is not None and convertible_layers(network):
        try:
            with evaluating(network), rehearsed(network) as rehearsal:
                run()
            if strict:
                rehearsal.check()
        except BaseException:
            undo()
            raise
    return reports


def _refuse(reports: list[LayerReport], strict: bool) -> None:
    refused = [report for report in reports if report.outcome == "refused"]
    if strict and refused:
        raise ValueError("cannot convert: " + "; ".join(f"{report.name}: {report.detail}" for report in refused))


def _others(network: nn.Module, seen: set[str]) -> list[LayerReport]:
    """Operators that no `nn.Sequential` holds."""
    inside = {id(module) for layer in convertible_layers(network).values() for module in layer.modules()}
    return [
        LayerReport(name, "analog", "not followed by ReLU in an nn.Sequential")
        for name, module in network.named_modules()
        if isinstance(module, OPERATORS) and name not in seen and id(module) not in inside
    ]


@dataclass
class _Place:
    """One link of a chain in the plan.

    Attributes:
        link: the module where it stands.
        run: what it begins, if that can spike.
        chain: number of its chain; 0 for the network itself.
        after: the module behind it, its batch norm aside.
        holds: whether it is a module with a forward of its own that has spiking layers inside.
    """

    link: Link
    run: Run | None
    chain: int
    after: nn.Module | None
    holds: bool = False

    @property
    def spikes(self) -> bool:
        return self.run is not None or isinstance(self.link.module, ConvertibleLayer)


@dataclass
class _Plan:
    """What `make_convertible` is going to do; nothing is written before `carry_out`."""

    judged_by_run: bool
    reports: list[LayerReport] = field(default_factory=list)
    places: list[_Place] = field(default_factory=list)  # in the order in which the network registers them
    runs: list[Run] = field(default_factory=list)
    n_chains: int = 1

    def take(self, module: nn.Module, name: str = "") -> None:
        """Take up the chains of a module."""
        if not is_sequence(module):
            for key, child in module.named_children():
                self.take(child, f"{name}.{key}" if name else key)
            return
        chain = self.n_chains if name else 0
        self.n_chains += 1
        links, place = list(links_of(module, name)), 0
        while place < len(links):
            run, link = run_at(links, place), links[place]
            size = 1 if run is None else 2 + (run.norm is not None)
            if run is None and isinstance(link.module, OPERATORS) and place + 1 < len(links):
                size += isinstance(links[place + 1].module, BATCH_NORMS)
            after = links[place + size].module if place + size < len(links) else None
            self.places.append(found := _Place(link, run, chain, after))
            known = len(self.places)
            if not isinstance(link.module, ConvertibleLayer):
                self.take(link.module, link.name)
            found.holds = any(inner.spikes for inner in self.places[known:])
            place += size

    def judge(self) -> None:
        """Decide on every place: a run becomes a layer, something else stays analog or is refused."""
        known: set[tuple[int, str]] = set()
        for index, place in enumerate(self.places):
            link, run = place.link, place.run
            if (id(link.container), link.key) in known:  # of a sequence that stands in two places
                continue
            known.add((id(link.container), link.key))
            if run is None:
                self._judge_other(index, place)
            elif fault := self._fault(run):
                self.reports.append(LayerReport(link.name, "refused", fault))
            else:
                kind = type(link.module).__name__
                self.runs.append(run)
                self.reports.append(LayerReport(link.name, "converted", f"{kind} + ReLU, ready to spike"))
                if run.norm is not None:
                    self.reports.append(LayerReport(run.norm.name, "folded", f"into {link.name} when it is converted"))

    def _fault(self, run: Run) -> str:
        """Why a run cannot become a layer, or an empty string."""
        operator = run.operator.module
        for place in self.places:
            other = place.link
            here = (other.container, other.key) == (run.operator.container, run.operator.key)
            if other.module is operator and not here and (run.norm or (place.run and place.run.norm)):
                return (
                    f"one module with {other.name}, and a batch norm folded into it would change both: give each a "
                    "copy of its own (copy.deepcopy)"
                )
        try:
            check_operator(operator)
        except ValueError as error:
            return str(error)
        return ""

    def _judge_other(self, index: int, place: _Place) -> None:
        """Report on a module that does not spike, by its type and place."""
        name, reason = place.link.name, _reason(place)
        if not reason:
            return
        chain = [other for other in self.places if other.chain == place.chain]
        here = chain.index(place)
        before, behind = (any(p.spikes or p.holds for p in part) for part in (chain[:here], chain[here:]))
        # Elsewhere in a network with a forward of its own: the order of registration is a guess.
        earlier, later = (any(p.spikes for p in part) for part in (self.places[:index], self.places[index:]))
        operator = isinstance(place.link.module, OPERATORS)
        if behind and not before and operator:  # it would be the first layer, were it not for what follows it
            self.reports.append(LayerReport(name, "refused", f"{reason} (strict=False leaves it analog)"))
        elif (before and behind) or (place.chain == 0 and not (before or behind)):
            self.reports.append(LayerReport(name, "refused", reason))
        elif earlier and later and not self.judged_by_run and not operator:
            self.reports.append(LayerReport(name, "refused", f"{reason}; {UNSURE}"))
        else:
            self.reports.append(LayerReport(name, "analog", _analog(place, before, behind)))

    def carry_out(self) -> Callable[[], None]:
        """Put the layers in their places; returns what takes them out again."""
        containers = dict.fromkeys(run.operator.container for run in self.runs)
        saved = [(container._modules, dict(container._modules)) for container in containers]
        biases = [(run.operator.module, run.operator.module._parameters.get("bias")) for run in self.runs]

        def undo() -> None:
            for modules, before in saved:
                modules.clear()
                modules.update(before)
            for operator, bias in biases:
                if bias is None and "bias" in operator._parameters:
                    operator._parameters["bias"] = None

        for run in self.runs:
            norm = None if run.norm is None else run.norm.module
            modules = run.operator.container._modules
            modules[run.operator.key] = ConvertibleLayer(run.operator.module, norm)
            for link in (run.norm, run.relu):
                if link is not None:
                    del modules[link.key]
        return undo


def _reason(place: _Place) -> str:
    """Why spikes cannot cross the module at a place, or an empty string where they can, or where nobody knows."""
    module, after = place.link.module, place.after
    kind = type(module).__name__
    if isinstance(module, (ConvertibleLayer, nn.Sequential, nn.ReLU, *TRANSPARENT)):  # a ReLU changes no count
        return ""
    if isinstance(module, OPERATORS):
        if after is None:
            return f"{kind} without a ReLU behind it: spike counts are >= 0"
        if isinstance(after, nn.ReLU):
            return f"{kind} and the ReLU behind it are in two nn.Sequential: put them in one"
        return f"followed by {type(after).__name__}, ReLU expected: spike counts are >= 0"
    if isinstance(module, POOLS):
        return f"{kind} reads counts, not spikes: use a strided convolution"
    if isinstance(module, nn.modules.conv._ConvNd):
        return f"{kind} is not an operator that spikes can drive: use Linear, Conv1d or Conv2d"
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return f"{kind} is behind no operator that it could be folded into: put it between operator and ReLU"
    if type(module).__module__.startswith("torch.nn.modules.activation"):
        return f"{kind} is not ReLU: spike counts are >= 0 and linear in between"
    if type(module).__module__.startswith("torch."):
        return f"{kind} computes with values, and only spikes pass between spiking layers"
    return ""  # a module of the user's: it may hold layers of its own, or only reshape


def _analog(place: _Place, before: bool, behind: bool) -> str:
    """What a module that stays analog does where it stands; whether layers spike before and behind it."""
    kind, after = type(place.link.module).__name__, place.after
    if behind and not before:
        return f"{kind} before the first spiking layer"
    if isinstance(place.link.module, OPERATORS) and after is None:
        return "last layer: reads the free aggregate membrane potential (Eq. 9)"
    if isinstance(place.link.module, OPERATORS):
        return f"followed by {type(after).__name__}: an analog head"
    return f"{kind} behind the last spiking layer: reads theta x count"
