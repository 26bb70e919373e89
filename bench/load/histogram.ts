/** Latencies in microseconds: exact below this, then with three significant digits, as HdrHistogram keeps them. */
const SUB_BUCKETS = 2_048;
const HALF = SUB_BUCKETS / 2;
/** Doublings above the first bucket: up to 2,048 × 2²⁰ µs, half an hour. */
const DOUBLINGS = 20;

export type Latencies = {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  mean: number;
};

/** A histogram with a fixed error of one in a thousand whatever the range, in some 90 kB however many values it is given. */
export class Histogram {
  readonly #counts = new Float64Array(SUB_BUCKETS + DOUBLINGS * HALF);
  #count = 0;
  #max = 0;
  #sum = 0;

  get count(): number {
    return this.#count;
  }

  /** Milliseconds, zero or more; what lies past the range counts as its end. */
  record(ms: number): void {
    const value = Math.max(0, Math.round(ms * 1_000));
    const index = Math.min(this.#counts.length - 1, indexOf(value));
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    this.#sum += value;
    this.#max = Math.max(this.#max, value);
  }

  /** The value that this share (0–1) of the values does not exceed, milliseconds; 0 when there are none. */
  at(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let index = 0; index < this.#counts.length; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= wanted) return Math.min(highestAt(index), this.#max) / 1_000;
    }
    return this.#max / 1_000;
  }

  summary(): Latencies {
    return {
      count: this.#count,
      p50: this.at(0.5),
      p90: this.at(0.9),
      p99: this.at(0.99),
      p999: this.at(0.999),
      max: this.#max / 1_000,
      mean: this.#count === 0 ? 0 : this.#sum / this.#count / 1_000,
    };
  }
}

/** How often a value is halved until it fits the first bucket. */
const halvings = (value: number): number => Math.max(0, Math.floor(Math.log2(value / HALF)));

const indexOf = (value: number): number => {
  if (value < SUB_BUCKETS) return value;
  const shift = halvings(value);
  return SUB_BUCKETS + (shift - 1) * HALF + (Math.floor(value / 2 ** shift) - HALF);
};

const highestAt = (index: number): number => {
  if (index < SUB_BUCKETS) return index;
  const shift = Math.floor((index - SUB_BUCKETS) / HALF) + 1;
  const within = ((index - SUB_BUCKETS) % HALF) + HALF;
  return (within + 1) * 2 ** shift - 1;
};
