"""The exported file: a few lines of numpy get the network's own spikes from it; what breaks constraints is named."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spiking_tasnet.snn import Constraints, ConvertibleLayer, check_export, convert, export_network
from spiking_tasnet.snn.export import FORMAT, read_export

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def image_network():
    return nn.Sequential(
        ConvertibleLayer(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        nn.Dropout(0.2),
        nn.Sequential(
            ConvertibleLayer(nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), nn.BatchNorm2d(6))
        ),
        nn.Flatten(),
        ConvertibleLayer(nn.Linear(6 * 9, 12, bias=False)),
        ConvertibleLayer(nn.Linear(12, 5), readout=True, rectify=False),
        nn.Sigmoid(),
    )


def frame_network():
    return nn.Sequential(
        nn.Conv1d(2, 3, 1),
        ConvertibleLayer(nn.Conv1d(3, 6, 4, padding="same"), nn.BatchNorm1d(6)),
        ConvertibleLayer(nn.Conv1d(6, 5, 3, padding=4, dilation=4)),
        ConvertibleLayer(nn.Conv1d(5, 4, 2), readout=True),
    )


NETWORKS = {"images": (image_network, (3, 1, 6, 6)), "frames": (frame_network, (2, 2, 15))}


def converted(kind, **settings):
    torch.manual_seed(0)
    make, shape = NETWORKS[kind]
    dtype = torch.float32 if "constraints" in settings else torch.float64  # sums of floats depend on their order
    network, x = make().eval().to(dtype), torch.randn(shape, dtype=dtype)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.bias.data.uniform_(0, 0.5)
    with torch.no_grad():
        convert(network, lambda: network(x), num_steps=12, percentile=99, **settings)
    for module in network.modules():  # the neuron that set a threshold sits exactly at it: let no rounding decide
        if isinstance(module, ConvertibleLayer):
            module.threshold *= 0.987
    return network, x


def apply(fields, x):
    """W x without the bias, in loops over outputs and taps: x is (batch, chan, *spatial), or (batch, features)."""
    weight = fields["weight"].astype(np.float64)
    if fields["flatten"]:
        x = x.reshape(len(x), -1)
    if fields["kind"] == "Linear":
        return x @ weight.T
    x = np.pad(x, ((0, 0), (0, 0), *map(tuple, fields["padding"])))
    stride, dilation, taps = fields["stride"], fields["dilation"], weight.shape[2:]
    sizes = [(x.shape[2 + a] - dilation[a] * (taps[a] - 1) - 1) // stride[a] + 1 for a in range(len(taps))]
    out = np.zeros((len(x), len(weight), *sizes))
    per_group, of_group = weight.shape[1], len(weight) // int(fields["groups"])
    for chan in range(len(weight)):
        inputs = x[:, chan // of_group * per_group :][:, :per_group]
        for tap in np.ndindex(*taps):
            places = [slice(t * d, t * d + s * n, s) for t, d, s, n in zip(tap, dilation, stride, sizes, strict=True)]
            out[:, chan] += np.einsum("bi...,i->b...", inputs[(..., *places)], weight[(chan, slice(None), *tap)])
    return out


def along(values, x):
    """Values per channel, or one for all, beside x."""
    return np.reshape(values.astype(np.float64), (1, -1, *(1,) * (x.ndim - 2)))


def simulate(path, x):
    """Trains of every exported layer, and the readout, as the module's docstring says they come about."""
    trains, spikes, bits = [], None, 8
    for fields in read_export(path).values():
        steps, scale = int(fields["num_steps"]) if spikes is None else len(spikes), fields.get("scale", np.ones(1))
        if fields["role"] == "encoding":
            pre = apply(fields, x)
            activation = np.maximum(pre * along(scale, pre) + along(fields["bias"], pre), 0)
            threshold = along(fields["threshold"], pre)
            counts = np.floor(activation / threshold + fields["v_init"]).clip(0, steps)
            spikes = np.stack([counts > step for step in range(steps)]).astype(np.float64)
            v = threshold * fields["v_init"]
            for step in range(steps if fields["encoding"] == "spread" else 0):
                v = v + activation / steps
                spikes[step] = v >= threshold
                v = v - threshold * spikes[step]
        elif fields["role"] == "spiking":
            integer = fields["threshold"].dtype == np.int32
            threshold, train, v = None, [], None
            for step in spikes:
                if integer:
                    z = apply(fields, step) * 2**bits
                else:
                    z = apply(fields, step * along(fields["input_amplitude"], step))
                    z = z * along(scale, z)
                z = z + along(fields["current"], z)
                if v is None:
                    threshold = along(fields["threshold"], z)
                    v = threshold * fields["v_init"]
                    v = np.zeros_like(z) + (np.round(v) if integer else v)
                v = v + z
                if fields["firing"] == "immediate":
                    train.append(v >= threshold)
                    v = v - threshold * train[-1]
            for _ in range(0 if train else steps):
                train.append(v >= threshold)
                v = v - threshold * train[-1]
            spikes = np.stack(train).astype(np.float64)
        else:
            counts = spikes.sum(0)
            out = apply(fields, counts * along(fields["input_amplitude"], counts))
            out = out * along(scale, out) + along(fields["bias"], out)
            return trains, np.maximum(out, 0) if fields["rectify"] else out
        trains.append(spikes)
    return trains, None


