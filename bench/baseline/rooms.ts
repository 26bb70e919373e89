import type { Server as HttpServer } from "node:http";
import type pg from "pg";
import { Server } from "socket.io";
import { z } from "zod";
import type { Authenticate } from "./callers.ts";
import { isMember, type PodEvent } from "./pods.ts";

/** What is shown on connecting: a token, as over HTTP, and which pod's room it is for. */
const entrySchema = z.object({ token: z.string(), pod: z.string() });

/** A room a pod, over WebSockets alone. Only its members are let in; it is told what was committed, in that order. */
export class Rooms {
  readonly #io = new Server({ transports: ["websocket"], serveClient: false });
  /** The change of a pod that is under way, and those that wait for it. */
  readonly #changing = new Map<string, Promise<unknown>>();

  constructor(pool: pg.Pool, authenticate: Authenticate) {
    const admit = async (shown: unknown): Promise<string | null> => {
      const { token, pod } = entrySchema.parse(shown);
      const { user } = await authenticate(token);
      return (await isMember(pool, pod, user)) ? pod : null;
    };
    this.#io.use((socket, next) => {
      const refuse = () => next(new Error("no such pod"));
      admit(socket.handshake.auth).then((pod) => {
        if (pod === null) return refuse();
        socket.data.pod = pod;
        return next();
      }, refuse);
    });
    this.#io.on("connection", (socket) => socket.join(socket.data.pod));
  }

  /** On the port of this server, beside whatever it answers. */
  serveBeside(server: HttpServer): void {
    this.#io.attach(server);
  }

  /** Hangs up on everybody, and ends the server it is beside. */
  close(): Promise<void> {
    return this.#io.close();
  }

  /**
   * Tells the pod's room the event of a change once it is committed. One change of a pod at a time: answers of several connections
   * to the database may overtake each other, and in the database they would wait for each other too.
   */
  async tellAfter(pod: string, change: () => Promise<PodEvent | null>): Promise<PodEvent | null> {
    const before = this.#changing.get(pod);
    const changed = (before ?? Promise.resolve()).then(change).then((event) => {
      if (event !== null) this.#io.to(pod).emit("event", event);
      return event;
    });
    const ended = changed.catch(() => undefined);
    this.#changing.set(pod, ended);
    try {
      return await changed;
    } finally {
      if (this.#changing.get(pod) === ended) this.#changing.delete(pod);
    }
  }
}
