import { describe, expect, it } from "vitest";
import { addDuration, parseDuration } from "./durations.ts";

const later = (from: string, text: string): string => {
  const duration = parseDuration(text);
  if (duration === null) throw new Error(`not a duration: ${text}`);
  return new Date(addDuration(Date.parse(from), duration)).toISOString();
};

describe("durations", () => {
  it("counts months by the calendar", () => {
    expect(later("2026-01-31T10:00:00.000Z", "P1M")).toBe("2026-02-28T10:00:00.000Z");
    expect(later("2028-01-31T10:00:00.000Z", "P1M")).toBe("2028-02-29T10:00:00.000Z");
    expect(later("2026-12-15T00:00:00.000Z", "P1Y2M")).toBe("2028-02-15T00:00:00.000Z");
  });

  it("reads days, times and the short form", () => {
    expect(later("2026-03-01T00:00:00.000Z", "P1W2DT3H4M5S")).toBe("2026-03-10T03:04:05.000Z");
    expect(parseDuration("90s")).toEqual(parseDuration("PT90S"));
    expect(parseDuration("7d")).toEqual(parseDuration("P7D"));
  });

  it.each(["", "P", "PT", "P1", "1M", "P-1D", "P1.5D", "P1DT", "5 m", "P1M1Y"])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});
