import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { parentSetting } from "./parent.ts";

describe("whom a process ends with", () => {
  test("is who PARENT_PID names, else npm where npm started it, else nobody", () => {
    expect(parentSetting({ PARENT_PID: "4711", npm_lifecycle_event: "start" })).toBe(4711);
    expect(parentSetting({ npm_lifecycle_event: "start" })).toBe(process.ppid);
    expect(parentSetting({})).toBeUndefined();
    for (const named of ["0", "1.5", "init"]) expect(() => parentSetting({ PARENT_PID: named })).toThrow(/process id/);
  });

  test("ends it though it was killed, and though it was gone before anybody looked", async () => {
    const module = JSON.stringify(join(import.meta.dirname, "parent.ts"));
    const child = `
      const { whenParentIsGone } = await import(${module});
      whenParentIsGone(Number(process.argv[1]), () => { process.stdout.write("ended"); process.exit(0); });
      process.stdout.write("looking ");
      setInterval(() => undefined, 1_000);`;
    const parent = `
      const { spawn } = require("node:child_process");
      const run = (pid) => spawn(process.execPath, ["--input-type=module", "-e", ${JSON.stringify(child)}, pid], { stdio: ["ignore", 1, 2] });
      run(String(process.pid));
      setInterval(() => undefined, 1_000);`;
    const started = spawn(process.execPath, ["-e", parent], { stdio: ["ignore", "pipe", "inherit"] });
    const said = text(started.stdout);
    await once(started.stdout, "readable");
    started.kill("SIGKILL");
    expect(await said).toBe("looking ended");

    const late = spawn(process.execPath, ["--input-type=module", "-e", child, String(started.pid)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await text(late.stdout)).toBe("looking ended");
  });
});
