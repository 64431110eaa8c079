// Rumble, level and gains of a whole recording, as rumble.py, level.py and gains.py of separation/streaming do them
// block by block. `settings` are their constants.

// The input less what a low-pass filter leaves of it; the ends are mirrored.
function removeRumble(samples, rate, settings) {
  const reach = Math.max(1, Math.round(settings.SECONDS * rate / 2)), length = samples.length;
  const taps = lowPass(reach, 2 * settings.CUTOFF / rate), padded = new Float64Array(length + 2 * reach);
  for (let n = 0; n < padded.length; n++) {
    const place = (((n - reach) % (2 * length)) + 2 * length) % (2 * length);
    padded[n] = samples[place < length ? place : 2 * length - 1 - place];
  }
  const output = new Float32Array(length);
  for (let n = 0; n < length; n++) {
    const centre = n + reach;
    let low = taps[0] * padded[centre];
    for (let k = 1; k <= reach; k++) low += taps[k] * (padded[centre - k] + padded[centre + k]);
    output[n] = padded[centre] - low;
  }
  return output;
}

// The right half of a Hann-windowed sinc of 2 `reach` + 1 taps whose sum is 1, cutting off at `edge` of half the rate.
function lowPass(reach, edge) {
  const taps = Float64Array.from({length: reach + 1}, (_, k) => {
    const angle = Math.PI * edge * k;
    return (k ? Math.sin(angle) / angle : 1) * (0.5 + 0.5 * Math.cos(Math.PI * k / reach));
  });
  const sum = 2 * taps.reduce((a, b) => a + b, 0) - taps[0];
  return taps.map(tap => tap / sum);
}

// {levelled, gains}: the recording at the level of the training mixtures, and the gain of each sample.
function setLevel(samples, rate, settings) {
  const seconds = Math.ceil(samples.length / rate), levels = [];
  for (let second = 0; second < seconds; second++) {
    const part = samples.subarray(second * rate, (second + 1) * rate);
    levels.push(Math.sqrt(part.reduce((sum, x) => sum + x * x, 0) / part.length));
  }
  const around = second => Math.max(settings.SILENCE_RMS,
    ...levels.slice(Math.max(0, second - settings.REACH), second + settings.REACH));
  const levelled = new Float32Array(samples.length), gains = new Float32Array(samples.length);
  for (let second = 0; second < seconds; second++) {
    const begin = around(second), end = around(second + 1), first = second * rate;
    const size = Math.min(rate, samples.length - first);
    for (let n = 0; n < size; n++) {
      const gain = settings.TARGET_RMS / (begin * (end / begin) ** (n / size));
      levelled[first + n] = samples[first + n] * gain;
      gains[first + n] = gain;
    }
  }
  return {levelled, gains};
}

// Bring the talkers to their level in the recording, in place: gains that fit their sum to the mixture.
function fitTalkers(sources, levelled, gains, rate, settings) {
  const block = settings.BLOCK_SECONDS * rate, blocks = Math.ceil(levelled.length / block), fits = [];
  const gram = sources.map(() => sources.map(() => 0)), cross = sources.map(() => 0);
  for (let number = 0; number < blocks; number++) {
    const span = [number * block, Math.min(levelled.length, (number + 1) * block)];
    sources.forEach((source, k) => {
      cross[k] += product(source, levelled, ...span);
      sources.forEach((other, l) => gram[k][l] += product(source, other, ...span));
    });
    fits.push(solveGains(gram, cross));
  }
  for (let number = 0; number < blocks; number++) {
    const fit = at => fits[Math.min(blocks - 1, at + settings.LOOK_AHEAD)];
    const first = number * block, size = Math.min(block, levelled.length - first);
    sources.forEach((source, k) => {
      const end = fit(number)[k], begin = number ? fit(number - 1)[k] : end;
      for (let n = 0; n < size; n++)
        source[first + n] = Math.fround(source[first + n] * (begin + (end - begin) * n / size)) / gains[first + n];
    });
  }
}

function product(one, other, begin, end) {
  let sum = 0;
  for (let n = begin; n < end; n++) sum += one[n] * other[n];
  return sum;
}

// Gains with which the talkers' sum is nearest to the mixture, each of the sign its talker has in it, from the inner
// products: the best of all sets of talkers whose own least squares keeps the signs. There are at most 8 talkers.
function solveGains(gram, cross) {
  const heard = cross.map((_, k) => k).filter(k => gram[k][k] > 0);
  const scale = cross.map((value, k) => (value < 0 ? -1 : 1) * Math.sqrt(gram[k][k]));
  let best = cross.map(() => 0), least = 0;
  for (let set = 1; set < 1 << heard.length; set++) {
    const chosen = heard.filter((_, place) => set >> place & 1);
    const matrix = chosen.map(k => [...chosen.map(l => gram[k][l] / (scale[k] * scale[l]) + (k === l ? 1e-9 : 0)),
      cross[k] / scale[k]]);
    const found = solve(matrix.map(row => [...row]));
    if (found.some(gain => !(gain >= 0))) continue;
    const error = -found.reduce((sum, gain, place) => sum + gain * matrix[place][chosen.length], 0);
    if (error < least) {
      least = error;
      best = cross.map((_, k) => chosen.includes(k) ? found[chosen.indexOf(k)] / scale[k] : 0);
    }
  }
  return best;
}

// Gauss and Jordan, of rows that end with the right-hand side; the matrix is positive definite.
function solve(rows) {
  rows.forEach((row, k) => {
    const pivot = row[k];
    for (let n = 0; n < row.length; n++) row[n] /= pivot;
    rows.forEach((other, l) => {
      const factor = other[k];
      if (l !== k) for (let n = 0; n < row.length; n++) other[n] -= factor * row[n];
    });
  });
  return rows.map(row => row[row.length - 1]);
}
