import type { LogRow } from "../../../schema/events.ts";
import type { AccountDoc, PodDoc } from "../../../schema/read-model.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { parseStream } from "../../../schema/streams.ts";
import type { Writes } from "../writes.ts";
import { foldAccount } from "./accounts.ts";
import { foldPod } from "./pods.ts";
import { foldSagas } from "./sagas.ts";

/** What the tables hold of a stream: its own record, and the sagas it goes on with. */
export type Before = { doc: object | null; sagas: ReadonlyMap<string, Saga | null> };

/** What a stream comes to: its own record, where it has one, and rows of other tables. */
export type Folded = { doc: object | null; writes: Partial<Writes> };

/**
 * What one stream's events come to, by the fold of its kind. Of risk profiles, gateways and the desk only the checkpoint moves. Pure;
 * throws when the events cannot follow from what is there.
 */
export const foldStream = (before: Before, stream: string, rows: readonly LogRow[]): Folded => {
  const owner = parseStream(stream);
  if (owner === null) throw new Error(`no fold for stream ${stream}`);
  switch (owner.kind) {
    case "pod": {
      const { doc, ...writes } = foldPod(before.doc as PodDoc | null, rows);
      return { doc, writes };
    }
    case "account": {
      const { doc, ...writes } = foldAccount(owner.name, before.doc as AccountDoc | null, rows);
      return { doc, writes };
    }
    case "saga":
      return { doc: null, writes: foldSagas(before.sagas, rows) };
    case "risk":
    case "psp":
    case "fx":
      return { doc: null, writes: {} };
  }
};
