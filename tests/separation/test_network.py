"""The separation network: the paper's sizes, lengths, model files."""

import pytest
import torch

from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.frames import FrameNorm
from spiking_tasnet.separation.network import TasNet, load_model, save_model
from spiking_tasnet.snn import convert, convertible_layers, record_cost

SMALL = ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=8, stride=4, n_blocks=3)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TasNet(SMALL).eval()


def test_full_size_has_the_papers_parameters_and_macs():
    network = TasNet(ModelConfig()).eval()
    parameters = sum(p.numel() for p in network.separator.parameters() if p.dim() > 1)
    assert parameters == 512 * 512 + 10 * 512 * 512 * 3
    # 8.68 M parameters, 6.95 GMAC a second of audio (the encoder and decoder add a little)
    total = sum(p.numel() for p in network.parameters())
    assert total == pytest.approx(8.68e6, rel=0.01)
    with record_cost(network) as cost, torch.no_grad():
        network(torch.zeros(1, 2000))
    frames = 1 + (2000 - 20) // 10
    for block in range(10):
        dilation, layer = 2**block, cost[f"separator.{block + 1}"]
        taps = frames + 2 * max(0, frames - dilation)  # taps in the padding cost nothing
        assert layer.macs == 512 * 512 * taps
    assert [layer.operator.dilation[0] for layer in list(network.separator)[1:]] == [2**i for i in range(10)]
    # Padded taps counted too, it is 7.86 M + 0.26 M + 0.52 M multiplications per frame, 800 frames per second
    dense = 800 * (parameters + 512 * 1024 + 20 * 512 * 3)
    assert dense == pytest.approx(6.95e9, rel=0.005)


@pytest.mark.parametrize("time", [8, 9, 11, 12, 401])
def test_every_length_is_kept(network, time):
    assert network(torch.randn(2, time)).shape == (2, 2, time)


def test_too_short_is_told(network):
    with pytest.raises(ValueError, match="7 samples found, at least 8 expected"):
        network(torch.randn(1, 7))


def test_frame_norm_is_zero_mean_unit_variance_a_frame():
    norm = FrameNorm(64)
    x = norm(torch.randn(2, 64, 5) * 7 + 3)
    torch.testing.assert_close(x.mean(1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.var(1, correction=0), torch.ones(2, 5), atol=1e-4, rtol=0)
    norm.gain.data.fill_(2.0)
    norm.bias.data.fill_(1.0)
    torch.testing.assert_close(norm(torch.randn(2, 64, 5)).mean(1), torch.ones(2, 5), atol=1e-5, rtol=0)


def test_receptive_field_bounds_what_an_output_depends_on(network):
    mixture = torch.randn(1, 601, requires_grad=True)
    network.double()
    mixture = mixture.double().detach().requires_grad_()
    network(mixture)[0, 0, 300].backward()
    reached = mixture.grad[0].nonzero().flatten()
    assert reached.max() - reached.min() + 1 <= network.receptive_field
    assert reached.max() - reached.min() + 1 > network.receptive_field // 2


def converted(network):
    x = torch.randn(4, 800, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        convert(network, lambda: network(x), num_steps=32)
    return network


def test_the_separator_converts_and_comes_back_from_its_file(network, tmp_path):
    x = torch.randn(1, 500)
    with torch.no_grad():
        analog = network(x)
        converted(network)
        roles = [layer.role for layer in convertible_layers(network).values()]
        assert roles == ["encoding", "spiking", "spiking", "readout"]
        assert network.is_spiking
        spiking = network(x)
        save_model(tmp_path / "model.pt", network, note="text")
        again = load_model(tmp_path / "model.pt")
        assert again.is_spiking and again.config == SMALL
        assert torch.equal(again(x), spiking)
    assert 0 < (spiking - analog).norm() / analog.norm() < 0.5


def test_foreign_files_are_refused(tmp_path, network):
    with pytest.raises(FileNotFoundError, match="no such model"):
        load_model(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ValueError, match="not a model file"):
        load_model(tmp_path / "text.pt")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="checkpoint of another program"):
        load_model(tmp_path / "other.pt")
    save_model(tmp_path / "model.pt", network)
    contents = torch.load(tmp_path / "model.pt", weights_only=True)
    contents["model"]["n_blocks"] = 4
    torch.save(contents, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="checkpoint of another network"):
        load_model(tmp_path / "model.pt")
