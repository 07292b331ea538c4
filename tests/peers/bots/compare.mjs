// SPDX-License-Identifier: Apache-2.0
// node compare.mjs DIRECT GATEWAY: are two transcripts of conversation.mjs the same? Shows what differs.
import { readFileSync } from "node:fs";

const [direct, gateway] = process.argv.slice(2, 4).map((path) => JSON.parse(readFileSync(path, "utf8")));
let different = 0;
for (let i = 0; i < Math.max(direct.length, gateway.length); i++) {
  const a = JSON.stringify(direct[i]), b = JSON.stringify(gateway[i]);
  const step = direct[i]?.step ?? gateway[i].step;
  if (a === b) {
    console.log(`ok      ${step}`);
    continue;
  }
  different++;
  console.log(`FAILED  ${step}: directly ${a}, through the gateway ${b}`);
}
console.log(`${direct.length - different} passed, ${different} failed`);
process.exit(different || !direct.length ? 1 : 0);
