// @ts-check
/**
 * Positions for an order by hand: keys between two others, by the rule of adapters/tasksvc_client/positions.py.
 *
 * Keys are read as fractions in base 62 and compared by code point. Between two keys the new one is drawn from the
 * middle half of the gap, and at an end it's one random step away from its neighbour.
 */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE = 62n;
const LONGEST = 100;
const SHORTEST = 5;
const CHOICES = BASE ** 3n;

/** No position of at most 100 characters is between the two. */
export class NoRoom extends Error {}

/**
 * A position after `a` and before `b`; null stands for before all, and for after all.
 *
 * @param {string | null} a @param {string | null} b @returns {string}
 * @throws {RangeError | NoRoom} the first one if one isn't a position, or `a` isn't before `b`
 */
export function between(a, b) {
  for (const position of [a, b]) {
    if (position !== null && !/^[0-9A-Za-z]{1,100}$/.test(position)) throw new RangeError(`Not a position: ${position}`);
  }
  if (a !== null && b !== null && a >= b) throw new RangeError(`${a} isn't before ${b}.`);
  let low = 0n;
  let high = 0n;
  for (let length = firstLength(a, b); length <= LONGEST; length++) {
    [low, high] = gap(a, b, length);
    if (high - low > CHOICES) return key(drawn(low, high, a, b), length);
  }
  if (high - low < 2n) throw new NoRoom(`Nothing fits between ${a} and ${b}.`);
  return key(drawn(low, high, a, b), LONGEST);
}

/** @param {string | null} a @param {string | null} b */
function firstLength(a, b) {
  if (a !== null && b !== null) return 1;
  const [neighbour, end] = b === null ? [a, "z"] : [b, "0"];
  let run = 0;
  while (neighbour !== null && neighbour[run] === end) run++;
  return Math.min(SHORTEST + 2 * run, LONGEST);
}

/** @param {string | null} a @param {string | null} b @param {number} length @returns {[bigint, bigint]} */
function gap(a, b, length) {
  const low = a === null ? 0n : number(a, length);
  const high = b === null ? BASE ** BigInt(length) : number(b, length);
  return [low, b !== null && b.length > length ? high + 1n : high];
}

/** @param {bigint} low @param {bigint} high @param {string | null} a @param {string | null} b */
function drawn(low, high, a, b) {
  const room = high - low - 1n;
  if ((a === null) === (b === null)) {
    const margin = room / 4n;
    return random(low + 1n + margin, high - 1n - margin);
  }
  const step = random(1n, room < CHOICES ? room : CHOICES);
  return a === null ? high - step : low + step;
}

/** @param {bigint} least @param {bigint} most */
function random(least, most) {
  const size = most - least + 1n;
  let drawn = 0n;
  for (let bits = 1n; bits < size << 32n; bits <<= 32n) drawn = (drawn << 32n) | BigInt(crypto.getRandomValues(new Uint32Array(1))[0]);
  return least + (drawn % size);
}

/** @param {string} text @param {number} length */
function number(text, length) {
  let value = 0n;
  for (const digit of text.slice(0, length).padEnd(length, "0")) value = value * BASE + BigInt(DIGITS.indexOf(digit));
  return value;
}

/** @param {bigint} value @param {number} length */
function key(value, length) {
  let text = "";
  for (let rest = value, count = 0; count < length; count++, rest /= BASE) text = DIGITS[Number(rest % BASE)] + text;
  return text.replace(/0+$/, "");
}
