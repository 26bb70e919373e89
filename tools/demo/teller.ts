/** One step of the story, as `--json` prints it; `step` names it, the rest is what happened. */
export type Step = { step: string } & Record<string, unknown>;

/** Prints the story: for people in colour where there is a terminal, or a JSON line a step. */
export type Teller = {
  say(line: string): void;
  tell(step: Step, title: string, ...lines: string[]): void;
};

const paint = (code: string) => (text: string) =>
  process.stdout.isTTY && process.env.NO_COLOR === undefined ? `\u001b[${code}m${text}\u001b[0m` : text;

export const bold = paint("1");
export const dim = paint("2");
export const green = paint("32");
export const red = paint("31");
export const yellow = paint("33");

const jsonTeller: Teller = {
  say: () => undefined,
  tell: (step) => process.stdout.write(`${JSON.stringify(step)}\n`),
};

const humanTeller = (): Teller => {
  let number = 0;
  return {
    say: (line) => process.stdout.write(`${line}\n`),
    tell(_step, title, ...lines) {
      number += 1;
      process.stdout.write(`\n${bold(`${number}. ${title}`)}\n${lines.map((line) => `   ${line}\n`).join("")}`);
    },
  };
};

export const teller = (json: boolean): Teller => (json ? jsonTeller : humanTeller());
