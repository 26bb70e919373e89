import type { ObjectEnv } from "../env.ts";
import { meteredEnv } from "./bindings.ts";
import type { Meter } from "./meter.ts";
import { meterStorage } from "./storage.ts";
import type { Cause, Tally } from "./tally.ts";

type ObjectClass = abstract new (...given: never[]) => object;

const FRAMES = new Set(["webSocketMessage", "webSocketClose", "webSocketError"]);
/** Called by an alarm, or by what goes round every minute and asks everybody. */
const TIMED = new Set(["alarm", "runDueTimers", "directory", "nameStreams"]);

/** A Durable Object's class with everything counted that its objects do. */
export const meteredObject = (meter: Meter, actor: string, base: ObjectClass): ObjectClass => {
  // No `class`: what its constructor starts, `super(…)` included, is to be counted as waking, and a class may not call that inside a function.
  function Metered(ctx: DurableObjectState, env: ObjectEnv): object {
    meterStorage(meter, actor, ctx.storage);
    const given = [ctx, meteredEnv(meter, actor, env)];
    return meter.during("woken", () => Reflect.construct(base, given, new.target ?? base));
  }
  Object.setPrototypeOf(Metered, base);
  Metered.prototype = Object.create(base.prototype, { constructor: { value: Metered } });
  for (const [name, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(base.prototype))) {
    if (name === "constructor" || typeof method !== "function") continue;
    const part: Partial<Tally> = FRAMES.has(name) ? { frames: 1 } : { calls: 1 };
    const cause: Cause = TIMED.has(name) ? "timed" : "asked";
    Object.defineProperty(Metered.prototype, name, {
      value(this: object, ...given: unknown[]): unknown {
        return meter.during(cause, () => {
          meter.count(actor, part);
          if (cause === "asked" && part.calls !== undefined) meter.called(actor, name);
          return Reflect.apply(method, this, given);
        });
      },
    });
  }
  return Metered as unknown as ObjectClass;
};
