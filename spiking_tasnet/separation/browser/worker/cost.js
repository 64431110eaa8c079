// Operations and energy of a recording, as snn/energy.py counts them: the ANN multiplies everywhere; in the SNN, layers
// that spikes drive add a weight for each spike and output (SynOps), and the others still multiply.

// Frames of a layer that read frame `frame` of the layer below, of `frames`.
function readers(frame, frames, taps, dilation, ahead) {
  let count = 0;
  for (let tap = 0; tap < taps; tap++) {
    const reader = frame - ahead + dilation * tap;
    count += reader >= 0 && reader < frames;
  }
  return count;
}

// `sizes` of the model by the names of ModelConfig; `counts`, for each spiking layer the spikes of its frames; `energy`
// the joules of an operation.
function countCost(sizes, counts, energy) {
  const frames = counts[0].length, {n_filters: filters, kernel_size: length, bn_chan: chan, hid_chan: hidden} = sizes;
  const taps = sizes.conv_kernel_size;
  const analog = frames * filters * (length + chan + sizes.n_src * (hidden + length));
  let driven = 0, synops = 0, updates = 0;
  const layers = counts.map((fired, layer) => {
    const dilation = 2 ** layer, ahead = sizes.causal ? 0 : dilation * (taps - 1) / 2, inputs = layer ? hidden : chan;
    let spikes = 0;
    for (let frame = 0; frame < frames; frame++) {
      const outputs = hidden * readers(frame, frames, taps, dilation, sizes.causal ? 0 : ahead);
      driven += inputs * outputs;
      synops += fired[frame] * outputs;
      spikes += fired[frame];
    }
    updates += inputs * frames * sizes.num_steps;
    return frames ? spikes / (inputs * frames) : 0;
  });
  return {
    annMacs: analog + driven, snnMacs: analog, synops, drivenMacs: driven, updates, spikesPerNeuron: layers,
    annJoule: (analog + driven) * energy.MAC_JOULE, snnJoule: analog * energy.MAC_JOULE + synops * energy.AC_JOULE,
  };
}
