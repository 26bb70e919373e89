import type { Migration } from "../kit/migrations.ts";
import initial from "./migrations/0000_initial.sql";

/** Every migration of a profile, oldest first. Files that have shipped are never edited. */
export const migrations: readonly Migration[] = [{ id: "0000_initial", sql: initial }];
