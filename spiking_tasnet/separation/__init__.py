"""Speech separation with a spiking separator: mixtures, network, training, scores, report."""
