import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CLOSE, FEED_LIMITS, MAX_SITTING_MS } from "../../schema/feed.ts";
import { ROLES } from "../../schema/permissions.ts";
import type { Standing } from "../../schema/rpc/pod.ts";
import { type Arrival, admit, nextLook, nextPage, overdue, PAGE, PATIENCE_MS, serve, willLeave } from "./decide.ts";
import { NOW, removal, rename, rowOf, rowsOf, seatAt } from "./fixtures.ts";
import { frameOf } from "./frames.ts";
import { acknowledged, onlineIn, renewed } from "./state.ts";

const WINDOW = FEED_LIMITS.window;
const bob = { user: "bob", operator: false, token_ends_at: NOW + 1_000 };
const root = { user: "root", operator: true, token_ends_at: NOW + 1_000 };
const member: Standing = { role: "member", seq: 10, epoch: "e" };

const arriving = (change: Partial<Arrival> = {}) =>
  admit({ bearer: bob, after: 0, standing: member, sockets: 0, now: NOW, ...change });
const welcomed = (change: Partial<Arrival> = {}) => {
  const answer = arriving(change);
  if (!answer.ok) throw new Error(answer.rejection.detail);
  return answer.value;
};
const refusal = (change: Partial<Arrival>) => {
  const answer = arriving(change);
  return answer.ok ? "ok" : answer.rejection.code;
};

const framesOf = (from: number, to: number) => rowsOf(from, to).map(frameOf);
const seqsOf = (texts: readonly string[]) => texts.map((text) => (JSON.parse(text) as { seq: number }).seq);

describe("who comes", () => {
  test.each(ROLES)("with the role %s is let in", (role) => {
    expect(refusal({ standing: { ...member, role } })).toBe("ok");
  });

  test("without a role is let in as operator only, and nobody where there is no pod", () => {
    const without = { ...member, role: null };
    expect([refusal({ standing: without }), refusal({ standing: without, bearer: root })]).toEqual(["forbidden", "ok"]);
    expect([refusal({ standing: null }), refusal({ standing: null, bearer: root })]).toEqual(
      Array(2).fill("not_found"),
    );
  });

  test("with a token that has ended, or where too many are, is not", () => {
    expect([refusal({ now: NOW + 999 }), refusal({ now: NOW + 1_000 })]).toEqual(["ok", "unauthenticated"]);
    expect(refusal({ sockets: FEED_LIMITS.sockets - 1 })).toBe("ok");
    expect(refusal({ sockets: FEED_LIMITS.sockets })).toBe("overloaded");
  });

  test("stays at most an hour, however long the token says", () => {
    const long = { ...bob, token_ends_at: NOW + 10 * MAX_SITTING_MS };
    expect([welcomed().seat.ends_at, welcomed({ bearer: long }).seat.ends_at]).toEqual([
      bob.token_ends_at,
      NOW + MAX_SITTING_MS,
    ]);
  });

  test("ahead of the log is sent back to its head, and only then", () => {
    const hello = { type: "hello", epoch: "e", seq: 10 };
    expect(welcomed({ after: 10 })).toMatchObject({ seat: { sent: 10, acked: 10 }, frames: [hello] });
    expect(welcomed({ after: 11 })).toMatchObject({
      seat: { sent: 10, acked: 10 },
      frames: [hello, { type: "resync", from: 10 }],
    });
  });
});

describe("what goes out", () => {
  test("is what follows in the log, once: nothing before, nothing over a gap", () => {
    const { seat, texts } = serve(seatAt(5), framesOf(3, 8), NOW);
    expect([seqsOf(texts), seat.sent]).toEqual([[6, 7, 8], 8]);
    expect(serve(seat, framesOf(3, 8), NOW).texts).toEqual([]);
    expect(serve(seat, framesOf(10, 12), NOW)).toMatchObject({ seat: { sent: 8 }, texts: [] });
  });

  test("ends with the event that ends the right to read; one that is history ends nothing", () => {
    const frames = [rowOf(6), rowOf(7, removal("bob")), rowOf(8)].map(frameOf);
    const cut = serve(seatAt(5), frames, NOW);
    expect([seqsOf(cut.texts), cut.closing?.code, cut.seat.over]).toEqual([[6, 7], CLOSE.notAMember, true]);
    expect(serve(cut.seat, framesOf(8, 9), NOW)).toMatchObject({ texts: [], closing: null });
    expect(seqsOf(serve(seatAt(5, { joined: 7 }), frames, NOW).texts)).toEqual([6, 7, 8]);
    expect(seqsOf(serve(seatAt(5, { user: "olga" }), frames, NOW).texts)).toEqual([6, 7, 8]);
    expect(seqsOf(serve(seatAt(5, { operator: true }), frames, NOW).texts)).toEqual([6, 7, 8]);
  });

  test("is the log alone for whoever will come to that event; who has, or for whom it is history, is not marked", () => {
    const ends = [frameOf(rowOf(7, removal("bob")))];
    expect(willLeave(seatAt(5), ends)).toBe(true);
    const others = [seatAt(7), seatAt(5, { joined: 7 }), seatAt(5, { user: "eve" }), seatAt(5, { operator: true })];
    expect(others.map((seat) => willLeave(seat, ends))).toEqual(Array(4).fill(false));
  });

  test("fills the window to the last event and not one further; then the socket waits", () => {
    const full = serve(seatAt(0), framesOf(1, WINDOW), NOW);
    expect([full.texts.length, full.seat.stalled_at]).toEqual([WINDOW, null]);
    const waiting = serve(full.seat, framesOf(WINDOW + 1, WINDOW + 1), NOW + 1);
    expect(waiting).toMatchObject({ texts: [], closing: null, seat: { sent: WINDOW, stalled_at: NOW + 1 } });
    expect(serve(waiting.seat, framesOf(WINDOW + 1, WINDOW + 1), NOW + 9).seat.stalled_at).toBe(NOW + 1);
    expect(acknowledged(waiting.seat, 1)).toMatchObject({ acked: 1, stalled_at: null });
  });

  test("is nothing once the token has ended, however late the alarm", () => {
    expect(serve(seatAt(5, { ends_at: NOW }), framesOf(6, 8), NOW)).toMatchObject({
      texts: [],
      closing: { code: CLOSE.tokenEnded },
      seat: { over: true, sent: 5 },
    });
  });

  test("of any cut of the log, in any order and any doubling, is a run of it without gap or double", () => {
    fc.assert(
      fc.property(
        fc.nat(30),
        fc.array(fc.record({ from: fc.integer({ min: 1, max: 40 }), length: fc.nat(12) }), { maxLength: 30 }),
        (after, pages) => {
          let seat = seatAt(after);
          const got: number[] = [];
          for (const { from, length } of pages) {
            const served = serve(seat, framesOf(from, from + length), NOW);
            got.push(...seqsOf(served.texts));
            seat = served.seat;
          }
          expect(got).toEqual(got.map((_, index) => after + 1 + index));
          expect(seat.sent).toBe(after + got.length);
        },
      ),
    );
  });
});

