import { describe, expect, it, vi } from "vitest";
import type { CreateTransfer, TransferAnswer } from "../../schema/rpc/coordinator.ts";
import { MAX_TRANSFERS, runAll } from "./batch.ts";

vi.spyOn(console, "error").mockReturnValue(undefined);

const command = (id: string, reason: string | null = null): CreateTransfer => ({ id, legs: [], reason, metadata: {} });
const answer = ({ id, reason }: CreateTransfer): TransferAnswer => ({ kind: "processing", id, saga: String(reason) });

describe("a batch", () => {
  it("answers each in its place, whichever is ready first", async () => {
    const slow = new Promise((resolve) => setImmediate(resolve));
    const commands = [command("trf_1"), command("trf_2"), command("trf_3")];
    const answers = await runAll(
      commands,
      async (each) => {
        if (each.id === "trf_1") await slow;
        return answer(each);
      },
      "r",
    );
    expect(answers).toEqual(commands.map(answer));
  });

  it("runs one id with one body once, and another body under it after that", async () => {
    const ran: string[] = [];
    const commands = [command("trf_1"), command("trf_1", "other"), command("trf_2"), command("trf_1")];
    const answers = await runAll(
      commands,
      async (each) => {
        // The first of an id is the slowest: the next waits for it all the same.
        if (ran.length === 0) await new Promise((resolve) => setImmediate(resolve));
        ran.push(`${each.id} ${each.reason}`);
        return answer(each);
      },
      "r",
    );
    expect(ran.toSorted()).toEqual(["trf_1 null", "trf_1 other", "trf_2 null"]);
    expect(ran.indexOf("trf_1 null")).toBeLessThan(ran.indexOf("trf_1 other"));
    expect(answers).toEqual(commands.map(answer));
  });

  it("keeps one transfer's bug from the others", async () => {
    const answers = await runAll(
      [command("trf_1"), command("trf_2")],
      async (each) => {
        if (each.id === "trf_1") throw new Error("a bug");
        return answer(each);
      },
      "request-1",
    );
    expect(answers).toMatchObject([
      { kind: "problem", rejection: { code: "internal" }, request_id: "request-1" },
      { kind: "processing", id: "trf_2" },
    ]);
  });

  it("holds 256 transfers and no more", async () => {
    const commands = Array.from({ length: MAX_TRANSFERS + 1 }, (_, at) => command(`trf_${at}`));
    expect(await runAll(commands.slice(1), async (each) => answer(each), "r")).toHaveLength(MAX_TRANSFERS);
    await expect(runAll(commands, async (each) => answer(each), "r")).rejects.toThrow("at most 256");
  });
});
