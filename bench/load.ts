import { connect } from "node:net";

export type Load = { perSecond: number; p50Ms: number; p99Ms: number; answers: number; failed: number };

const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;

/** How many bytes an answer takes, or null while its head or body is not whole. Answers here carry a length or are chunked. */
const answerLength = (text: string): number | null => {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return null;
  const length = CONTENT_LENGTH.exec(text.slice(0, head + 2))?.[1];
  if (length !== undefined) {
    const whole = head + 4 + Number(length);
    return text.length >= whole ? whole : null;
  }
  const end = text.indexOf("\r\n0\r\n\r\n", head);
  return end < 0 ? null : end + 7;
};

/**
 * A closed loop over raw keep-alive sockets: each connection has one request under way, always. Cheaper than any HTTP client, so
 * that on a small machine the server is what is measured. Only for answers in ASCII.
 */
export const closedLoop = async (
  url: string,
  headers: Record<string, string>,
  connections: number,
  seconds: number,
): Promise<Load> => {
  const { hostname, port, pathname, host } = new URL(url);
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}`);
  const request = `GET ${pathname} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
  const times: number[] = [];
  let failed = 0;
  const deadline = performance.now() + seconds * 1000;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let text = "";
      let sent = 0;
      const send = () => {
        sent = performance.now();
        socket.write(request);
      };
      socket.setEncoding("latin1");
      socket.once("connect", send);
      socket.once("error", reject);
      socket.on("data", (chunk: string) => {
        text += chunk;
        const length = answerLength(text);
        if (length === null) return;
        times.push(performance.now() - sent);
        if (!text.startsWith("HTTP/1.1 200")) failed += 1;
        text = text.slice(length);
        if (performance.now() < deadline) send();
        else {
          socket.destroy();
          resolve();
        }
      });
    });
  const started = performance.now();
  await Promise.all(Array.from({ length: connections }, one));
  const elapsed = (performance.now() - started) / 1000;
  times.sort((left, right) => left - right);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { perSecond: times.length / elapsed, p50Ms: at(0.5), p99Ms: at(0.99), answers: times.length, failed };
};
