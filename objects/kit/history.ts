import type { LogRow } from "../../schema/events.ts";
import type { LogVerdict } from "../../schema/rpc/actor.ts";
import type { Archive } from "./archive.ts";
import { segmentKey } from "./archive.ts";
import { bounded, type EventLog, MAX_READ, MAX_VERIFY } from "./event-log.ts";
import { type Fault, openSegment, type Segment } from "./segments.ts";

type Opened = { segment: Segment; rows: LogRow[]; failure: Fault | null };

/**
 * A whole log, the sealed part of it too, in the shape the log itself answers. What is not sealed is read at once; after every
 * wait it is asked anew where the log begins, for sealing may have gone on meanwhile.
 */
export class History {
  readonly #log: EventLog;
  readonly #archive: Archive | null;

  constructor(log: EventLog, archive: Archive | null) {
    this.#log = log;
    this.#archive = archive;
  }

  /** As `EventLog.read`. Ends before a sealed event that is not the one that was sealed. */
  async read(after: number, limit: number): Promise<LogRow[]> {
    const from = Math.max(0, Math.trunc(after));
    const most = bounded(limit, MAX_READ);
    const rows: LogRow[] = [];
    while (rows.length < most) {
      const at = from + rows.length;
      const opened = await this.#open(at + 1);
      if (opened === null) return [...rows, ...this.#log.read(at, most - rows.length)];
      const page = opened.rows.slice(at + 1 - opened.segment.from).slice(0, most - rows.length);
      if (page.length === 0) break;
      rows.push(...page);
    }
    return rows;
  }

  /** One event, or null where there is none. */
  async at(seq: number): Promise<LogRow | null> {
    const [row] = seq < 1 ? [] : await this.read(seq - 1, 1);
    return row ?? null;
  }

  /** As `EventLog.hashAt`, inside a sealed segment too. */
  async hashAt(seq: number): Promise<string | null> {
    return this.#log.hashAt(seq) ?? (await this.at(seq))?.hash ?? null;
  }

  /** As `EventLog.verify`; a call ends with the segment it began in. */
  async verify(after: number, prevHash: string, limit: number): Promise<LogVerdict> {
    const opened = await this.#open(after + 1);
    if (opened === null) return this.#log.verify(after, prevHash, limit);
    const { segment, rows, failure } = opened;
    const verdict = (upto: number, hash: string, fault: Fault | null): LogVerdict => ({
      stream: this.#log.stream,
      upto,
      hash,
      head: this.#log.head().seq,
      failure: fault,
    });
    const before = after + 1 === segment.from ? segment.hashBefore : rows[after - segment.from]?.hash;
    if (before === undefined) return verdict(after, prevHash, failure);
    if (before !== prevHash)
      return verdict(after, prevHash, { seq: after + 1, reason: "sealed: hash does not follow" });
    const page = rows.slice(after + 1 - segment.from).slice(0, bounded(limit, MAX_VERIFY));
    const last = page.at(-1);
    const upto = last?.seq ?? after;
    return verdict(upto, last?.hash ?? prevHash, failure?.seq === upto + 1 ? failure : null);
  }

  /** The sealed segment that holds an event, opened; null: it is not sealed. */
  async #open(seq: number): Promise<Opened | null> {
    const segment = this.#log.segments.holding(seq);
    if (segment === null) return null;
    if (this.#archive === null) throw new Error(`${this.#log.stream} is sealed up to ${segment.to} and has no archive`);
    const text = await this.#archive.get(segmentKey(this.#log.stream, segment.from, segment.to));
    return { segment, ...openSegment(segment, this.#log.stream, text) };
  }
}
