import type { LogRow } from "../events.ts";
import type { Result } from "../rejections.ts";

/** Whose token opened the door, and when it ends: milliseconds since the epoch, real time. */
export type Bearer = { user: string; operator: boolean; token_ends_at: number };

export type IssuedTicket = { ticket: string; expires_at: string };

/** What a pod tells its feed after a commit: the rows that follow what it told before, none for a mere beacon, and its head. */
export type PodNews = { head: number; rows: LogRow[] };

/** Comes with the upgrade, in the header `ENTRY_HEADER`: a ticket, or a bearer that the edge has authenticated. */
export type Entry = { after: number } & ({ ticket: string } | { bearer: Bearer });

/** ASCII, as everything in an `Entry` is. No URL carries a ticket any further than the edge. */
export const ENTRY_HEADER = "x-feed-entry";

/** The feed of a pod, named by the pod's id. */
export type FeedRpc = {
  /** A ticket for one connection or one renewal. The caller has asked the pod whether the bearer may read it. */
  issueTicket(bearer: Bearer): Promise<Result<IssuedTicket>>;
  /** Spends a ticket that was shown without an upgrade, for it stands in some log now. False: it was none. */
  spendTicket(ticket: string): Promise<boolean>;
  /** From the pod only. `watched`: somebody listens; the pod need not tell again until it is asked to. */
  tell(news: PodNews): Promise<{ watched: boolean }>;
  /** The upgrade: 101 with a socket, or 200 with a `Refused` as JSON. */
  fetch(request: Request): Promise<Response>;
};