SETTINGS = {
    "float": {},
    "float, thresholds per channel, rounding": {"channel_wise": True, "v_init": 0.5},
    "float, spread": {"encoding": "spread"},
    "float, phased": {"firing": "phased"},
    "8 bits, phased, rounding": {"constraints": Constraints(8), "firing": "phased", "v_init": 0.5},
    "4 bits": {"constraints": Constraints(4)},
    "8 bits, thresholds per channel": {"channel_wise": True, "constraints": Constraints(8)},
    "5 bits and thresholds per channel, fan-in 7": {"channel_wise": True, "constraints": Constraints(5, True, 7)},
    "5 bits per channel, fan-in 7, rounding": {"constraints": Constraints(5, True, 7), "v_init": 0.5},
}


CASES = [(kind, settings) for kind in NETWORKS for settings in SETTINGS]
CASES = [case for case in CASES if case[0] != "images" or "thresholds" not in case[1]]  # they do not survive flattening


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_the_arrays_fire_the_networks_own_spikes(kind, settings, tmp_path):
    network, x = converted(kind, **SETTINGS[settings])
    reports = export_network(network, tmp_path / "net.npz")
    layers = [module for module in network.modules() if isinstance(module, ConvertibleLayer)]
    own = []
    handles = [layer.register_forward_hook(lambda _, __, out: own.append(out)) for layer in layers]
    with torch.no_grad():
        network(x)
        front = network[0](x) if kind == "frames" else x
    for handle in handles:
        handle.remove()
    trains, readout = simulate(tmp_path / "net.npz", front.numpy().astype(np.float64))
    assert len(trains) == len(layers) - 1
    for train, spikes in zip(trains, own, strict=False):
        assert spikes.counts.sum() > 0
        assert np.array_equal(train.astype(bool), spikes.train.bool().numpy())
    np.testing.assert_allclose(readout, own[-1].numpy(), rtol=1e-4, atol=1e-4)
    outside = [report.name for report in reports if report.outcome == "analog"]
    assert outside == (["6"] if kind == "images" else ["0"])
    assert [report.outcome for report in reports].count("exported") == len(layers)


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_is_written_is_read(kind, tmp_path):
    network, _ = converted(kind, constraints=Constraints(4, fan_in=6))
    export_network(network, tmp_path / "net.npz")
    layers = {name: module for name, module in network.named_modules() if isinstance(module, ConvertibleLayer)}
    found = read_export(tmp_path / "net.npz")
    assert list(found) == list(layers)
    for name, fields in found.items():
        layer = layers[name]
        weight, bias = layer.effective_weights()
        assert (fields["role"], fields["kind"]) == (layer.role, type(layer.operator).__name__)
        assert fields["weight"].dtype == np.int8
        scaled = torch.from_numpy(fields["weight"] * fields["scale"].astype(np.float64))
        torch.testing.assert_close(scaled, weight.detach().double(), rtol=1e-6, atol=1e-7)
        expected = torch.zeros(len(weight)) if bias is None else bias.detach()
        assert torch.equal(torch.from_numpy(fields["bias"]), expected)
        if layer.role != "readout":
            assert (fields["num_steps"], fields["v_init"]) == (12, 0)
    check_export(tmp_path / "net.npz", Constraints(4, fan_in=6))
    check_export(tmp_path / "net.npz", Constraints(4, per_channel=True))  # one scale per layer is one per channel, too
    with pytest.raises(ValueError, match="scales of the weights found, 1 expected"):
        network, _ = converted(kind, constraints=Constraints(4, per_channel=True))
        export_network(network, tmp_path / "net.npz")
        check_export(tmp_path / "net.npz", Constraints(4, per_channel=True))
        check_export(tmp_path / "net.npz", Constraints(4))
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


def tampered(path, key, change):
    arrays = dict(np.load(path, allow_pickle=False))
    arrays[key] = change(arrays[key])
    np.savez(path, **arrays)