describe("when time is up", () => {
  test("a token closes with 4001, and a full window with 4008 and the last seq", () => {
    expect(overdue(seatAt(5, { ends_at: NOW }), NOW - 1)).toBeNull();
    expect(overdue(seatAt(5, { ends_at: NOW }), NOW)?.closing).toEqual({
      code: CLOSE.tokenEnded,
      reason: "token ended",
    });
    const stalled = seatAt(5, { stalled_at: NOW });
    expect(overdue(stalled, NOW + PATIENCE_MS - 1)).toBeNull();
    expect(overdue(stalled, NOW + PATIENCE_MS)).toMatchObject({
      closing: { code: CLOSE.tooSlow, reason: "5" },
      seat: { over: true },
    });
    expect(overdue({ ...stalled, over: true }, NOW + PATIENCE_MS)).toBeNull();
  });

  test("every reason fits a close frame", () => {
    const last = overdue(seatAt(Number.MAX_SAFE_INTEGER, { stalled_at: 0 }), NOW)?.closing?.reason ?? "";
    expect(Buffer.byteLength(last)).toBeLessThanOrEqual(123);
  });

  test("the next look is at the first of them, and there is none without anybody", () => {
    expect(nextLook([])).toBeNull();
    expect(nextLook([seatAt(0, { ends_at: NOW + 5_000, over: true })])).toBeNull();
    expect(
      nextLook([
        seatAt(0, { ends_at: NOW + 5_000 }),
        seatAt(0, { stalled_at: NOW }),
        seatAt(0, { ends_at: NOW + 9_000 }),
      ]),
    ).toBe(NOW + PATIENCE_MS);
    expect(nextLook([seatAt(0, { ends_at: NOW + 1, stalled_at: NOW })])).toBe(NOW + 1);
  });
});

describe("what is read next", () => {
  test("is the page of the lowest, then of the next above, and round again", () => {
    const seats = [seatAt(7), seatAt(3), seatAt(12), seatAt(3)];
    expect([-1, 3, 7, 12].map((last) => nextPage(seats, 20, last)?.after)).toEqual([3, 7, 12, 3]);
  });

  test("is no more than somebody at that place has room for, and at least one event", () => {
    const limitFor = (...acked: number[]) =>
      nextPage(
        acked.map((at) => seatAt(2_000, { acked: at })),
        9_000,
        -1,
      )?.limit;
    expect(limitFor(2_000)).toBe(PAGE);
    expect(limitFor(1_007, 1_003)).toBe(7);
    expect(limitFor(1_000)).toBe(1);
  });

  test("is nothing for those who have everything, wait for an ack, or are gone", () => {
    const seats = [seatAt(20), seatAt(3, { stalled_at: NOW }), seatAt(3, { over: true })];
    expect(nextPage(seats, 20, -1)).toBeNull();
    expect(nextPage([], 20, -1)).toBeNull();
  });
});

describe("a seat", () => {
  test("is acknowledged up to what was sent, and never backwards", () => {
    const seat = seatAt(9, { acked: 4 });
    expect([100, 6, 4, 0].map((seq) => acknowledged(seat, seq).acked)).toEqual([9, 6, 4, 4]);
  });

  test("is renewed by the same person's token alone, as what they came as", () => {
    const seat = seatAt(9);
    expect(renewed(seat, bob, NOW + 5)).toMatchObject({ ends_at: NOW + 5, sent: 9 });
    expect(renewed(seat, { ...bob, user: "eve" }, NOW + 5)).toBeNull();
    expect(renewed(seat, { ...bob, operator: true }, NOW + 5)).toBeNull();
  });

  test("makes its member seen online, once however many; an operator is not", () => {
    const seats = [
      seatAt(1),
      seatAt(2),
      seatAt(1, { user: "eve", over: true }),
      seatAt(1, { user: "root", operator: true }),
    ];
    expect([...onlineIn(seats)]).toEqual(["bob"]);
  });
});

test("an event is worded as the log holds it, with its seq as a number", () => {
  const row = rowOf(7, rename);
  expect(JSON.parse(frameOf(row).text)).toEqual({ type: "event", seq: 7, event: row.event });
  expect([frameOf(row).expels, frameOf(rowOf(8, removal("bob"))).expels]).toEqual([null, "bob"]);
});
