import type { Migration } from "../kit/migrations.ts";
import initial from "./migrations/0000_initial.sql";
import partialIndexes from "./migrations/0001_partial_indexes.sql";
import fewerIndexes from "./migrations/0002_fewer_indexes.sql";

export const migrations: readonly Migration[] = [
  { id: "0000_initial", sql: initial },
  { id: "0001_partial_indexes", sql: partialIndexes },
  { id: "0002_fewer_indexes", sql: fewerIndexes },
];
