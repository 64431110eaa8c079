// Change of the sample rate by a windowed sinc, exact in time. Browsers resample too, but with filters that are short
// and let through what lies above half the model's rate.

const CROSSINGS = 64;  // zero crossings of the sinc on either side
const EDGE = 0.94;     // of half the lower rate, where the filter is at half
const KAISER = 12;     // -118 dB from half the lower rate on

function besselI0(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-16 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

// `length` samples (Float32Array) at `target` Hz from samples at `rate` Hz, both integers; outside there is silence.
function resample(samples, rate, target, length) {
  if (rate === target) return samples.slice(0, length);
  const greatest = (a, b) => b ? greatest(b, a % b) : a, common = greatest(rate, target);
  const up = target / common, down = rate / common;  // output m lies at input m * down / up
  const scale = Math.min(1, target / rate), reach = Math.ceil(CROSSINGS / scale), norm = besselI0(KAISER);
  const kernel = time => {
    const x = time * scale / CROSSINGS, angle = Math.PI * EDGE * scale * time;
    if (Math.abs(x) >= 1) return 0;
    return EDGE * scale * (angle ? Math.sin(angle) / angle : 1) * besselI0(KAISER * Math.sqrt(1 - x * x)) / norm;
  };
  const phases = new Map(), output = new Float32Array(length);
  for (let m = 0; m < length; m++) {
    const place = Math.floor(m * down / up), phase = m * down - place * up;
    let taps = phases.get(phase);
    if (!taps) {
      taps = Float32Array.from({length: 2 * reach}, (_, n) => kernel(phase / up + reach - 1 - n));
      phases.set(phase, taps);
    }
    const first = place - reach + 1, end = Math.min(2 * reach, samples.length - first);
    let sum = 0;
    for (let n = Math.max(0, -first); n < end; n++) sum += taps[n] * samples[first + n];
    output[m] = sum;
  }
  return output;
}
