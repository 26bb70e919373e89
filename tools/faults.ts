/**
 * Fault points for crash tests. `point` is armed for its first hit, `point#k` for its k-th. Returns whether this hit is
 * the armed one; counts are of this process, so a restart begins anew.
 */
export function armedFaults(points: readonly string[]): (point: string) => boolean {
  const armed = new Set(points.map((point) => (/#\d+$/.test(point) ? point : `${point}#1`)));
  const hits = new Map<string, number>();
  return (point) => {
    const hit = (hits.get(point) ?? 0) + 1;
    hits.set(point, hit);
    return armed.has(`${point}#${hit}`);
  };
}

/** The fault point named by a request to `http://faults/<point>`. */
export function faultPoint(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}
