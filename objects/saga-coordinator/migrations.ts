import type { Migration } from "../kit/migrations.ts";
import initial from "./migrations/0000_initial.sql";

export const migrations: readonly Migration[] = [{ id: "0000_initial", sql: initial }];
