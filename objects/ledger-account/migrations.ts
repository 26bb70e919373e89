import type { Migration } from "../kit/migrations.ts";
import init from "./migrations/0000_init.sql";
import commands from "./migrations/0001_commands.sql";
import postedParts from "./migrations/0002_posted_parts.sql";

/** Every migration of an account, oldest first. Files that have shipped are never edited. */
export const migrations: readonly Migration[] = [
  { id: "0000_init", sql: init },
  { id: "0001_commands", sql: commands },
  { id: "0002_posted_parts", sql: postedParts },
];
