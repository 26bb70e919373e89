import type { Clock } from "../../schema/ids.ts";
import { toPlatformTime } from "./clock.ts";

export type Timer = { kind: string; key: string; dueAt: number };

/** At most this many timers run in one alarm. */
const BATCH = 100;
/**
 * Should a handler be killed, its timers come back after so long at the latest. A platform's alarm is delivered again when its handler did
 * not end, but not for ever: so a first delivery needs no alarm to stand ahead meanwhile, and any other has one set, a commit by itself.
 */
const DEAD_MAN_MS = 30_000;
/** Handlers running at once: one that waits for a slow callee must not hold up the rest of the alarm. */
const IN_FLIGHT = 5;

/**
 * Why timers are run. `alarm`: its first delivery, and the platform makes another should it not end. `again`: any later one, which may be
 * the last. `sweep`: somebody asked, and the alarm stands as it did.
 */
export type Occasion = "alarm" | "again" | "sweep";

type Handle = (timer: Timer) => Promise<void> | void;
type Report = (timer: Timer, error: unknown) => void;
type Row = { kind: string; key: string; due_at: number };

const nameOf = (kind: string, key: string): string => JSON.stringify([kind, key]);

/**
 * Many timers over the object's one alarm: rows, and the alarm set to the earliest, only when the earliest changes. When one is due is
 * asked in nearly every turn, so the rows are read once and known from then on.
 */
export class Timers {
  readonly #storage: DurableObjectStorage;
  readonly #clock: Clock;
  /** The alarm is known to stand at this time or before; null: nothing is known of it. */
  #armedFor: number | null = null;
  /** The alarm was delivered, and none has been set since. */
  #delivered = false;
  /** Handlers under way, by timer: an alarm and a sweep may overlap, and no timer runs twice at once. */
  readonly #running = new Map<string, Promise<void>>();
  /** When each timer is due, by its name, as the rows have it; null: they are to be read. */
  #known: Map<string, number> | null = null;

  constructor(storage: DurableObjectStorage, clock: Clock) {
    this.#storage = storage;
    this.#clock = clock;
  }

  /** Sets or moves a timer. Inside a transaction the row and the alarm commit or vanish together. */
  set(kind: string, key: string, dueAt: number): void {
    this.#storage.sql.exec(
      "INSERT INTO timers (kind, key, due_at) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET due_at = excluded.due_at",
      kind,
      key,
      dueAt,
    );
    this.#due.set(nameOf(kind, key), dueAt);
    // Where nothing is known of the alarm, an earlier timer may have set it: this one must not move it back.
    if (this.#armedFor === null) this.#arm(this.earliest() ?? dueAt);
    else if (dueAt < this.#armedFor) this.#arm(dueAt);
  }

  clear(kind: string, key: string): void {
    if (!this.#due.delete(nameOf(kind, key))) return;
    this.#storage.sql.exec("DELETE FROM timers WHERE kind = ? AND key = ?", kind, key);
  }

  dueAt(kind: string, key: string): number | null {
    return this.#due.get(nameOf(kind, key)) ?? null;
  }

  get #due(): Map<string, number> {
    this.#known ??= new Map(
      this.#storage.sql
        .exec<Row>("SELECT kind, key, due_at FROM timers")
        .toArray()
        .map((row) => [nameOf(row.kind, row.key), row.due_at]),
    );
    return this.#known;
  }

  /** The earliest due time, or null when nothing is set. */
  earliest(): number | null {
    const [row] = this.#storage.sql
      .exec<{ due_at: number | null }>("SELECT min(due_at) AS due_at FROM timers")
      .toArray();
    return row?.due_at ?? null;
  }

  /** After a savepoint was rolled back: an alarm set inside it is not standing, and the rows are as they were before. */
  forget(): void {
    this.#armedFor = null;
    this.#known = null;
  }

  /** On waking: sets the alarm should it not stand where the timers need it, for an alarm given up by the platform is gone. */
  async wake(): Promise<void> {
    const alarm = this.earliest() === null ? null : await this.#storage.getAlarm();
    if (this.#armedFor === null) this.#standBy(alarm);
  }

  /** Sets the alarm where the one that stands is none, or too late. */
  #standBy(alarm: number | null): void {
    const earliest = this.earliest();
    if (earliest === null) return;
    if (alarm !== null && alarm <= toPlatformTime(earliest)) this.#armedFor = earliest;
    else this.#arm(earliest);
  }

  /**
   * The body of an alarm handler: runs what is due in a bounded batch, never throws for a handler's fault, and leaves the alarm at
   * the earliest timer. A timer its handler neither moved nor cleared is put off, so that it cannot spin.
   */
  async run(handle: Handle, report: Report, occasion: Occasion = "again"): Promise<number> {
    const now = this.#clock.now();
    const due = this.#storage.sql
      .exec<Row>("SELECT kind, key, due_at FROM timers WHERE due_at <= ? ORDER BY due_at LIMIT ?", now, BATCH)
      .toArray();
    for (const row of due) this.#due.set(nameOf(row.kind, row.key), row.due_at);
    if (occasion === "sweep" && due.length === 0) {
      this.#standBy(await this.#storage.getAlarm());
      return 0;
    }
    if (occasion === "alarm") {
      this.#armedFor = now + DEAD_MAN_MS;
      this.#delivered = true;
    } else this.#arm(now + DEAD_MAN_MS);
    let ran = 0;
    const runner = async (): Promise<void> => {
      for (let row = due.shift(); row !== undefined; row = due.shift()) {
        const timer = { kind: row.kind, key: row.key, dueAt: row.due_at };
        const name = nameOf(timer.kind, timer.key);
        const underway = this.#running.get(name);
        if (underway !== undefined) {
          await underway;
          continue;
        }
        // Cleared or moved while others ran.
        if (this.dueAt(timer.kind, timer.key) !== timer.dueAt) continue;
        ran++;
        const running = this.#runOne(timer, handle, report);
        this.#running.set(name, running);
        await running.finally(() => this.#running.delete(name));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, runner));
    this.rearm();
    return ran;
  }

  async #runOne(timer: Timer, handle: Handle, report: Report): Promise<void> {
    try {
      await handle(timer);
    } catch (error) {
      report(timer, error);
    }
    this.#putOff(timer);
  }

  /** Sets the alarm to the earliest timer, whatever was believed armed. */
  rearm(): void {
    const earliest = this.earliest();
    this.#armedFor = null;
    if (earliest !== null) this.#arm(earliest);
    else if (!this.#delivered) void this.#storage.deleteAlarm();
  }

  #putOff({ kind, key, dueAt }: Timer): void {
    if (this.dueAt(kind, key) !== dueAt) return;
    const later = this.#clock.now() + DEAD_MAN_MS;
    this.#storage.sql.exec("UPDATE timers SET due_at = ? WHERE kind = ? AND key = ?", later, kind, key);
    this.#due.set(nameOf(kind, key), later);
  }

  #arm(dueAt: number): void {
    this.#armedFor = dueAt;
    this.#delivered = false;
    // A past-due alarm fires at once; asking for one in the past is not relied on.
    void this.#storage.setAlarm(Math.max(toPlatformTime(dueAt), Date.now() + 1));
  }
}
