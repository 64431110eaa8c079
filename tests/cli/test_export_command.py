from tiny_separator import tiny_network, write_tiny_experiment

from spiking_tasnet.cli.main import main
from spiking_tasnet.runtime.stn import pack_separator


def test_export_writes_the_spiking_network(tmp_path, capsys):
    write_tiny_experiment(tmp_path / "exp")
    assert main(["export", str(tmp_path / "exp"), "-o", str(tmp_path / "sep.stn")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/sep.stn: 0.01 MB, 8000 Hz, 2 talkers, N_s = 8\n"
    assert (tmp_path / "sep.stn").read_bytes() == pack_separator(tiny_network(spiking=True))


def test_an_analog_network_is_refused_in_one_line(tmp_path, capsys):
    write_tiny_experiment(tmp_path / "exp")
    assert main(["export", str(tmp_path / "exp" / "ann"), "-o", str(tmp_path / "sep.stn")]) == 1
    assert "an analog network found" in capsys.readouterr().err and not (tmp_path / "sep.stn").exists()