def test_a_layer_that_breaks_its_constraints_is_named(tmp_path):
    path, constraints = tmp_path / "net.npz", Constraints(4, fan_in=6)
    network, _ = converted("images", constraints=constraints)

    def more_inputs(weight):
        weight[0, :7] = 1
        return weight

    def larger(weight):
        weight.flat[0] = 8
        return weight

    for key, change, message in (
        ("1.weight", larger, "layer '2.0': weight 8 found, at most 7 expected in 4 bits"),
        (
            "2.weight",
            more_inputs,
            "layer '4': 7 inputs per neuron found, at most 6 expected|layer '4': .* inputs per neuron",
        ),
        (
            "0.bias",
            lambda bias: bias + 0.3 * np.abs(bias).max() / 7 * (np.arange(4) == np.abs(bias).argmin()),
            "layer '0': a bias between",
        ),
    ):
        export_network(network, path)
        check_export(path, constraints)
        tampered(path, key, change)
        with pytest.raises(ValueError, match=message):
            check_export(path, constraints)
    export_network(network, path)
    with pytest.raises(ValueError, match="layer '0': .*; layer '2.0': .*; layer '4': .*; layer '5': "):
        check_export(path, Constraints(fan_in=1))
    free, _ = converted("images")
    export_network(free, path)
    with pytest.raises(ValueError, match="layer '0': a weight between the levels of 8 bits found"):
        check_export(path, Constraints(8))


def test_what_the_file_cannot_carry_is_refused_and_nothing_written(tmp_path):
    path = tmp_path / "net.npz"
    network, x = converted("images")
    analog = image_network()
    with pytest.raises(ValueError, match="no converted layer found: convert the network first"):
        export_network(analog, path)
    with pytest.raises(ValueError, match="1: ReLU lies between spiking layers, which only spikes may pass"):
        export_network(nn.Sequential(network[0], nn.ReLU(), network[2]), path)
    with pytest.raises(ValueError, match="1: still analog between spiking layers: finish its conversion"):
        export_network(nn.Sequential(network[0], analog[2][0], network[4]), path)
    with pytest.raises(ValueError, match="0: spiking, but no encoding layer before it"):
        export_network(nn.Sequential(network[2][0], network[4]), path)
    with pytest.raises(ValueError, match="1: encoding, but behind other layers; 0: a readout, but not the last layer"):
        export_network(nn.Sequential(network[5], network[0]), path)
    with pytest.raises(ValueError, match="1: flattens dimensions 0 to -1, all but the first expected"):
        export_network(nn.Sequential(network[0], nn.Flatten(0), network[4]), path)
    for method in ("rate", "surrogate"):
        other = image_network()
        with torch.no_grad():
            convert(other, lambda: other(x.float()), method=method)  # noqa: B023
        with pytest.raises(ValueError, match=f"0: {method} found, .* convert the ANN by method 'tandem' or PTL; 2.0: "):
            export_network(other, path)

    network[2][0].settings = replace(network[2][0].settings, num_steps=9)
    with pytest.raises(ValueError, match=r"num_steps \[9, 12\] found, one for all layers expected"):
        export_network(network, path)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network

    with pytest.raises(ValueError, match="no nn.Sequential, so its order is unknown: export the nn.Sequential in it"):
        export_network(Model(), path)
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(FileNotFoundError, match="net.npz: no such file; export_network makes it"):
        check_export(path, Constraints())
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="net.npz: not a file of arrays"):
        check_export(path, Constraints())
    np.savez(path, format=np.array("another"))
    with pytest.raises(ValueError, match="another program or version"):
        check_export(path, Constraints())
    np.savez(path, format=np.array([object()], dtype=object), layers=np.array(FORMAT))  # pickles are not opened
    with pytest.raises(ValueError, match="not a file of arrays"):
        check_export(path, Constraints())


CHANGES = {
    "no {}": lambda values: None,
    "text": lambda values: np.array("text"),
    "more axes": lambda values: values[None],
    "one axis less": lambda values: (
        values.reshape(-1)[:0] if values.ndim == 0 else values.reshape(values.shape[0], -1)[:, 0:0]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_field_that_is_missing_or_of_another_kind_is_named(change, tmp_path):
    network, _ = converted("images", constraints=Constraints(4))
    export_network(network, tmp_path / "net.npz")
    whole = dict(np.load(tmp_path / "net.npz", allow_pickle=False))
    spoilt = tmp_path / "spoilt.npz"
    checked = 0
    for key in whole:
        if key in ("fraction_bits",) or (change == "no {}" and key.endswith(".scale")):
            continue
        arrays = dict(whole)
        value = CHANGES[change](arrays.pop(key))
        if value is not None:
            arrays[key] = value
        np.savez(spoilt, **arrays)
        with pytest.raises(ValueError) as found:
            check_export(spoilt, Constraints(4))
        told = str(found.value)
        assert told.startswith(f"{spoilt}: ") and told.endswith("; export the network again") and "\n" not in told
        number, _, field = key.partition(".")
        if field:
            assert field in told and f"layer {str(whole['layers'][int(number)])!r}" in told
        checked += 1
    assert checked > 40


def test_a_file_whose_numbers_are_none(tmp_path):
    network, _ = converted("frames")
    export_network(network, tmp_path / "net.npz")
    for key in ("0.weight", "1.bias", "1.threshold"):
        export_network(network, tmp_path / "net.npz")
        tampered(tmp_path / "net.npz", key, lambda values: np.full_like(values, np.nan))
        with pytest.raises(ValueError, match=f"{key[2:]} holds NaN or infinite values"):
            check_export(tmp_path / "net.npz", Constraints())
