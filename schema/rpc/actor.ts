import type { LogRow } from "../events.ts";
import type { Rejection } from "../rejections.ts";

/** What every actor answers, whatever it keeps. */
export type ActorRpc = {
  /** Events with seq > after, oldest first, at most 500. */
  eventsSince(after: number, limit: number): Promise<LogRow[]>;
  /** The newest seq and its hash. */
  head(): Promise<LogHead>;
  /** Recomputes the chain over (after, after + limit], of what is sealed one segment at most; the caller carries `hash` on. */
  verifyLog(after: number, prevHash: string, limit: number): Promise<LogVerdict>;
  /** Runs every timer that is due now; answers how many ran. The cron sweep and the test clock call it. */
  runDueTimers(): Promise<number>;
};

export type LogHead = { stream: string; seq: number; hash: string; sent_upto: number };

export type LogVerdict = {
  stream: string;
  /** The last seq that was checked and found good. */
  upto: number;
  hash: string;
  head: number;
  failure: { seq: number; reason: string } | null;
};

/** How an edge command names its idempotency record; null key: the caller sent none. */
export type CommandKey = { subject: string; command: string; key: string | null; request: string };

/** An answer that may have been given before. */
export type Answered<T> = { replayed: boolean; value: T };

/**
 * What a command under a key comes to. `request_id`: of the call that was refused first, so that a replayed problem is byte for byte
 * that one.
 */
export type KeyedAnswer<T> =
  | { ok: true; value: Answered<T> }
  | { ok: false; rejection: Rejection; request_id: string; replayed: boolean };
