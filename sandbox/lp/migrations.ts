import type { Migration } from "../migrate.ts";
import init from "./migrations/0000_init.sql";

/** Every migration of a provider's books, oldest first. Files that have shipped are never edited. */
export const migrations: readonly Migration[] = [{ id: "0000_init", sql: init }];
