import { type Dialect, readOnce } from "../load/listener.ts";
import type { PodEvent } from "./pods.ts";

const EVENT = '42["event",';

const eventIn = readOnce((text) => {
  const { seq, recorded_at } = JSON.parse(text.slice(EVENT.length, -1)) as PodEvent;
  return { seq: Number(seq), recordedAtMs: Date.parse(recorded_at) };
});

/** A pod's room as Engine.IO 4 and Socket.IO 5 speak of it, over a WebSocket from the start. */
export const roomDialect = (url: string, token: string, pod: string): Dialect => {
  const address = new URL("/socket.io/?EIO=4&transport=websocket", url);
  address.protocol = "ws:";
  return {
    address: address.href,
    hear: (text) => {
      if (text.startsWith(EVENT)) return { event: eventIn(text) };
      if (text.startsWith("0{")) return { answer: `40${JSON.stringify({ token, pod })}` };
      if (text.startsWith("40{")) return { joined: true };
      if (text.startsWith("44")) return { refused: text.slice(2) };
      return text === "2" ? { answer: "3" } : {};
    },
  };
};
