import type { LogRow } from "../../../schema/events.ts";
import type { PodDoc } from "../../../schema/read-model.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { parseStream } from "../../../schema/streams.ts";
import type { AccountRow, Writes } from "../writes.ts";
import { foldAccount } from "./accounts.ts";
import { foldPod } from "./pods.ts";
import { foldSagas } from "./sagas.ts";

/** What the tables hold of everything that a batch touches. */
export type Docs = {
  pods: ReadonlyMap<string, PodDoc>;
  accounts: ReadonlyMap<string, AccountRow>;
  sagas: ReadonlyMap<string, Saga>;
};

/**
 * What one stream's events come to, by the fold of its kind. Of risk profiles, gateways and the desk only the checkpoint moves. Pure;
 * throws when the events cannot follow from what is there.
 */
export const foldStream = (docs: Docs, stream: string, rows: readonly LogRow[]): Partial<Writes> => {
  const owner = parseStream(stream);
  if (owner === null) throw new Error(`no fold for stream ${stream}`);
  switch (owner.kind) {
    case "pod":
      return foldPod(docs.pods.get(owner.name) ?? null, rows);
    case "account":
      return foldAccount(owner.name, docs.accounts.get(owner.name) ?? null, rows);
    case "saga":
      return foldSagas(docs.sagas, rows);
    case "risk":
    case "psp":
    case "fx":
      return {};
  }
};
