import { expect, test } from "vitest";
import { cronDue } from "./cron.ts";

const sundayNoon = new Date("2026-11-22T12:30:15Z");

test("a schedule falls due in its minute", () => {
  for (const due of [
    "* * * * *",
    "30 12 * * *",
    "*/15 * * * *",
    "0,30 * 22 11 *",
    "25-35/5 * * * 1",
    "10/10 * * * *",
  ]) {
    expect([due, cronDue(due, sundayNoon)]).toEqual([due, true]);
  }
  for (const not of ["31 * * * *", "*/7 * * * *", "* * * * 2", "* 13 * * *", "30 12 23 * *", "0-29 * * * *"]) {
    expect([not, cronDue(not, sundayNoon)]).toEqual([not, false]);
  }
});

test("a schedule nobody understands is an error, not a silence", () => {
  for (const bad of ["* * * *", "@daily", "* * * * MON", "x * * * *"]) {
    expect(() => cronDue(bad, sundayNoon)).toThrow(/cron schedule/);
  }
});
