/* Numbers as people read them, as in reports/units.c: three significant digits and a unit. */

function decimals(number) {
  return number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
}

export function grouped(number, digits) {
  return number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function timeScale(smallestNs) {
  const scales = [['ns', 1], ['us', 1e3], ['ms', 1e6], ['s', 1e9]];
  let i = 0;
  while (i + 1 < scales.length && smallestNs >= scales[i + 1][1]) i++;
  const [name, divisor] = scales[i];
  return { name: name === 'us' ? 'µs' : name, divisor, digits: decimals(smallestNs / divisor) };
}

export function timeText(ns) {
  const scale = timeScale(ns);
  return `${grouped(ns / scale.divisor, scale.digits)} ${scale.name}`;
}

export function ratioText(ratio) {
  return ratio.toFixed(ratio < 1.9995 ? 3 : decimals(ratio));
}

export function bytesText(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (bytes >= 1023.5 && i + 1 < units.length) {
    bytes /= 1024;
    i++;
  }
  return `${bytes.toFixed(i === 0 ? 0 : decimals(bytes))} ${units[i]}`;
}

/* The step of a byte axis: a power of two, so that its labels are round. */
export function bytesStep(most) {
  return 2 ** Math.max(0, Math.ceil(Math.log2(most / 4)));
}

export function median(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length === 0) return null;
  return (known[Math.floor((known.length - 1) / 2)] + known[Math.floor(known.length / 2)]) / 2;
}
