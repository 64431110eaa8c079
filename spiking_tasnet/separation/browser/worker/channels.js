// Which channel of a recording to separate: separation/audio/channels.py says why; this takes a whole recording at once.

// {signal, reason} of channels that are Float32Arrays; `settings` are the constants of channels.py.
function pickChannel(channels, rate, settings) {
  const all = channels.map((_, channel) => channel);
  if (channels.length === 1) return {signal: channels[0], reason: ""};
  const measured = measure(channels, rate, settings);
  if (!measured.power.some(power => power > 0)) return {signal: meanOf(channels, all), reason: ""};
  const {strongest, live} = measured, number = strongest + 1, total = channels.length;
  if (live.length === 1)
    return {signal: channels[strongest], reason: `Only channel ${number} of ${total} carries sound; it is used.`};
  if (isOneSound(measured, settings)) {
    const reason = `The ${total} channels hold the same sound at another time or sign and their mean would lose some ` +
      `of it; channel ${number}, the strongest, is used.`;
    return {signal: channels[strongest], reason};
  }
  const left = all.filter(channel => !live.includes(channel)).map(channel => channel + 1).join(", ");
  const reason = left && `Channels without sound are left out of the mean: ${left} of ${total}.`;
  return {signal: meanOf(channels, live), reason};
}

function meanOf(channels, chosen) {
  const mean = new Float32Array(channels[0].length);
  for (const channel of chosen)
    for (let n = 0; n < mean.length; n++) mean[n] += channels[channel][n] / chosen.length;
  return mean;
}

// Power of each channel and of their sum, and of each channel by frames, of the differentiated signal.
function measure(channels, rate, settings) {
  const factor = Math.max(1, Math.floor(rate / settings.LOW_RATE));
  const frame = Math.max(1, Math.round(settings.FRAME_SECONDS * rate / factor));
  const count = Math.floor(channels[0].length / factor), nFrames = Math.ceil(count / frame);
  const sum = new Float64Array(count);
  const frames = channels.map(samples => {
    const powers = new Float64Array(nFrames);
    let last = 0;
    for (let n = 0; n < count; n++) {
      let slow = 0;
      for (let part = 0; part < factor; part++) slow += samples[n * factor + part];
      const slope = n ? slow - last : 0;
      last = slow;
      sum[n] += slope;
      powers[Math.floor(n / frame)] += slope * slope;
    }
    return powers;
  });
  const total = values => values.reduce((a, b) => a + b, 0);
  const power = frames.map(total);
  const strongest = power.findIndex(one => one >= 0.99 * Math.max(...power));
  const loudest = frames.map(powers => {
    let most = 0;
    for (let n = 0; n < nFrames; n += settings.FRAMES_A_WINDOW)
      most = Math.max(most, total(powers.subarray(n, n + settings.FRAMES_A_WINDOW)));
    return most;
  });
  const live = power.map((_, channel) => channel).filter(channel => loudest[channel] > 0 &&
    loudest[channel] >= settings.IDLE * loudest[strongest]);
  return {frames, power, strongest, live, powerOfSum: total(sum.map(slope => slope * slope))};
}

function isOneSound({frames, power, strongest, live, powerOfSum}, settings) {
  const total = values => values.reduce((a, b) => a + b, 0);
  const most = total(live.map(channel => Math.sqrt(power[channel]))) ** 2 - total(live.map(channel => power[channel]));
  const correlation = most > 0 ? (powerOfSum - total(power)) / most : 1;
  if (correlation >= settings.LITTLE_LOST) return false;
  if (correlation < settings.CANCELLED) return true;
  const together = Math.min(...live.filter(channel => channel !== strongest)
    .map(channel => alike(frames[channel], frames[strongest], settings.FEWEST_FRAMES)));
  const missing = Math.max(...live.map(channel => lacking(frames[channel], frames[strongest], settings.MISSING)));
  return together > settings.TOGETHER && missing < settings.MOST_MISSING;
}

// Correlation of the amplitudes of two channels over frames.
function alike(one, other, fewest) {
  if (one.length < fewest) return 0;
  const [a, b] = [one, other].map(powers => {
    const levels = powers.map(Math.sqrt), mean = levels.reduce((x, y) => x + y, 0) / levels.length;
    return levels.map(level => level - mean);
  });
  const product = (x, y) => x.reduce((sum, value, n) => sum + value * y[n], 0);
  const norms = Math.sqrt(product(a, a) * product(b, b));
  return product(a, b) / (norms || 1);
}

// Share of a channel's energy in frames that the strongest lacks.
function lacking(one, strongest, limit) {
  const [total, of] = [one, strongest].map(powers => powers.reduce((x, y) => x + y, 0) || 1);
  return one.reduce((sum, power, n) => sum + (strongest[n] / of < limit * power / total ? power / total : 0), 0);
}
