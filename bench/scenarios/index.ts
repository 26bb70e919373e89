import { CHARGES } from "./charges.ts";
import { GROWTH } from "./growth.ts";
import { PROBES } from "./probes.ts";
import { READS } from "./reads.ts";
import type { Scenario } from "./scenario.ts";
import { TRANSFERS } from "./transfers.ts";

/** Everything that is measured, in the order it is. */
export const SCENARIOS: readonly Scenario[] = [...TRANSFERS, ...CHARGES, ...READS, ...PROBES, ...GROWTH];

/** What the contract names and this tree does not have yet: nothing to measure, and said so in the table. */
export const MISSING: readonly { name: string; why: string }[] = [
  { name: "refunds", why: "there are no refunds yet" },
  { name: "webhook dispatch", why: "there are no outgoing webhooks yet" },
  { name: "GraphQL", why: "there is no GraphQL gateway yet" },
];
