/** The lists the edge answers from: all of them pages of the read model, none of them ahead of what an actor says itself. */
export { type AccountBalance, accountsOf } from "./accounts.ts";
export { listCharges } from "./charges.ts";
export { type EntryScope, listEntries } from "./entries.ts";
export { listPods, type PodListing } from "./pods.ts";
export { listSagas, parkedSagas, type SagaFilter } from "./sagas.ts";
export { listStreams } from "./streams.ts";
